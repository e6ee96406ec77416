import type { Context } from 'hono'
import { Hono, type MiddlewareHandler } from 'hono'
import type { SystemInfo, SystemProcess } from '../../engine/use-cases/system.ts'
import { paths } from '../paths.ts'
import { page } from '../render.ts'
import type { Env, Services } from '../services.ts'
import { requireSession } from '../session.ts'
import { words } from '../words.ts'
import { type FormProblem, submit } from './form.ts'

const { bytes, ms, percent } = words

const doneWords: Readonly<Record<string, string>> = {
  backup: 'The backup is made, and a restore on trial has proved it.',
  removed: 'The backup is removed.',
  cleaned: 'What nothing needs any more is removed.',
}

/** The machine, what runs on it, and whether all is well. For admins. */
export function serverPages(services: Services): Hono<Env> {
  const { engine } = services
  const pages = new Hono<Env>()
  const admins: readonly MiddlewareHandler<Env>[] = [
    requireSession(services),
    (c, next) => {
      engine.access.authorize(c.get('actor'), 'server.read', null)
      return next()
    },
  ]
  const show = async (c: Context<Env>, problem: FormProblem | null = null) => {
    const [info, metrics, processes, health, backups, disk] = await Promise.all([
      engine.system.info(),
      engine.system.metrics('1h'),
      engine.system.processes(),
      services.health(),
      engine.backups.list(),
      engine.disk.reportWithin(700),
    ])
    return page(
      c,
      'server/show',
      {
        title: 'Server',
        nav: 'server',
        scripts: ['uplot.js', 'metrics.js'],
        styles: ['uplot.css'],
        source: paths.api.systemMetrics,
        info,
        well: Object.values(health).every(Boolean),
        checks: checksOf(health),
        figures: figuresOf(metrics, info),
        projects: byProject(processes),
        processes: processes.map(shownProcess),
        about: aboutOf(info, services.version),
        backups,
        disk,
        mayBackup: engine.access.allows(c.get('actor'), 'server.manage', null),
        problem,
        done: doneWords[c.req.query('done') ?? ''],
      },
      problem?.status ?? 200,
    )
  }
  for (const guard of admins) pages.use(paths.panel.server, guard)
  pages.get(paths.panel.server, (c) => show(c))

  const change = (path: string, done: string, work: (c: Context<Env>) => Promise<unknown>) =>
    pages.post(path, requireSession(services), (c) => {
      engine.access.authorize(c.get('actor'), 'server.manage', null)
      return submit(
        async () => {
          await work(c)
          return c.redirect(`${paths.panel.server}?done=${done}`, 303)
        },
        (problem) => show(c, problem),
      )
    })
  change(paths.panel.backups, 'backup', (c) =>
    engine.backups.make({ keys: false, slugs: false }, c.get('who')),
  )
  change(paths.panel.cleanDisk, 'cleaned', (c) => engine.disk.clean(c.get('who')))
  change(paths.panel.removeBackup, 'removed', (c) =>
    engine.backups.remove(c.req.param('backup') ?? '', c.get('who')),
  )
  return pages
}

type Machine = Awaited<ReturnType<Services['engine']['system']['metrics']>>

function figuresOf({ cpu, load, memory, disk, series }: Machine, info: SystemInfo) {
  const share = (part: number, whole: number) => Math.round((part / Math.max(whole, 1)) * 100)
  const rate = (values: readonly (number | null)[]) =>
    `${bytes(values.findLast((value) => value !== null))}/s`
  return [
    {
      name: 'CPU',
      icon: 'cpu',
      value: percent(cpu),
      share: cpu === null ? null : Math.round(cpu),
      detail: `${words.plural(info.cpu.cores, 'core')}, load ${(load[0] ?? 0).toFixed(2)}`,
    },
    {
      name: 'Memory',
      icon: 'memory-stick',
      value: `${bytes(memory.usedBytes)} of ${bytes(memory.totalBytes)}`,
      share: share(memory.usedBytes, memory.totalBytes),
      detail: `${bytes(memory.totalBytes - memory.usedBytes)} free`,
    },
    {
      name: 'Disk',
      icon: 'hard-drive',
      value: `${bytes(disk.usedBytes)} of ${bytes(disk.totalBytes)}`,
      share: share(disk.usedBytes, disk.totalBytes),
      detail: `${bytes(disk.freeBytes)} free`,
    },
    {
      name: 'Network',
      icon: 'network',
      value: `${rate(series.rxBytesPerSecond)} in`,
      share: null,
      detail: `${rate(series.txBytesPerSecond)} out`,
    },
  ]
}

/** Who needs how much, the hungriest first. */
export function byProject(processes: readonly SystemProcess[]) {
  const found = new Map<
    string,
    { name: string; processes: number; memoryBytes: number; cpu: number; restarts: number }
  >()
  for (const { project, memoryBytes, cpu, restarts } of processes) {
    if (project === null) continue
    const sum = found.get(project) ?? { name: project, processes: 0, memoryBytes: 0, cpu: 0, restarts: 0 }
    sum.processes += 1
    sum.memoryBytes += memoryBytes
    sum.cpu += cpu
    sum.restarts += restarts
    found.set(project, sum)
  }
  return [...found.values()].sort((a, b) => b.memoryBytes - a.memoryBytes)
}

const partNames: Readonly<Record<string, string>> = {
  server: 'NodePilot server',
  router: 'Front door',
  pm2: 'PM2',
}

function shownProcess(process: SystemProcess) {
  const well = process.status === 'online'
  return {
    ...process,
    name: process.project === null ? (partNames[process.kind] ?? process.name) : process.name,
    tone: well ? 'ok' : process.status === 'stopped' ? 'muted' : 'bad',
    icon: well ? 'circle-check' : process.status === 'stopped' ? 'circle-pause' : 'circle-alert',
  }
}

/** What each part of the health check means, and what helps when it is not well. */
const checkWords: Readonly<Record<string, readonly [name: string, well: string, remedy: string]>> = {
  database: ['Database', 'reads and writes', 'Look into the log of the server: the database cannot be read.'],
  runtime: ['PM2', 'answers', 'PM2 does not answer; NodePilot starts it again by itself within seconds.'],
  router: ['Front door', 'answers', 'The front door does not answer; its keeper starts it again by itself.'],
  disk: ['Disk', 'has room', 'The disk is nearly full: remove what is not needed, or keep fewer releases.'],
}

function checksOf(health: Readonly<Record<string, boolean>>) {
  return Object.entries(health).map(([key, ok]) => {
    const [name, detail, remedy] = checkWords[key] ?? [key, 'is well', 'Look into the log of the server.']
    return { name, ok, detail, remedy }
  })
}

function aboutOf(info: SystemInfo, version: string): readonly (readonly [string, string])[] {
  return [
    ['NodePilot', `${version}, up ${ms(info.server.uptimeMs)}`],
    ['Node', info.node],
    ['System', `${info.os.distro} ${info.os.release}, ${info.os.arch}`],
    ['Kernel', info.os.kernel],
    ['CPU', info.cpu.model],
    ['Machine up', ms(info.uptimeMs)],
    ['Home', info.home],
  ]
}
