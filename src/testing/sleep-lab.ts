import type { SettingsChange } from '../engine/domain/settings.ts'
import type { Failpoint } from '../engine/failpoints.ts'
import { ada, createLab, type Lab, revisionOf } from './engine-lab.ts'
import { until } from './until.ts'

/** A lab with a project that may sleep, on a clock that stands still. */

export const host = 'shop.localhost'
const minute = 60_000

export interface Sleeping extends Lab {
  /** So many minutes go by, and it is looked who is idle. */
  pass(minutes: number): Promise<void>
}

/** v1 is live with web and a worker, and sleeps after ten minutes. The clock stands still. */
export async function withProject(
  work: (lab: Sleeping) => Promise<void>,
  { settings = {} }: { readonly settings?: SettingsChange } = {},
): Promise<void> {
  let now = Date.parse('2026-03-01T12:00:00Z')
  const plain = await createLab({ clock: () => now })
  const lab: Sleeping = Object.create(plain, {
    pass: {
      value: async (minutes: number) => {
        now += minutes * minute
        await plain.engine.idle.look()
      },
    },
  })
  try {
    const project = await lab.project()
    lab.engine.projects.change(project, { settings: { sleepAfterMinutes: 10, ...settings } }, ada)
    await lab.engine.reconcile()
    const app = [
      { path: 'package.json', data: JSON.stringify({ scripts: { start: 'node server.js' } }) },
      { path: 'Procfile', data: 'web: node server.js\nworker: node work.js\n' },
    ]
    await lab.deploy(current(lab), lab.commit(revisionOf('a'), app))
    await until('its worker runs', async () => (await running(lab)).includes('worker.1'))
    await lab.pass(0)
    await work(lab)
  } finally {
    await plain.close()
  }
}

export const current = (lab: Lab) => lab.engine.projects.get('shop')
export const view = async (lab: Lab) => lab.engine.projects.show(current(lab))
export const running = async (lab: Lab) => (await lab.memory.list()).map(({ name }) => name).sort()
export const asleep = (lab: Lab) => lab.router.route(host)?.state === 'sleeping'

/** Time goes by until it sleeps, or until what is said. */
export async function fallAsleep(lab: Sleeping, slept?: () => boolean): Promise<void> {
  await lab.pass(0)
  await lab.pass(10)
  // who tidies up after a deployment has the turn for a moment
  await until('it sleeps', async () => {
    await lab.pass(0)
    return slept ? slept() : asleep(lab)
  })
  if (!slept) await until('nothing of it runs', async () => (await running(lab)).length === 0)
}

/** The engine is another one from here on; at the point it does this, once. Returns what keeps it from hearing more. */
export async function armed(lab: Lab, point: Failpoint, work: () => Promise<void>): Promise<() => void> {
  await lab.engine.close()
  let [done, dead] = [false, false]
  const onWake = (listener: (project: string) => void) =>
    lab.router.onWake((project) => {
      if (!dead) listener(project)
    })
  lab.restart({
    ...lab.deps,
    router: { ...lab.router, onWake },
    failpoint: async (passed) => {
      if (passed !== point || done) return
      done = true
      await work()
    },
  })
  return () => {
    dead = true
  }
}
