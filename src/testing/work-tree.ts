import type { ChildProcess } from 'node:child_process'
import { cp, mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type CommandResult, command } from './command.ts'
import { removeDirectory, temporaryDirectory } from './temporary.ts'

export type Files = Readonly<Record<string, string | Uint8Array>>

export interface PushOptions {
  /** Before the remote: `['--force']`, `['-o', 'no-cache']`. */
  readonly flags?: readonly string[]
  /** `git -c key=value`, before the command. */
  readonly config?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly timeoutMs?: number
  readonly onOutput?: (text: string, child: ChildProcess) => void
}

export interface WorkTree {
  readonly directory: string
  /** Runs git here with an identity of its own and without the user's configuration. */
  git(...args: string[]): Promise<CommandResult>
  write(files: Files): Promise<void>
  /** Writes, commits everything (an empty commit is fine) and returns the sha. */
  commit(files?: Files, message?: string): Promise<string>
  head(): Promise<string>
  push(remote: string, refspec?: string, options?: PushOptions): Promise<CommandResult>
  remove(): Promise<void>
}

/** A git work tree on branch `main` with one commit: of the given files, or of a copy of a folder. */
export async function workTree(from: Files | { readonly copyOf: string }): Promise<WorkTree> {
  const directory = await temporaryDirectory('tree')
  const tree = treeIn(directory)
  await must(tree.git('init', '-q'))
  await must(tree.git('symbolic-ref', 'HEAD', 'refs/heads/main'))
  if (isCopy(from)) await copyWithoutProducts(from.copyOf, directory)
  await tree.commit(isCopy(from) ? {} : from, 'first')
  return tree
}

/** What `git` needs to ask nobody and to read nobody's configuration. */
export const gitEnvironment: Readonly<Record<string, string>> = {
  no_proxy: '*',
  GIT_TERMINAL_PROMPT: '0',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'Test',
  GIT_AUTHOR_EMAIL: 'test@example.org',
  GIT_COMMITTER_NAME: 'Test',
  GIT_COMMITTER_EMAIL: 'test@example.org',
}

function treeIn(directory: string): WorkTree {
  const git = (...args: string[]) => command('git', args, { cwd: directory, env: gitEnvironment })
  const head = async () => (await must(git('rev-parse', 'HEAD'))).out.trim()
  const write = (files: Files) => writeFiles(directory, files)
  return {
    directory,
    git,
    head,
    write,
    async commit(files = {}, message = 'change') {
      await write(files)
      await must(git('add', '-A'))
      await must(git('commit', '-q', '--allow-empty', '-m', message))
      return head()
    },
    push(remote, refspec = 'main', { flags = [], config = [], env = {}, ...rest } = {}) {
      const configured = config.flatMap((entry) => ['-c', entry])
      return command('git', [...configured, 'push', ...flags, remote, refspec], {
        cwd: directory,
        env: { ...gitEnvironment, ...env },
        timeoutMs: 300_000,
        ...rest,
      })
    },
    remove: () => removeDirectory(directory),
  }
}

export async function writeFiles(directory: string, files: Files): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(directory, dirname(name)), { recursive: true })
    await writeFile(join(directory, name), content)
  }
}

/** An app that was tried by hand has node_modules and dist beside its source. */
async function copyWithoutProducts(source: string, directory: string): Promise<void> {
  await cp(source, directory, {
    recursive: true,
    filter: (path) => !/[/\\](node_modules|dist|\.git)$/.test(path.slice(source.length)),
  })
}

function isCopy(from: Files | { readonly copyOf: string }): from is { readonly copyOf: string } {
  return typeof from.copyOf === 'string' && Object.keys(from).length === 1
}

async function must(running: Promise<CommandResult>): Promise<CommandResult> {
  const result = await running
  if (result.code !== 0) throw new Error(`git ended with ${result.code}: ${result.all}`)
  return result
}
