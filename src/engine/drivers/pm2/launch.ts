import { mkdir, open, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type NodeScript, nodeOptionsOf } from '../../domain/node-script.ts'
import { Refusal } from '../../domain/refusal.ts'
import type { ClusterLaunch } from './cluster-app.ts'
import { rotation } from './daemon.ts'

/**
 * How an app gets exactly its environment. PM2 mixes an app's variables with the fields of its own record
 * (one called `name` or `status` breaks it), adds some forty of its own, keeps them in memory and dumps.
 * So none passes through it: PM2 starts `env -i … sh` with the path of a script only its user can read.
 */

export interface Launch {
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  /** A line for `/bin/sh`. */
  readonly command: string
}

/** The argv PM2 is asked to run; holds no secret and no word of the user's. */
export function launchArgv(launchPrefix: readonly string[], script: string): readonly string[] {
  // Sourced, so that a missing command reads "sh: 9: exec: next: not found" without the script's path.
  return ['/usr/bin/env', '-i', ...launchPrefix, '/bin/sh', '-c', '. "$1"', 'sh', script]
}

/**
 * The text of a launch script.
 * Refuses with `invalid` names a shell cannot export and values with a NUL.
 */
export function launchScript({ cwd, env, command }: Launch): string {
  // What shells export of their own accord.
  const unset = ['PWD', 'OLDPWD', 'SHLVL'].filter((key) => !(key in env))
  return [
    // Standard input is empty, and PM2's message channel is not the app's.
    'exec </dev/null 3>&-',
    `cd ${quote(cwd)} || exit 1`,
    ...(unset.length > 0 ? [`unset ${unset.join(' ')}`] : []),
    ...Object.entries(env).map(([key, value]) => `export ${checkKey(key)}=${quote(checkValue(key, value))}`),
    isSimpleCommand(command) ? withExec(command) : inShell(command, unset),
    '',
  ].join('\n')
}

/** The text of what `cluster-app.ts` is to run. */
export function clusterLaunch({ script, args }: NodeScript, env: Launch['env']): string {
  // as PM2 numbers them, which apps of the cluster mode ask for
  const index = Number(env.NODEPILOT_INSTANCE?.split('.').at(-1) ?? 1) - 1
  const launch: ClusterLaunch = { env: { NODE_APP_INSTANCE: String(index), ...env }, script, args }
  return JSON.stringify(launch)
}

/** The program of a worker, and the options of its Node: the app's own come after ours. */
export function clusterArgv(file: string): readonly string[] {
  return [fileURLToPath(new URL('./cluster-app.js', import.meta.url)), file]
}

export function clusterNodeArgs({ nodeArgs }: NodeScript, env: Launch['env']): readonly string[] {
  return ['--import', rotation, ...nodeOptionsOf(env.NODE_OPTIONS), ...nodeArgs]
}

/** Writes a file only its owner can read, in folders only its owner can enter; replaces it whole. */
export async function writePrivate(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await rm(path, { force: true })
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(text)
  } finally {
    await file.close()
  }
}

/** Makes the log file before PM2 does, which would make it readable for everybody. */
export async function prepareLogFile(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await (await open(path, 'a', 0o600)).close()
}

export function logFileOf(logDirectory: string, type: string, index: number): string {
  return join(logDirectory, `${type}.${index}.log`)
}

/** One word for sh, whatever it holds. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`
}

/**
 * Whether `exec` may stand before the command, so that the app itself gets the pid and the signals: one
 * program with arguments, expansions and redirections; no list, pipe, group, keyword or builtin.
 */
export function isSimpleCommand(command: string): boolean {
  const bare = withoutQuoted(command)
  if (bare === null || /[;&|()`{}#\n]/.test(bare.replace(/\d*[<>]&(\d+|-)/g, ' '))) return false
  const program = bare.trim().replace(leadingAssignments, '').split(/\s/)[0] ?? ''
  return program !== '' && !/^[<>!]/.test(program) && !shellWords.has(program)
}

const leadingAssignments = /^(?:[A-Za-z_]\w*=\S*(?:\s+|$))*/
const shellWords: ReadonlySet<string> = new Set(
  (
    'if then else elif fi for while until do done case esac in function time select [[ ' +
    '. : alias bg break builtin cd command continue declare eval exec exit export fg getopts hash jobs let ' +
    'local read readonly return set shift source times trap type typeset ulimit umask unalias unset wait'
  ).split(' '),
)

/** `A=b node x` becomes `A=b exec node x`, which every POSIX shell passes on. */
function withExec(command: string): string {
  const trimmed = command.trim()
  const head = assignmentsIn(trimmed)
  return `${trimmed.slice(0, head)}exec ${trimmed.slice(head)}`
}

/** As `sh -c` runs it, which is how npm would; the shell stays as parent of what it starts. */
function inShell(command: string, unset: readonly string[]): string {
  const tidy = unset.length > 0 ? `unset ${unset.join(' ')}\n` : ''
  return `exec /bin/sh -c ${quote(tidy + command)}`
}

/** Length of the assignments a command begins with; quoted characters count as word characters. */
function assignmentsIn(command: string): number {
  return leadingAssignments.exec(withoutQuoted(command) ?? '')?.[0].length ?? 0
}

/**
 * The command with every quoted or escaped character, and every harmless `${NAME}`, replaced by one `q`
 * each, so that what is left of `;` and `|` is syntax. Null where a quote stays open, and where a
 * substitution hides in double quotes.
 */
function withoutQuoted(command: string): string | null {
  const pieces = /'[^']*'|"(?:[^"\\`$]|\\.|\$(?!\())*"|\\.|\$\{\w+\}/gs
  const bare = command.replace(pieces, (piece) => 'q'.repeat(piece.length))
  return /['"\\]/.test(bare) ? null : bare
}

function checkKey(key: string): string {
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(key) && !/^(OPTIND|PPID|_)$/.test(key)) return key
  throw new Refusal('invalid', `"${key}" cannot be the name of a config var`, {
    hint: 'use letters, digits and _, not beginning with a digit; OPTIND and PPID belong to the shell',
  })
}

function checkValue(key: string, value: string): string {
  if (!value.includes('\0')) return value
  throw new Refusal('invalid', `the value of ${key} holds a NUL byte`, {
    hint: 'encode binary values as text',
  })
}
