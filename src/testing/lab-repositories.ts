import type { EngineDeps } from '../engine/engine.ts'
import type { Source } from '../engine/ports.ts'
import type { Faults } from './engine-lab.ts'

/** Repositories without git: names of branches, and the commits that all of them know. */
export function createLabRepositories(faults: Pick<Faults, 'removeRepository' | 'fetch'>): LabRepositories {
  const repositories = new Map<string, Map<string, string>>()
  const commits = new Map<string, Source>()
  const branches = (name: string) => {
    const found = repositories.get(name) ?? new Map<string, string>()
    repositories.set(name, found)
    return found
  }
  return {
    branches,
    commits,
    remove: async (name) => {
      await faults.removeRepository?.()
      repositories.delete(name)
    },
    resolve: async (name, ref) => repositories.get(name)?.get(ref) ?? (commits.has(ref) ? ref : null),
    tidy: async () => {},
    collect: async () => {},
    bundle: async () => false,
    unbundle: async () => {},
    fetch: async (name, from, signal) =>
      (await faults.fetch?.(name, from, signal)) ?? { sha: 'f'.repeat(40), knownHosts: '' },
    moveBranch: async (name, branch, from, to) => {
      if ((repositories.get(name)?.get(branch) ?? null) !== from) return false
      if (to === null) branches(name).delete(branch)
      else branches(name).set(branch, to)
      return true
    },
    branchTip: async (name, branch) => repositories.get(name)?.get(branch) ?? null,
    source: async (_name, sha) => commits.get(sha) ?? Promise.reject(new Error(`no commit ${sha}`)),
  }
}

type Repositories = EngineDeps['repositories']

export interface LabRepositories extends Repositories {
  /** Branches of a project's repository: name → commit. */
  branches(project: string): Map<string, string>
  readonly commits: Map<string, Source>
}
