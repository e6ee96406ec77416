import { lstat, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../engine/shell.ts'

/** What a bare repository needs now and then, behind everything else. The environment is git's whole one. */

const commitId = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/

const limitMs = 10 * 60_000
const gentle = ['gc.auto=2000', 'gc.autoDetach=false', 'pack.threads=1', 'pack.windowMemory=100m']
const settings = gentle.flatMap((setting) => ['-c', setting])
/** Where commits are held that no branch leads to any more, and a release was made of. Hidden from clients. */
const keptRefs = 'refs/nodepilot/kept'

/** Packs what has piled up, when it is much: pushes themselves never stop for it. */
export async function tidyRepository(directory: string, environment: Record<string, string>): Promise<void> {
  await git(directory, environment, [...settings, 'gc', '--auto', '--quiet'])
}

/**
 * Throws away what no ref leads to and is two weeks old (younger objects may belong to a push that is just being
 * accepted), but what these commits need: a release may be built from one of them again.
 */
export async function collectGarbage(
  directory: string,
  environment: Record<string, string>,
  keep: readonly string[],
): Promise<void> {
  await holdCommits(
    directory,
    environment,
    keep.filter((sha) => commitId.test(sha)),
  )
  await git(directory, environment, [...settings, 'gc', '--quiet', '--prune=2.weeks.ago'])
}

/**
 * Removes lock files that are older than this. git holds one for milliseconds, and a git that was killed for ever:
 * then no push could move a ref again.
 */
export async function removeStaleLocks(directory: string, olderThanMs: number, now: number): Promise<void> {
  const below = (folder: string) =>
    readdir(join(directory, folder), { recursive: true }).catch(() => [] as string[])
  const names = [
    ...(await readdir(directory).catch(() => [] as string[])),
    ...(await below('refs')).map((name) => join('refs', name)),
    ...(await readdir(join(directory, 'objects', 'info')).catch(() => [] as string[])).map((name) =>
      join('objects', 'info', name),
    ),
  ]
  for (const name of names.filter((name) => name.endsWith('.lock'))) {
    const file = join(directory, name)
    const found = await lstat(file).catch(() => null)
    if (found?.isFile() && found.mtimeMs <= now - olderThanMs) await rm(file, { force: true })
  }
}

/**
 * Removes packs that a killed git had not finished: git itself keeps them for two weeks. `unless` were there before.
 * A repack that runs meanwhile fails by it, and is made up for by the next.
 */
export async function removeHalfPacks(directory: string, unless: readonly string[] = []): Promise<void> {
  for (const name of await halfPacks(directory)) {
    if (!unless.includes(name)) await rm(join(directory, 'objects', 'pack', name), { force: true })
  }
}

export async function halfPacks(directory: string): Promise<string[]> {
  const names = await readdir(join(directory, 'objects', 'pack')).catch(() => [])
  return names.filter((name) => name.startsWith('tmp_'))
}

/** Exactly these have a ref of their own afterwards; one whose commit is gone already is passed over. */
async function holdCommits(
  directory: string,
  environment: Record<string, string>,
  keep: readonly string[],
): Promise<void> {
  const held = await git(directory, environment, ['for-each-ref', '--format=%(refname:lstrip=3)', keptRefs])
  for (const sha of held.filter((name) => commitId.test(name) && !keep.includes(name))) {
    await git(directory, environment, ['update-ref', '-d', `${keptRefs}/${sha}`])
  }
  for (const sha of keep.filter((name) => !held.includes(name))) {
    await git(directory, environment, ['update-ref', `${keptRefs}/${sha}`, sha])
  }
}

/** The lines it printed; what it had to complain about is no concern of anybody who waits for it. */
async function git(
  directory: string,
  environment: Record<string, string>,
  args: readonly string[],
): Promise<string[]> {
  const lines: string[] = []
  await run(
    { file: 'nice', args: ['-n', '10', 'git', ...args], cwd: directory, env: environment },
    { timeoutMs: limitMs, onLine: (line, stream) => stream === 'out' && lines.push(line) },
  )
  return lines
}
