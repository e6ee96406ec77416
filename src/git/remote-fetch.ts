import { lookup } from 'node:dns/promises'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { Refusal } from '../engine/domain/refusal.ts'
import type { Fetched, FetchFrom } from '../engine/domain/remote.ts'
import { leadsInside, parseRemoteUrl, type RemoteUrl } from '../engine/domain/remote-url.ts'
import { type Command, type Exit, run } from '../engine/shell.ts'
import { refNameProblem } from './ref-name.ts'
import { type Environment, gitEnvironment, shaPattern } from './repository.ts'
import { halfPacks, removeHalfPacks } from './upkeep.ts'

export interface FetchPlace {
  /** The bare repository. */
  readonly directory: string
  /** Where a folder for keys is made and removed again; whoever starts the server empties it. */
  readonly scratch: string
  /** PATH and HOME, and the proxies of the network. */
  readonly environment: Environment
  /** Addresses of this machine are fetched from too. */
  readonly allowLocal: boolean
  /** Of one pack, bytes. */
  readonly maxPackBytes: number
}

/** Where what was fetched is kept: no client sees it, and no branch moves. */
export const fetchedRef = 'refs/nodepilot/fetched'

const timeoutMs = 15 * 60_000
/** `ulimit -f` of a POSIX shell counts these. */
const blockBytes = 512

/**
 * Fetches one branch of a remote, at low priority, into a ref of our own; what the repository had stays as it was.
 * Only the transport of the address is allowed, to the very address its name has been looked up to, without
 * redirects, hooks, submodules, helpers or anybody's configuration. ssh knows a server by the key it had at the
 * first visit. Refuses with `fetch_failed`, `too_large`, `timeout`, `cancelled`.
 */
