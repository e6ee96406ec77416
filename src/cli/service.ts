import { existsSync } from 'node:fs'
import { chown, mkdir, realpath, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Flags, readConfig, settingsGiven } from '../config.ts'
import { Refusal } from '../engine/domain/refusal.ts'
import { createPaths } from '../engine/paths.ts'
import { entryProgram } from '../installation.ts'
import { findServer } from './running-server.ts'
import { type Account, accountOf } from './service/account.ts'
import { active, disable, enable, reload, requireSystemd, restarts } from './service/systemd.ts'
import { unitOf } from './service/unit.ts'

/** The server as a service of systemd: it starts with the machine, and again when it was killed. */

export interface ServiceOptions {
  /** Runs the server and every app; not given: whoever called sudo, else the caller. */
  readonly user?: string
}

/** Where units of the administrator lie, systemd.unit(5). */
const unitFolder = '/etc/systemd/system'
const unit = 'nodepilot.service'
/** How long a server may take until it answers, ms: with many projects after a restart of the machine. */
const longestStartMs = 120_000
/** A server that ended so often before it answered does not start at all. */
const hopelessRestarts = 2

/** `nodepilot service show`: the unit, as install would write it. */
export async function show(flags: Flags, options: ServiceOptions): Promise<void> {
  process.stdout.write((await plan(flags, options)).text)
}

/** `nodepilot service install`: writes the unit and starts it; again: with other settings, or after an upgrade. */
export async function install(flags: Flags, options: ServiceOptions): Promise<void> {
  const { account, home, text } = await plan(flags, options)
  await requireSystemd()
  requireRoot()
  const paths = createPaths(home)
  const running = await findServer(paths)
  if (running && !(await active(unit))) {
    throw new Refusal('conflict', `a server runs on ${home} already, process ${running.pid}`, {
      hint: `stop it, its projects go on: nodepilot stop --server --home ${home}`,
    })
  }
  await giveHome(home, account)
  await writeFile(path.join(unitFolder, unit), text)
  await reload()
  await enable(unit)
  const { url } = await started(paths.home, running?.pid ?? null)
  const say = (line: string) => void process.stdout.write(`${line}\n`)
  say(`Service  ${path.join(unitFolder, unit)}, started as ${account.name}`)
  say(`Panel    ${url}`)
  if (existsSync(paths.setupFile)) say(`Set up   the one-time link is in ${paths.setupFile} (30 min)`)
  say('Log      journalctl -u nodepilot -f')
}

/** `nodepilot service uninstall`: the server ends and does not come again; projects go on. */
export async function uninstall(): Promise<void> {
  await requireSystemd()
  const file = path.join(unitFolder, unit)
  if (!existsSync(file)) {
    throw new Refusal('not_found', `there is no ${file}`, { hint: 'nodepilot service install makes it' })
  }
  requireRoot()
  await disable(unit)
  await rm(file)
  await reload()
  process.stdout.write(
    'the service is gone and the server has ended; projects go on until the machine ends\n',
  )
}

async function plan(flags: Flags, options: ServiceOptions) {
  const account = await accountOf(options.user ?? (process.env.SUDO_USER || null))
  const asked = typeof flags.home === 'string' ? flags.home : process.env.NODEPILOT_HOME
  const home = path.resolve(asked || path.join(account.home, '.nodepilot'))
  // of the settings file too: a server that refuses to start would be started again for ever
  readConfig(process.env, { ...flags, home })
  const environment = settingsGiven(process.env)
  const node = await realpath(process.execPath)
  return {
    account,
    home,
    text: unitOf({
      node,
      program: entryProgram,
      home,
      user: account.name,
      environment,
      flags: wordsOf(flags),
    }),
  }
}

/** As `serve` takes them: there they win over the settings file, as they do without a service. */
function wordsOf({ home: _, ...flags }: Flags): string[] {
  return Object.entries(flags).flatMap(([key, value]) =>
    value === undefined
      ? []
      : [`--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`, String(value)],
  )
}

/** The server makes its home, but not in a folder that is not its user's. */
async function giveHome(home: string, { name, uid, gid }: Account): Promise<void> {
  const owner = await stat(home).then(
    ({ uid }) => uid,
    () => null,
  )
  if (owner === uid) return
  if (owner !== null) {
    throw new Refusal('conflict', `${home} does not belong to ${name}`, {
      hint: `chown -R ${name}: ${home}, or name its owner with --user`,
    })
  }
  await mkdir(home, { recursive: true, mode: 0o700 })
  await chown(home, uid, gid)
}

function requireRoot(): void {
  if (process.getuid?.() === 0) return
  throw new Refusal('forbidden', 'only root can change the services of this machine', {
    hint: 'sudo nodepilot service …',
  })
}

/** Resolves when another process than `before` answers. */
async function started(home: string, before: number | null): Promise<{ readonly url: string }> {
  const paths = createPaths(home)
  const until = performance.now() + longestStartMs
  while (performance.now() < until) {
    const server = await findServer(paths)
    if (server && server.pid !== before) return server
    if ((await restarts(unit)) >= hopelessRestarts) break
    await pause(200)
  }
  throw new Refusal('unavailable', 'the service was started, and no server answers; systemd goes on trying', {
    hint: 'why stands in: journalctl -u nodepilot -n 50',
  })
}
