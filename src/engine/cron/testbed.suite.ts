import { createLab, type Lab, revisionOf } from '../../testing/engine-lab.ts'

/** A live project with jobs, and a clock that the test sets, for the tests of this folder. */

export const minute = 60_000
export const begin = Date.parse('2026-03-01T12:00:30Z')

export interface Bench {
  readonly lab: Lab
  /** The clock goes on to so many minutes after 12:00:30, and the server looks. */
  at(minutes: number): void
  set(jobs: object[], project?: string): void
  output(run: number): Promise<string>
  runs(): string[]
}

/** `shop` is live; every job of it can be seen. */
export async function withShop(work: (bench: Bench) => Promise<void>, cronRuns = 4): Promise<void> {
  let now = begin
  const lab = await createLab({ clock: () => now, cronRuns })
  try {
    const project = await lab.project()
    await lab.deploy(project, lab.commit(revisionOf('a')))
    const shop = () => lab.engine.projects.get('shop')
    await work({
      lab,
      at(minutes) {
        now = begin + minutes * minute
        lab.engine.cron.look()
      },
      set(jobs, name = 'shop') {
        const cron = jobs.map((job) => ({
          timezone: 'UTC',
          timeoutMs: 60_000,
          schedule: '* * * * *',
          ...job,
        }))
        lab.store.projects.update(lab.engine.projects.get(name).id, { settings: { cron } as never })
      },
      async output(run) {
        const lines: string[] = []
        for await (const some of lab.engine.cron.output(shop(), run, AbortSignal.abort())) lines.push(...some)
        return lines.join('\n')
      },
      runs: () =>
        lab.engine.cron
          .runs(shop(), { limit: 50 })
          .map(({ job, status, exitCode }) => `${job} ${status} ${exitCode}`)
          .reverse(),
    })
  } finally {
    await lab.close()
  }
}
