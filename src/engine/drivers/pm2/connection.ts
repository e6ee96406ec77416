import { setTimeout as pause } from 'node:timers/promises'
import { Refusal } from '../../domain/refusal.ts'
import { type DaemonHome, launchDaemon } from './daemon.ts'
import { openBus, openRpc, type Rpc, unavailable } from './wire.ts'

/** One connection to the daemon at a time: made when asked, shared by all callers, noticed when lost. */

export interface ConnectionOptions extends DaemonHome {
  /** For calls that name no time of their own, ms. */
  readonly callTimeoutMs: number
  /** Called between the start of a new daemon and the first call to it. */
  readonly onLaunch: (pid: number) => Promise<void>
}

export interface Connection {
  /**
   * Uses the living daemon or starts one; calls at the same time share one attempt.
   * Refuses with `unavailable` when the daemon hangs or cannot start.
   */
  connect(): Promise<void>
  /** Connects to a living daemon and starts none; false where there is none. */
  attach(): Promise<boolean>
  /** Refuses with `unavailable` without a connection, when it is lost meanwhile, and after `timeoutMs`. */
  call(method: string, args: readonly unknown[], timeoutMs?: number): Promise<unknown>
  /** The last call: it may close the connection instead of an answer. Nobody is told of a loss. */
  farewell(method: string, args: readonly unknown[]): Promise<void>
  /** Lets go; nobody is told of a loss. */
  close(): void
  onLog(listener: (line: string) => void): () => void
  onLost(listener: () => void): () => void
}

/** How long a killed daemon may take to be gone. */
const dyingMs = 1_000

interface Open {
  readonly rpc: Rpc
  readonly bus: { close(): void }
}

export function createConnection(options: ConnectionOptions): Connection {
  const logListeners = new Set<(line: string) => void>()
  const lostListeners = new Set<() => void>()
  let current: Open | null = null
  let connecting: Promise<boolean> | null = null

  const connect = async (mayLaunch: boolean): Promise<boolean> => {
    if (current) {
      await current.rpc.call('ping', [{}], options.callTimeoutMs)
      return true
    }
    connecting ??= attempt(mayLaunch).finally(() => {
      connecting = null
    })
    const found = await connecting
    // The shared attempt was one that starts no daemon.
    return found || !mayLaunch ? found : connect(true)
  }

  const attempt = async (mayLaunch: boolean): Promise<boolean> => {
    const living = await openLiving()
    if (!living && !mayLaunch) return false
    if (!living) await options.onLaunch(await launchDaemon(options, options.callTimeoutMs))
    current = living ?? (await greet(await open()))
    return true
  }

  /** One that is just being killed may still take a connection, only to close it: then it is asked for once more. */
  const openLiving = async (): Promise<Open | null> => {
    const until = performance.now() + dyingMs
    for (;;) {
      const opened = await open().catch(orNullWhenAbsent)
      if (!opened) return null
      try {
        return await greet(opened)
      } catch (error) {
        if (performance.now() > until) throw error
        await pause(20)
      }
    }
  }

  const greet = async (opened: Open): Promise<Open> => {
    try {
      await opened.rpc.call('ping', [{}], options.callTimeoutMs)
      return opened
    } catch (error) {
      release(opened)
      throw error
    }
  }

  const open = async (): Promise<Open> => {
    const lost = () => {
      if (!current || current !== opened) return
      current = null
      release(opened)
      for (const listener of lostListeners) listener()
    }
    let opened: Open | null = null
    const rpc = await openRpc(options.pm2Home, lost)
    try {
      const bus = await openBus(options.pm2Home, wantedEvents, tell, lost)
      opened = { rpc, bus }
      return opened
    } catch (error) {
      rpc.close()
      throw error
    }
  }

  const tell = (_name: string, event: unknown) => {
    const line = (event as { data?: unknown } | null)?.data
    if (typeof line !== 'string') return
    for (const listener of logListeners) listener(line.trimEnd())
  }

  const letGo = () => {
    const left = current
    current = null
    return left
  }

  return {
    connect: async () => {
      await connect(true)
    },
    attach: () => connect(false),
    call: async (method, args, timeoutMs = options.callTimeoutMs) => {
      if (!current) throw unavailable('the process manager is not connected')
      return current.rpc.call(method, args, timeoutMs)
    },
    farewell: async (method, args) => {
      const left = letGo()
      if (!left) return
      await left.rpc.call(method, args, options.callTimeoutMs).catch(() => {})
      release(left)
    },
    close: () => {
      const left = letGo()
      if (left) release(left)
    },
    onLog: (listener) => subscribe(logListeners, listener),
    onLost: (listener) => subscribe(lostListeners, listener),
  }
}

/** The daemon's own log lines: the only place where it tells the signal that ended a process. */
const wantedEvents: ReadonlySet<string> = new Set(['log:PM2'])

function release(opened: Open) {
  opened.rpc.close()
  opened.bus.close()
}

function subscribe<T>(listeners: Set<T>, listener: T): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** No socket file, or one nobody listens on any more: there is no daemon. Anything else is trouble. */
function orNullWhenAbsent(error: unknown): null {
  if (error instanceof Refusal) throw error
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'ENOENT' || code === 'ECONNREFUSED') return null
  throw unavailable('the process manager cannot be reached', error)
}
