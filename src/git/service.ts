import { type ChildProcess, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { Refusal } from '../engine/domain/refusal.ts'
import { killGroup } from '../engine/shell.ts'
import type { GitService } from './route.ts'

/** How git is started: a pure builder of the command, and the one place that runs it. */

export interface ServiceRequest {
  readonly service: GitService
  /** Absolute path of the bare repository. */
  readonly directory: string
  readonly advertise: boolean
  /** `Git-Protocol` of the request as it came, if any. */
  readonly protocol: string | undefined
  readonly hooksDirectory: string
  readonly maxPackBytes: number
  /** A large push stays the pack it came as: taken apart, every later clone would have to pack it again. */
  readonly keepPack: boolean
  /** PATH and the like; whatever begins with `GIT_` is left out. */
  readonly environment: Readonly<Record<string, string>>
}

export interface ServiceCommand {
  readonly args: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
}

/** The git command of one request. No string of the request becomes a word of it. */
export function serviceCommand(request: ServiceRequest): ServiceCommand {
  const settings = [
    ...commonSettings(request),
    ...(request.service === 'receive-pack' ? pushSettings(request) : fetchSettings),
  ]
  return {
    args: [
      ...settings.flatMap((setting) => ['-c', setting]),
      request.service,
      '--stateless-rpc',
      // The old name of --http-backend-info-refs: every git knows it.
      ...(request.advertise ? ['--advertise-refs'] : []),
      request.directory,
    ],
    cwd: request.directory,
    env: serviceEnvironment(request),
  }
}

/** Whether the answer speaks protocol version 2. Only fetches do; it has no service line. */
export function speaksVersion2(service: GitService, protocol: string | undefined): boolean {
  return service === 'upload-pack' && protocolVersion(protocol)?.split(':').includes('version=2') === true
}

function commonSettings(request: ServiceRequest): string[] {
  return [
    // The account layer chose the directory; its owner on disk may be another user than ours.
    'safe.directory=*',
    // Hooks are the server's, never files of the repository.
    `core.hooksPath=${request.hooksDirectory}`,
    // Blobs beyond this stream through git instead of being held in memory.
    'core.bigFileThreshold=16m',
    // Git opens no connection of its own, whatever a repository asks for.
    'protocol.allow=never',
    // Housekeeping happens when the server says so, never as a background process of a push.
    'gc.auto=0',
    'maintenance.auto=false',
    // The server keeps refs of its own there.
    'transfer.hideRefs=refs/nodepilot',
  ]
}

/** Partial clones are fine: everything in a repository may be read by who may read any of it. */
const fetchSettings: readonly string[] = [
  'uploadpack.allowFilter=true',
  'uploadpack.allowAnySHA1InWant=false',
  'uploadpack.keepAlive=5',
  // Two cores are shared with the apps, and memory grows with threads.
  'pack.threads=1',
  'pack.windowMemory=64m',
]

function pushSettings(request: ServiceRequest): string[] {
  return [
    `receive.maxInputSize=${request.maxPackBytes}`,
    'receive.advertisePushOptions=true',
    'receive.advertiseAtomic=true',
    'receive.shallowUpdate=true',
    'receive.autogc=false',
    ...(request.keepPack ? ['receive.unpackLimit=1'] : []),
    'receive.keepAlive=5',
    // A force push deploys older code, and branches come and go: what is allowed decides the receiver,
    // which knows the deploy branch; HEAD of the repository need not be it.
    'receive.denyNonFastForwards=false',
    'receive.denyDeletes=false',
    'receive.denyDeleteCurrent=ignore',
    'receive.denyCurrentBranch=ignore',
    // Objects must be sound, so that every later fetch is; what a tree may hold is decided by the safe
    // writer, which names the reason, and old harmless flaws of real projects are let through.
    'receive.fsckObjects=true',
    ...toleratedFlaws.map((flaw) => `receive.fsck.${flaw}=ignore`),
    'pack.threads=1',
  ]
}

const toleratedFlaws: readonly string[] = [
  'badTimezone',
  'badDateOverflow',
  'missingSpaceBeforeDate',
  'missingSpaceBeforeEmail',
  'zeroPaddedFilemode',
  'missingNameBeforeEmail',
  'hasDot',
  'hasDotdot',
  'hasDotgit',
  'fullPathname',
  'emptyName',
  'gitmodulesSymlink',
  'gitmodulesUrl',
  'gitmodulesPath',
  'gitmodulesName',
  'gitmodulesUpdate',
  'gitmodulesBlob',
  'gitmodulesParse',
  'gitmodulesLarge',
]

function serviceEnvironment(request: ServiceRequest): Record<string, string> {
  const own = Object.entries(request.environment).filter(([key]) => !key.startsWith('GIT_'))
  const protocol = protocolVersion(request.protocol)
  return {
    ...Object.fromEntries(own),
    LC_ALL: 'C.UTF-8',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    ...(protocol === undefined ? {} : { GIT_PROTOCOL: protocol }),
    // Tells the hooks that descriptors 3 and 4 are ours.
    ...(request.service === 'receive-pack' ? { NODEPILOT_CHANNEL: '3,4' } : {}),
  }
}

/** `version=2` and the like; anything stranger is as good as none, which means version 0. */
function protocolVersion(header: string | undefined): string | undefined {
  return header !== undefined && /^[A-Za-z0-9=:._-]{1,128}$/.test(header) ? header : undefined
}

/** A running git, with the two ends of the hooks' channel. */
export interface GitProcess {
  readonly stdin: Writable
  readonly stdout: Readable
  readonly stderr: Readable
  readonly fromHooks: Readable
  readonly toHooks: Writable
  /** Resolves when git and everything it started are gone; rejects when it could not be started. */
  readonly exit: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
  /** SIGTERM to the whole group, SIGKILL after two seconds. */
  end(): void
}

const killAfterMs = 2_000

/** Starts git in a process group of its own. */
export function startService(command: ServiceCommand): GitProcess {
  const child = spawn('git', command.args, {
    cwd: command.cwd,
    env: { ...command.env },
    stdio: ['pipe', 'pipe', 'pipe', 'pipe', 'pipe'],
    detached: true,
  })
  const gone = ended(child)
  const [stdin, stdout, stderr, fromHooks, toHooks] = pipesOf(child, gone)
  // Either side may go first; what matters is told by the exit and by the HTTP connection.
  for (const stream of [stdin, stdout, stderr, fromHooks, toHooks]) stream.on('error', () => {})
  let killer: NodeJS.Timeout | undefined
  const end = () => {
    if (killer !== undefined || child.exitCode !== null || child.signalCode !== null) return
    killGroup(child.pid, 'SIGTERM')
    killer = setTimeout(() => killGroup(child.pid, 'SIGKILL'), killAfterMs)
  }
  const exit = gone.finally(() => {
    clearTimeout(killer)
    toHooks.destroy()
    fromHooks.destroy()
  })
  return { stdin, stdout, stderr, fromHooks, toHooks, exit, end }
}

type Pipes = [Writable, Readable, Readable, Readable & Writable, Readable & Writable]

/** Without free file descriptors node gives a child that has no pipes at all. */
function pipesOf(child: ChildProcess, gone: Promise<unknown>): Pipes {
  if (child.stdio) return child.stdio as unknown as Pipes
  gone.catch(() => {})
  throw new Refusal('unavailable', 'the server is too busy to start git', { hint: 'try again in a moment' })
}

function ended(child: ChildProcess): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      // A hook may outlive a git that was killed, and would keep the pipes open.
      killGroup(child.pid, 'SIGKILL')
      resolve({ code, signal })
    })
  })
}
