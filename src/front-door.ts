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
import type { Pm2Runtime } from './engine/drivers/pm2/runtime.ts'
import { type RouterClient, type RouterStatus, routerNodeFlags } from './engine/drivers/router.ts'
import type { Paths } from './engine/paths.ts'
import type { Store } from './engine/store/store.ts'
import { routerProgram, version } from './installation.ts'

export interface FrontDoor {
  /** Starts the router process, or finds the one that runs. Resolves when it listens. */
  open(): Promise<void>
  port(): number
  localUrl(): string
}

/** The router is a service of PM2: it outlives this server, and is replaced only when its settings or code change. */
export function createFrontDoor(deps: {
  readonly config: Config
  readonly paths: Paths
  readonly store: Store
  readonly runtime: Pm2Runtime
  readonly router: RouterClient
  readonly report: Report
}): FrontDoor {
  const { config, paths, store, runtime, router, report } = deps
  const port = () => config.port || Number(store.settings.get('port') ?? 0)

  const start = async () => {
    const settings = JSON.stringify({
      host: config.host,
      port: port(),
      controlSocket: paths.routerSocket,
      panelSocket: paths.serverSocket,
      stateFile: paths.routerState,
      trustedProxy: config.trustedProxy,
    })
    await writeFile(paths.routerConfig, settings, { mode: 0o600 })
    await runtime.startService({
      name: 'router',
      argv: [process.execPath, ...routerNodeFlags, routerProgram, paths.routerConfig],
      cwd: config.home,
      env: { ...config.environment, HOME: config.home },
      logFile: path.join(paths.logs, 'router.log'),
      fingerprint: fingerprint(settings),
      graceMs: 11_000,
    })
    return waitForStatus(router)
  }

  return {
    async open() {
      if (port() === 0) store.settings.set('port', String(await freePort(config.host)))
      let status = await start()
      if (!status.listening && config.port === 0) {
        report.info(`port ${port()} of this home is taken by another program: another one is chosen`)
        store.settings.set('port', String(await freePort(config.host)))
        status = await start()
      }
      if (status.listening) return keepRising(store, status.table)
      await runtime.stopService('router')
      throw cannotListen(config.host, port(), status)
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

/** A router that could not bind says so at its control socket, then tries again. */
async function waitForStatus(router: RouterClient): Promise<RouterStatus> {
  const until = performance.now() + 15_000
  for (;;) {
    try {
      const status = await router.status()
      if (status.listening || status.error || performance.now() > until) return status
    } catch (error) {
      if (performance.now() > until) throw error
    }
    await pause(10)
  }
}

function cannotListen(host: string, port: number, status: RouterStatus): Refusal {
  if (status.error?.code === 'EADDRINUSE') {
    return new Refusal('conflict', `PORT: ${port} on ${host} is used by another program`, {
      hint: 'stop that program, or choose another port: PORT=3001, or PORT=0 for any free one',
    })
  }
  if (status.error?.code === 'EACCES') {
    return new Refusal('forbidden', `PORT: this user may not listen on ${port}`, {
      hint: 'use a port above 1023 and let Caddy take 80 and 443 in front',
    })
  }
  return new Refusal(
    'unavailable',
    `the front door cannot listen on ${host}:${port}: ${status.error?.message ?? 'no answer'}`,
  )
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
