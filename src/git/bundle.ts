import { access, mkdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describeExit, run } from '../engine/shell.ts'
import { refNameProblem } from './ref-name.ts'
import { type Environment, gitEnvironment } from './repository.ts'

const timeoutMs = 60 * 60_000

/** A repository as one file, by git itself: whole, whatever is pushed or packed meanwhile. False: it is empty. */
export async function writeBundle(
  directory: string,
  file: string,
  environment: Environment,
  signal: AbortSignal,
): Promise<boolean> {
  const there = await access(join(directory, 'HEAD')).then(
    () => true,
    () => false,
  )
  if (!there) return false
  const refs: string[] = []
  const options = { environment, signal }
  await git(directory, ['for-each-ref', '--count=1', '--format=%(objectname)'], options, refs)
  if (refs.length === 0) return false
  await git(directory, ['bundle', 'create', '--quiet', file, '--all'], options)
  return true
}

/** The bare repository of a bundle; git rejects one in which anything is missing. It appears whole or not at all. */
export async function readBundle(
  file: string,
  directory: string,
  environment: Environment,
  signal: AbortSignal,
  branch?: string,
): Promise<void> {
  const draft = `${directory}.new`
  await mkdir(dirname(directory), { recursive: true, mode: 0o700 })
  await rm(draft, { recursive: true, force: true })
  await mkdir(draft, { mode: 0o700 })
  // a bundle counts as the transport "file" for git
  const options = { environment: { ...environment, GIT_ALLOW_PROTOCOL: 'file' }, signal }
  await git(draft, ['init', '--quiet', '--bare', '--initial-branch=main', '--template='], options)
  const flags = ['--quiet', '--no-tags', '--no-write-fetch-head', '--update-head-ok', '--no-auto-gc']
  await git(draft, ['fetch', ...flags, '--end-of-options', file, '+refs/*:refs/*'], options)
  if (branch !== undefined && refNameProblem(`refs/heads/${branch}`) === null) {
    await git(draft, ['symbolic-ref', 'HEAD', `refs/heads/${branch}`], options)
  }
  await rename(draft, directory)
}

async function git(
  cwd: string,
  args: readonly string[],
  { environment, signal }: { readonly environment: Environment; readonly signal: AbortSignal },
  lines: string[] = [],
): Promise<void> {
  const env = { ...gitEnvironment(environment), ...environment }
  const onLine = (line: string, stream: 'out' | 'err') => void (stream === 'out' && lines.push(line))
  const exit = await run({ file: 'git', args, cwd, env }, { timeoutMs, onLine, signal })
  if (exit.code !== 0)
    throw new Error(`git ${args[0]} ${describeExit(exit)}: ${exit.tail.join('\n').slice(-1_000)}`)
}
