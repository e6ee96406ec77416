import { existsSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { type Flags, readHome } from '../config.ts'
import { Refusal } from '../engine/domain/refusal.ts'
import { createKeeper } from '../engine/drivers/keeper.ts'
import { createPm2Runtime } from '../engine/drivers/pm2/runtime.ts'
import { createPaths, type Paths } from '../engine/paths.ts'
import { processRow } from '../engine/processes.ts'
import { emptyEnvironment } from '../environment.ts'
import { findServer } from './running-server.ts'

/** `nodepilot stop`: ends the server; with `all` also every project, the front door and PM2. */
export async function stop(flags: Flags, all: boolean): Promise<void> {
  // no other setting matters here: one that is wrong must not keep anybody from stopping
  const home = readHome(process.env, flags)
  emptyEnvironment(process.env)
  const environment = { PATH: process.env.PATH ?? '/usr/bin:/bin', LANG: process.env.LANG ?? 'C.UTF-8' }
  const paths = createPaths(home)
  const stopped = await stopServer(paths)
  if (all) {
    const runtime = createPm2Runtime({
      pm2Home: paths.pm2Home,
      runDirectory: paths.run,
      projectsDirectory: paths.projects,
      daemonEnvironment: { ...environment, HOME: home },
      launchPrefix: [],
      callTimeoutMs: 15_000,
      log: () => {},
    })
    await Promise.all([runtime.shutdown(), createKeeper(paths.keeper).end(frontDoorGraceMs)])
  }
  const what = all
    ? 'everything of this home has ended'
    : stopped
      ? 'the server has ended; projects go on'
      : 'no server was running'
  process.stdout.write(`${what}\n`)
  process.exit(0)
}

/** The front door gives requests 10 s to finish. */
const frontDoorGraceMs = 11_000

async function stopServer(paths: Paths): Promise<boolean> {
  const server = await findServer(paths)
  if (!server) return false
  process.kill(server.pid, 'SIGTERM')
  const until = performance.now() + 35_000
  while (isAlive(server.pid)) {
    if (performance.now() > until) {
      throw new Refusal('unavailable', `the server (process ${server.pid}) does not end`, {
        hint: `end it by force: kill -9 ${server.pid}`,
      })
    }
    await pause(50)
  }
  return true
}

/** A zombie has ended: whoever waits for us may be the parent that has yet to collect it. */
function isAlive(pid: number): boolean {
  if (existsSync('/proc/self/stat')) return processRow(pid) !== null
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
