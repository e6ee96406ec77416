import { type Command, run } from './shell.ts'

/**
 * How builds are kept from harming what runs beside them. They get little of processor and disk while others want
 * it, are what the kernel ends first when memory runs out, and live in a process namespace of their own where that
 * is allowed: when its first process ends, the kernel ends all of them at once, however they detached themselves.
 */
export interface Isolation {
  /** Goes before the argv of a command; may be empty. */
  readonly prefix: readonly string[]
  /** Whether a process namespace is part of it. Else what left the tree is found by its mark and by looking. */
  readonly ownProcesses: boolean
  /** Whether priorities can be lowered. */
  readonly lowPriority: boolean
}

export const notIsolated: Isolation = { prefix: [], ownProcesses: false, lowPriority: false }

/**
 * Nice counts within a group of tasks: where the kernel groups them by session (`sched_autogroup_enabled`, usual on
 * Linux), it is the group's own value that weighs against others.
 */
const low = [
  'exec 9>&2 2>/dev/null',
  'echo 500 >/proc/self/oom_score_adj',
  'echo 10 >/proc/self/autogroup',
  'exec nice -n 10 ionice -c 2 -n 7 "$@" 2>&9 9>&-',
].join('; ')
const lowPriority = ['/bin/sh', '-c', low, 'nodepilot']

/** With `--pdeathsig` a server that is killed takes its builds along. */
const namespace = ['setpriv', '--pdeathsig', 'KILL', '--']
  .concat(['unshare', '--pid', '--fork', '--kill-child', '--mount-proc', '--'])
  // the first process of a namespace ignores most signals: so it is not the command, and only tells its end
  .concat(['/bin/sh', '-c', '"$@"; exit "$?"', 'nodepilot'])

/** Finds out by trying, once at start, some 20 ms. Never throws. `path`: PATH to find the programs on. */
export async function probeIsolation(options: { readonly path: string }): Promise<Isolation> {
  const quiet = (await works(lowPriority, options.path)) ? lowPriority : []
  const own = (await works([...quiet, ...namespace], options.path)) ? namespace : []
  return { prefix: [...quiet, ...own], ownProcesses: own.length > 0, lowPriority: quiet.length > 0 }
}

/** The same command under the prefix. */
export function isolated({ prefix }: Pick<Isolation, 'prefix'>, command: Command): Command {
  const [file, ...args] = prefix
  if (file === undefined) return command
  return { ...command, file, args: [...args, command.file, ...command.args] }
}

async function works(prefix: readonly string[], path: string): Promise<boolean> {
  const command = isolated({ prefix }, { file: 'sh', args: ['-c', 'exit 42'], cwd: '/', env: { PATH: path } })
  try {
    return (await run(command, { timeoutMs: 10_000 })).code === 42
  } catch {
    return false
  }
}
