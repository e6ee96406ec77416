import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import path from 'node:path'
import { version } from '../../installation.ts'
import { type Api, createApi } from './api.ts'
import { exit, Failure, usage } from './failure.ts'
import type { GitRemote } from './git-remote.ts'
import type { Output } from './output.ts'
import { closeToOthers, createSettingsFile, type Settings, type SettingsFile } from './settings.ts'

/** Which server, which project, signed in as whom: from flags, environment, git remote and settings, in this order. */

export interface GlobalFlags {
  readonly home?: string
  readonly project?: string
  readonly server?: string
  readonly json?: boolean
  readonly yes?: boolean
  readonly color?: boolean
}

export type Environment = Readonly<Record<string, string | undefined>>

export interface Target {
  /** An origin. */
  readonly server: string
  readonly from: 'flag' | 'environment' | 'remote' | 'settings' | 'home'
}

/** What every client command is given. */
export interface Cli {
  readonly flags: GlobalFlags
  readonly environment: Environment
  readonly directory: string
  readonly out: Output
  readonly settings: SettingsFile
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal
  readonly clock: () => number
  /** Null when nothing says which server. */
  target(): Promise<Target | null>
  /** The server, without a credential. */
  knock(server: string): Api
  /** The server with a credential. Fails with "not signed in" before it asks. */
  connect(): Promise<Api>
  /** The name of the project that is meant. */
  project(): Promise<string>
  /** The same, or null where none is meant. */
  projectIfAny(): Promise<string | null>
  remote(): Promise<GitRemote | null>
}

export interface CliParts {
  readonly flags: GlobalFlags
  readonly environment: Environment
  readonly directory: string
  readonly out: Output
  readonly signal: AbortSignal
  readonly clock: () => number
}

export function createCli(parts: CliParts): Cli {
  const { environment, out } = parts
  const settings = createSettingsFile(environment)
  const remote = once(async () => (await import('./git-remote.ts')).readGitRemote(parts.directory))
  const target = once(() => findTarget(parts, settings, remote))
  const api = (server: string, token: string | null) =>
    createApi({ server, token, signal: parts.signal, agent: `nodepilot/${version}` })
  const projectIfAny = async () => named(parts) ?? (await remote())?.project ?? null
  return {
    ...parts,
    settings,
    target,
    remote,
    knock: (server) => api(server, null),
    projectIfAny,
    connect: once(async () => {
      const found = await target()
      if (!found) throw nowhere()
      if (await closeToOthers(settings.file))
        out.note(`warning: ${settings.file} was readable by others; it was closed`)
      const token = tokenFor(await settings.read(), found, environment)
      warnOfPlainHttp(found.server, out)
      return api(found.server, token)
    }),
    project: async () => {
      const name = await projectIfAny()
      if (name !== null) return name
      throw usage('which project?', 'name it with -p, or make one of this folder: nodepilot create')
    },
  }
}

function nowhere(): Failure {
  const hint = 'sign in to one: nodepilot login <url>'
  return new Failure('unauthorized', 'not signed in to any server', hint, exit.notSignedIn)
}

/** A variable that is empty says nothing. */
function named({ flags, environment }: Pick<CliParts, 'flags' | 'environment'>): string | undefined {
  return flags.project ?? (environment.NODEPILOT_PROJECT || undefined)
}

async function findTarget(
  parts: CliParts,
  settings: SettingsFile,
  remote: () => Promise<GitRemote | null>,
): Promise<Target | null> {
  const { flags, environment } = parts
  if (flags.server !== undefined) return { server: toOrigin(flags.server), from: 'flag' }
  if (environment.NODEPILOT_URL) return { server: toOrigin(environment.NODEPILOT_URL), from: 'environment' }
  const { current, servers } = await settings.read()
  // a project that is named by hand need not be on the remote's server
  const here = await remote()
  if (here && (named(parts) === undefined || here.server in servers))
    return { server: here.server, from: 'remote' }
  if (current !== null && current in servers) return { server: current, from: 'settings' }
  const own = await serverOfHome(flags, environment)
  return own === null ? null : { server: toOrigin(own), from: 'home' }
}

/** `pilot.example.com` means https, but nothing on this machine has a certificate. */
export function toOrigin(text: string): string {
  const local = /^(localhost|127(\.\d{1,3}){3}|\[::1\]|[\w-]+\.localhost)(?![\w.-])/i.test(text)
  const whole = /^[a-z]+:\/\//i.test(text) ? text : `${local ? 'http' : 'https'}://${text}`
  try {
    const url = new URL(whole)
    if (/^https?:$/.test(url.protocol) && url.hostname !== '') return url.origin
  } catch {}
  throw usage(`${text} is not the address of a server`, 'write it like https://pilot.example.com')
}

/** The server that runs on this machine, as it says itself. A file that outlived it ends in "does not answer". */
async function serverOfHome(flags: GlobalFlags, environment: Environment): Promise<string | null> {
  const home = flags.home ?? (environment.NODEPILOT_HOME || path.join(environment.HOME || '/', '.nodepilot'))
  try {
    const { url } = JSON.parse(await readFile(path.join(home, 'run', 'server.json'), 'utf8'))
    return typeof url === 'string' ? url : null
  } catch {
    return null
  }
}

/**
 * The credential for a server. NODEPILOT_TOKEN never goes to an address that only the git remote names: a folder
 * that was unpacked from somewhere would choose where it is sent.
 */
export function tokenFor(settings: Settings, { server, from }: Target, environment: Environment): string {
  const kept = settings.servers[server]
  const given = environment.NODEPILOT_TOKEN
  if (given && (from !== 'remote' || kept !== undefined)) return given
  if (kept) return kept.token
  throw new Failure(
    'unauthorized',
    given
      ? `NODEPILOT_TOKEN is not sent to ${server}, which only the git remote names`
      : `not signed in to ${server}`,
    given ? `say that you mean it: NODEPILOT_URL=${server}` : `sign in: nodepilot login ${server}`,
    exit.notSignedIn,
  )
}

/** A password or token would travel where others can read it. */
export function warnOfPlainHttp(server: string, out: Output): void {
  const { protocol, hostname } = new URL(server)
  if (protocol === 'https:' || !isPublic(hostname)) return
  out.note(out.notes.yellow(`warning: ${server} is plain HTTP: passwords and tokens can be read on the way`))
}

/** Anything but this machine and private networks; a name may lead anywhere. */
export function isPublic(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '')
  if (isIP(host) === 4) return !/^(127\.|10\.|192\.168\.|169\.254\.|172\.(1[6-9]|2\d|3[01])\.)/.test(host)
  if (isIP(host) === 6) return !/^(::1$|f[cd]|fe[89ab])/i.test(host)
  return host !== 'localhost' && !host.endsWith('.localhost')
}

function once<T>(work: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined
  return () => {
    running ??= work()
    return running
  }
}
