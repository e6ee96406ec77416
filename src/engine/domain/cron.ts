import { Cron } from 'croner'
import { z } from 'zod'

/**
 * Scheduled jobs: a command that runs at times of its own in the live release, as a one-off. The same list stands in
 * `nodepilot.json` and in the project's settings.
 */

/** More jobs than this belong into a program of their own. */
const mostJobs = 50
/** Names are part of addresses, of names of processes and of files. */
const namePattern = /^[A-Za-z][A-Za-z0-9_-]{0,39}$/

/** In addresses it stands for all of them. */
const reservedName = 'runs'

const cronFields = {
  schedule: z.string().trim().max(200).meta({
    description: 'five fields: minute, hour, day of the month, month, day of the week; or @hourly, @daily …',
  }),
  command: z
    .string()
    .trim()
    .min(1, 'name the command that shall run')
    .max(1000)
    .refine((text) => !/[\0\r\n]/.test(text), 'a command is one line')
    .meta({ description: 'what /bin/sh runs in the live release' }),
  name: z
    .string()
    .regex(namePattern, 'a job is named like nightly-report: 40 letters, digits, - and _, a letter first')
    .refine((name) => name !== reservedName, `${reservedName} cannot be the name of a job`)
    .optional()
    .meta({ description: 'made of the command where none is given' }),
  timezone: z
    .string()
    .max(60)
    .default('UTC')
    .meta({ description: 'in which the schedule is meant, such as Europe/Berlin' }),
  timeoutMs: z
    .number()
    .int()
    .min(1000)
    .max(86_400_000)
    .default(3_600_000)
    .meta({ description: 'after which a run is ended, ms' }),
}

/** A job as it is stored: a rule that a later version tightens must not make an old release unreadable. */
export const storedCronJob = z.object(cronFields)

/** A job as it is given; mistakes name the field. */
export const cronJob = z.strictObject(cronFields).superRefine(({ schedule, timezone }, issues) => {
  const wrong = (field: string, message: string) =>
    issues.addIssue({ code: 'custom', path: [field], message })
  if (!isTimezone(timezone)) {
    return wrong('timezone', 'there is no such time zone; they are named like UTC or Europe/Berlin')
  }
  const problem = scheduleProblem(schedule)
  if (problem) wrong('schedule', problem)
})

/** The jobs of a project; two of one name would share their history. */
export const cronJobs = z
  .array(cronJob)
  .max(mostJobs, `a project has at most ${mostJobs} scheduled jobs`)
  .superRefine((jobs, issues) => {
    const seen = new Set<string>()
    for (const [index, { name }] of jobs.entries()) {
      if (name !== undefined && seen.has(name)) {
        issues.addIssue({ code: 'custom', path: [index, 'name'], message: `two jobs are named ${name}` })
      }
      if (name !== undefined) seen.add(name)
    }
  })

export type CronJob = z.infer<typeof cronJob>
export type NamedCronJob = CronJob & { readonly name: string }

/**
 * The jobs with a name each. One made of the command stays the same as long as the command does, wherever in the
 * list it stands, so that a job keeps its history: `node tick.js` is `node-tick-js`, a second one `node-tick-js-2`.
 */
export function namedJobs(jobs: readonly CronJob[]): readonly NamedCronJob[] {
  const taken = new Set([reservedName, ...jobs.flatMap(({ name }) => name ?? [])])
  return jobs.map((job) => {
    if (job.name !== undefined) return { ...job, name: job.name }
    const name = free(taken, nameOf(job.command))
    taken.add(name)
    return { ...job, name }
  })
}

/** When it runs next after a moment, ms since 1970; null: never, or nobody can tell. */
export function nextRunAfter({ schedule, timezone }: CronJob, afterMs: number): number | null {
  try {
    return parse(schedule, timezone).nextRun(new Date(afterMs))?.getTime() ?? null
  } catch {
    return null
  }
}

function nameOf(command: string): string {
  const name = command
    .replace(/[^A-Za-z0-9]+/g, '-')
    .replace(/^[^A-Za-z]+/, '')
    .slice(0, 36)
    .replace(/-+$/, '')
  return name || 'job'
}

function free(taken: ReadonlySet<string>, name: string): string {
  if (!taken.has(name)) return name
  for (let number = 2; ; number++) if (!taken.has(`${name}-${number}`)) return `${name}-${number}`
}

const example = 'write it like "*/5 * * * *": minute, hour, day of the month, month, day of the week'

/** Any moment: five fields name no year. */
const someDay = new Date('2024-01-01T00:00:00Z')

function scheduleProblem(schedule: string): string | null {
  // the library takes a moment of time and a field of seconds too
  if (!/^@[a-z]+$/i.test(schedule) && schedule.split(/\s+/).length !== 5) return example
  try {
    return parse(schedule, 'UTC').nextRun(someDay) === null ? 'no day is like that: it would never run' : null
  } catch (error) {
    const why = (error as Error).message.replace(/^CronPattern: */, '')
    return `${why.slice(0, 150)}; ${example}`
  }
}

/** A project's jobs are read with every look at the project, and parsing one takes a tenth of a millisecond. */
const parsed = new Map<string, Cron>()
const mostParsed = 2000

function parse(schedule: string, timezone: string): Cron {
  const key = `${timezone} ${schedule}`
  const known = parsed.get(key)
  if (known) return known
  const cron = new Cron(schedule, { paused: true, timezone, mode: '5-part' })
  if (parsed.size >= mostParsed) parsed.clear()
  parsed.set(key, cron)
  return cron
}

function isTimezone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }) !== null
  } catch {
    return false
  }
}
