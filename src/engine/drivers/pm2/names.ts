import { join } from 'node:path'
import { processTypePattern } from '../../domain/process.ts'
import { projectNamePattern } from '../../domain/project.ts'
import { Refusal } from '../../domain/refusal.ts'
import type { GroupRef } from '../../ports.ts'

/** How instances are called: in PM2's list, and in the files that belong to them. */

export interface InstanceRef extends GroupRef {
  readonly index: number
}

const instancePattern = /^([a-z0-9-]+)\/([A-Za-z0-9_-]+)\.(\d+)\/v(\d+)\/g(\d+)$/

/** `shop/web.1/v12/g40`: the whole identity, so that the list alone tells what runs. */
export function instanceName(ref: InstanceRef): string {
  return `${ref.project}/${ref.type}.${ref.index}/v${ref.release}/g${ref.generation}`
}

export function parseInstanceName(name: string): InstanceRef | null {
  const found = instancePattern.exec(name)
  if (!found) return null
  const [, project = '', type = '', index, release, generation] = found
  return {
    project,
    type,
    index: Number(index),
    release: Number(release),
    generation: Number(generation),
  }
}

/** Refuses names and numbers that could leave the folders they are put into. */
export function checkRef(ref: GroupRef): void {
  if (!projectNamePattern.test(ref.project)) {
    throw new Refusal('invalid', `"${ref.project}" is no name for a project`)
  }
  if (!processTypePattern.test(ref.type)) {
    throw new Refusal('invalid', `"${ref.type}" is no name for a process type`, {
      hint: 'use letters, digits, - and _ in the Procfile',
    })
  }
  for (const number of [ref.release, ref.generation]) {
    if (!Number.isSafeInteger(number) || number < 0) {
      throw new Refusal('invalid', `${number} is no number of a release or generation`)
    }
  }
}

export interface OwnFiles {
  /** Removed when the instance has been stopped. */
  readonly script: string
  readonly pidFile: string
}

/** Both in folders of the project, so that one removal takes all that carries its name. */
export function instanceFiles(runDirectory: string, ref: InstanceRef): OwnFiles {
  const base = `${ref.type}.${ref.index}-v${ref.release}-g${ref.generation}`
  const [launch, pids] = projectFolders(runDirectory, ref.project)
  return { script: join(launch, `${base}.sh`), pidFile: join(pids, `${base}.pid`) }
}

export function projectFolders(runDirectory: string, project: string): readonly [string, string] {
  return [join(runDirectory, 'launch', project), join(runDirectory, 'pids', project)]
}
