import path from 'node:path'
import type { EngineDeps } from '../engine/engine.ts'
import { notIsolated } from '../engine/isolation.ts'
import { currentToolchain } from '../engine/pipeline/dependencies/toolchain.ts'
import type { InstallJob } from '../engine/pipeline/dependencies.ts'

/** The server's own Node and npm, whatever is asked for. */
export const serversOwn: EngineDeps['toolchains'] = {
  choose: async () => ({ toolchain: currentToolchain(), manager: null, npmConfig: {} }),
  obtain: async () => ({ toolchain: currentToolchain(), manager: null, npmConfig: {} }),
  searchPath: () => process.env.PATH ?? '',
  fetching: () => 0,
  prune: async () => [],
  cleanLeftovers: async () => {},
}

/** Installs nothing but what `fault` does; builds with the real tools. */
export function dependenciesThat(
  fault: () => ((job: InstallJob) => Promise<void>) | undefined,
  home: string,
): EngineDeps['dependencies'] {
  return {
    tools: {
      toolchain: currentToolchain(),
      manager: null,
      confinement: { kind: 'none', prefix: [], keptOwner: null },
      isolation: notIsolated,
      environment: { PATH: process.env.PATH ?? '' },
      buildHome: home,
      npmCache: path.join(home, 'npm'),
      npmConfig: {},
      limits: { timeoutMs: 10_000, maxOutputBytes: 1_000_000 },
    },
    install: async (job) => {
      const install = fault()
      if (install) {
        // stands for a package manager at work
        await job.enter?.()
        await install(job)
      }
      return { note: 'no dependencies', shared: false }
    },
    isShared: async () => false,
    makePrivate: async () => {},
    prune: async () => 0,
    cleanLeftovers: async () => 0,
  }
}