export async function fetchRemote(place: FetchPlace, from: FetchFrom, signal: AbortSignal): Promise<Fetched> {
  const remote = parseRemoteUrl(from.url, place.allowLocal)
  if (refNameProblem(`refs/heads/${from.branch}`) !== null) throw failed('that is not the name of a branch')
  const address = await addressOf(remote, place.allowLocal)
  await mkdir(place.scratch, { recursive: true, mode: 0o700 })
  const folder = await mkdtemp(join(place.scratch, 'fetch-'))
  try {
    const knownHosts = join(folder, 'known_hosts')
    await writeFile(knownHosts, from.knownHosts, { mode: 0o600 })
    const access =
      remote.protocol === 'ssh' ? await sshAccess(folder, from, remote, address) : tokenAccess(from)
    const pin =
      remote.protocol === 'ssh' ? [] : [`http.curloptResolve=${remote.host}:${remote.port}:${address}`]
    const command = fetchCommand(place, remote, from.branch, access, pin)
    const exit = await runOrNothing(place, command, signal)
    if (exit.code !== 0) throw refusalOf(exit, from)
    return { sha: await fetchedSha(place), knownHosts: await readFile(knownHosts, 'utf8') }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** What was too large, or was cancelled, does not stay on the disk as half a pack. */
async function runOrNothing({ directory }: FetchPlace, command: Command, signal: AbortSignal): Promise<Exit> {
  const before = await halfPacks(directory)
  let done = false
  try {
    const exit = await run(command, { signal, timeoutMs, maxOutputBytes: 1_000_000 })
    done = exit.code === 0
    return exit
  } finally {
    if (!done) await removeHalfPacks(directory, before)
  }
}

/** Looked up once, here, so that it cannot lead elsewhere when git asks again. */
async function addressOf({ host }: RemoteUrl, allowLocal: boolean): Promise<string> {
  const plain = host.replace(/^\[|\]$/g, '')
  const found = isIP(plain)
    ? [{ address: plain }]
    : await lookup(plain, { all: true, order: 'ipv4first' }).catch(() => [])
  const [first] = found
  if (!first) throw failed(`${host} has no address`, 'is the address of the remote right?')
  if (!allowLocal && found.some(({ address }) => leadsInside(address))) {
    throw failed(`${host} leads to this machine itself`, 'set another remote')
  }
  return first.address
}

/** git's own key for an address goes by its name, so that it stays known when the address changes. */
async function sshAccess(
  folder: string,
  from: FetchFrom,
  { host, port }: RemoteUrl,
  address: string,
): Promise<Environment> {
  const key = join(folder, 'key')
  await writeFile(key, from.privateKey, { mode: 0o600 })
  const config = join(folder, 'config')
  const alias = port === 22 ? host : `[${host}]:${port}`
  const lines = [
    'Host *',
    `HostName ${address}`,
    `HostKeyAlias ${alias}`,
    `IdentityFile ${sshWord(key)}`,
    `UserKnownHostsFile ${sshWord(join(folder, 'known_hosts'))}`,
    'GlobalKnownHostsFile /dev/null',
    'StrictHostKeyChecking accept-new',
    'UpdateHostKeys no',
    'HashKnownHosts no',
    'IdentitiesOnly yes',
    'IdentityAgent none',
    'BatchMode yes',
    'PreferredAuthentications publickey',
    'ForwardAgent no',
    'ClearAllForwardings yes',
    'PermitLocalCommand no',
    'ControlPath none',
    'ConnectTimeout 20',
    'ServerAliveInterval 15',
    'LogLevel ERROR',
  ]
  await writeFile(config, `${lines.join('\n')}\n`, { mode: 0o600 })
  // git gives this to a shell
  return { GIT_SSH_COMMAND: `ssh -F '${config.replaceAll("'", `'\\''`)}'`, GIT_SSH_VARIANT: 'ssh' }
}

function sshWord(path: string): string {
  if (/["\n]/.test(path)) throw new Error(`ssh cannot be given the path ${path}`)
  return `"${path.replaceAll('%', '%%')}"`
}

/** Not in the arguments, where everybody on the machine could read it. */
function tokenAccess({ token, username }: FetchFrom): Environment {
  if (token === null) return {}
  const credentials = Buffer.from(`${username ?? 'git'}:${token}`).toString('base64')
  return {
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: 'http.extraHeader',
    GIT_CONFIG_VALUE_0: `Authorization: Basic ${credentials}`,
  }
}

function fetchCommand(
  place: FetchPlace,
  { url, protocol }: RemoteUrl,
  branch: string,
  access: Environment,
  pin: readonly string[],
): Command {
  const configuration = [
    'core.hooksPath=/dev/null',
    'credential.helper=',
    'http.followRedirects=false',
    'http.lowSpeedLimit=1000',
    'http.lowSpeedTime=60',
    'gc.auto=0',
    'pack.threads=1',
    ...pin,
  ].flatMap((setting) => ['-c', setting])
  const flags = [
    '--quiet',
    '--force',
    '--no-tags',
    '--no-write-fetch-head',
    '--no-recurse-submodules',
    '--no-auto-gc',
  ]
  const what = ['--end-of-options', url, `refs/heads/${branch}:${fetchedRef}`]
  const blocks = String(Math.ceil(place.maxPackBytes / blockBytes))
  const limited = ['-c', 'ulimit -f "$1" && shift && exec nice -n 10 "$@"', 'sh', blocks]
  return {
    file: '/bin/sh',
    args: [...limited, 'git', `--git-dir=${place.directory}`, ...configuration, 'fetch', ...flags, ...what],
    cwd: place.directory,
    env: { ...gitEnvironment(place.environment), ...access, GIT_ALLOW_PROTOCOL: protocol },
  }
}

async function fetchedSha({ directory, environment }: FetchPlace): Promise<string> {
  const lines: string[] = []
  const args = [`--git-dir=${directory}`, 'rev-parse', '--verify', `${fetchedRef}^{commit}`]
  const command = { file: 'git', args, cwd: directory, env: gitEnvironment(environment) }
  const { code } = await run(command, { timeoutMs: 30_000, onLine: (line) => lines.push(line) })
  const [sha = ''] = lines
  if (code === 0 && shaPattern.test(sha)) return sha
  throw failed('the branch there is no commit')
}

/** git has one exit status for all errors, so its words decide (its language is set to English). */
function refusalOf({ tail }: Exit, { branch }: FetchFrom): Refusal {
  const words = tail.join('\n')
  if (/signal 25|File too large|file size limit/i.test(words)) {
    return new Refusal('too_large', 'the remote sends more than this server takes', {
      hint: 'raise pushLimitMb of the server',
    })
  }
  if (/couldn't find remote ref/i.test(words)) {
    return failed(`the remote has no branch ${branch}`, 'push it there, or set another branch')
  }
  if (/Host key verification failed|IDENTIFICATION HAS CHANGED/i.test(words)) {
    return failed(
      'the remote has another host key than before',
      'if that is meant to be so, set the remote again and let it forget the old key',
    )
  }
  if (/Permission denied|Authentication failed|could not read (Username|Password)|\b40[13]\b/i.test(words)) {
    return failed(
      'the remote did not let us in',
      'allow the deploy key there (reading is enough), or set a token',
    )
  }
  if (/unable to update url base from redirection|redirect/i.test(words)) {
    return failed('the remote has moved to another address', 'set the new one')
  }
  const line = tail.findLast((text) => /^(fatal|error|ssh):/.test(text)) ?? tail.at(-1) ?? 'git said nothing'
  return failed(line.replace(/^(fatal|error): /, '').slice(0, 300))
}

function failed(sentence: string, hint = 'look at the settings of the remote, then fetch again'): Refusal {
  return new Refusal('fetch_failed', sentence, { hint })
}
