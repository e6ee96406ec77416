import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import net from 'node:net'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { localHost } from './addresses.ts'
import type { Config } from './config.ts'
import type { Report } from './engine/context.ts'
import { Refusal } from './engine/domain/refusal.ts'
import { createKeeper } from './engine/drivers/keeper.ts'
import { type RouterClient, type RouterStatus, routerNodeFlags } from './engine/drivers/router.ts'
import type { Paths } from './engine/paths.ts'
import type { Store } from './engine/store/store.ts'
import { routerProgram, version } from './installation.ts'

export interface FrontDoor {
  /**
   * Starts the router process, or finds the one that runs. Resolves when it listens. `succeeds`: an older one, which
   * nobody keeps any more, was just told to leave.
   */
  open(succeeds?: boolean): Promise<void>
  /** From now on sees to it that there is a keeper, which sees to it that there is a router. */
  guard(): { stop(): void }
  /** The router process. */
  status(): Promise<{ readonly pid: number | null; readonly restarts: number }>
  port(): number
  localUrl(): string
}

/** How often it is looked whether the keeper lives, ms. */
const guardMs = 500
/** How often its log is looked at, ms. */
const trimMs = 60_000

/**
 * The router outlives this server and PM2: a keeper starts it again, and it is replaced only when its settings or
 * code change, without closing its port.
 */
export function createFrontDoor(deps: {
  readonly config: Config
  readonly paths: Paths
  readonly store: Store
  readonly router: RouterClient
  readonly report: Report
}): FrontDoor {
  const { config, paths, store, router, report } = deps
  const keeper = createKeeper(paths.keeper)
  const logFile = path.join(paths.logs, 'router.log')
  const port = () => config.port || Number(store.settings.get('port') ?? 0)

  const start = async (succeeds: boolean) => {
    const settings = JSON.stringify({
      host: config.host,
      port: port(),
      inherited: true,
      controlSocket: paths.routerSocket,
      panelSocket: paths.serverSocket,
      stateFile: paths.routerState,
      trustedProxy: config.trustedProxy,
      logs: config.logs,
    })
    const before = keeper.find()
    const old = before && (await router.status().catch(() => null))
    await writeFile(paths.routerConfig, settings, { mode: 0o600 })
    await keeper.keep({
      argv: [process.execPath, ...routerNodeFlags, routerProgram, paths.routerConfig],
      cwd: config.home,
      env: { ...config.environment, HOME: config.home },
      logFile,
      fingerprint: fingerprint(settings),
      host: config.host,
      port: port(),
      succeeds,
    })
    const renewed = old && keeper.find()?.fingerprint !== before.fingerprint
    return waitForStatus(router, renewed ? old.pid : null)
  }

  const open = async (succeeds = false) => {
    if (port() === 0) store.settings.set('port', String(await freePort(config.host)))
    const status = await start(succeeds).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EADDRINUSE' || config.port !== 0) throw cannotListen(config.host, port(), error)
      report.info(`port ${port()} of this home is taken by another program: another one is chosen`)
      store.settings.set('port', String(await freePort(config.host)))
      return start(false)
    })
    if (!status.listening) throw cannotListen(config.host, port(), status.error ?? { message: 'no answer' })
    keepRising(store, status.table)
  }

  return {
    open,
    guard() {
      let opening = false
      const timer = setInterval(async () => {
        if (opening || keeper.find()) return
        opening = true
        report.info('the keeper of the front door is gone: another one is started')
        await open().catch((error: unknown) => report.error('the front door could not be opened', error))
        opening = false
      }, guardMs)
      const trimming = setInterval(() => {
        keeper.trimLog(logFile).catch((error: unknown) => report.error('trimming router.log', error))
      }, trimMs)
      return {
        stop() {
          clearInterval(timer)
          clearInterval(trimming)
        },
      }
    },
    async status() {
      const { pid } = await router.status().catch(() => ({ pid: null }))
      return { pid, restarts: await keeper.restarts() }
    },
    port,
    localUrl: () => `http://${localHost(config.host)}:${port()}`,
  }
}

/** A database that was restored knows older numbers than the front door, which takes only newer tables. */
function keepRising(store: Store, table: number | null): void {
  const own = Number(store.settings.get('routes') ?? 0)
  if (table !== null && table > own) store.settings.set('routes', String(table))
}

/** The same settings and the same code: then the running one stays. */
function fingerprint(settings: string): string {
  const hash = createHash('sha256').update(settings).update(version).update(process.version)
  const folder = path.dirname(routerProgram)
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
    if (name.endsWith('.js') && !name.includes('.test.')) hash.update(readFileSync(path.join(folder, name)))
  }
  return hash.digest('hex')
}

/** Of a router that has taken its socket; not of the one that it has replaced, and which may still answer. */
async function waitForStatus(router: RouterClient, old: number | null): Promise<RouterStatus> {
  const until = performance.now() + 15_000
  for (;;) {
    try {
      const status = await router.status()
      const settled = status.pid !== old && (status.listening || status.error)
      if (settled || performance.now() > until) return status
    } catch (error) {
      if (performance.now() > until) throw error
    }
    await pause(10)
  }
}

function cannotListen(
  host: string,
  port: number,
  error: { readonly code?: string | undefined; readonly message: string },
): Error {
  if (error.code === 'EADDRINUSE') {
    return new Refusal('conflict', `PORT: ${port} on ${host} is used by another program`, {
      hint: 'stop that program, or choose another port: PORT=3001, or PORT=0 for any free one',
    })
  }
  if (error.code === 'EACCES') {
    return new Refusal('forbidden', `PORT: this user may not listen on ${port}`, {
      hint: 'use a port above 1023 and let Caddy take 80 and 443 in front',
    })
  }
  return new Refusal('unavailable', `the front door cannot listen on ${host}:${port}: ${error.message}`)
}

function freePort(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = net.createServer()
    probe.once('error', reject)
    probe.listen(0, host, () => {
      const { port } = probe.address() as net.AddressInfo
      probe.close(() => resolve(port))
    })
  })
}
