import type { Context, OneOffUnderWay } from '../context.ts'
import { varsAtRun } from '../domain/config-vars.ts'
import type { NamedCronJob } from '../domain/cron.ts'
import type { CronOutcome } from '../domain/cron-run.ts'
import { asRefusal, isRefusal } from '../domain/refusal.ts'
import type { Release } from '../domain/release.ts'
import { freeIndex, oneOff } from '../pipeline/one-off.ts'
import { memoryWatch } from '../pipeline/one-off-memory.ts'
import { type Command, describeExit, type Exit, run, wasKilled } from '../shell.ts'
import type { ProjectRow } from '../store/projects.ts'
import { boundedOutput } from './output.ts'

/** What runs, and as which run. */
export interface CronWork {
  readonly id: number
  readonly project: ProjectRow
  readonly job: NamedCronJob
  readonly release: Release
}

/** The mark of every process of a run; unique over all homes. */
export function cronMark(home: string, id: number): string {
  return `${home}#cron-${id}`
}

/**
 * Runs a job once, to its end, in the live release's files and environment; `NODEPILOT_INSTANCE` is `cron.1`,
 * `NODEPILOT_CRON` the job's name. While it runs the release's files stay, whatever goes live meanwhile. Nothing of
 * it is left afterwards. Never throws: how it ended is the answer.
 */
export function carryOut(ctx: Context, work: CronWork, controller: AbortController): Promise<CronOutcome> {
  const { project, release } = work
  const index = freeIndex(ctx, project.id, 'cron')
  const signal = AbortSignal.any([controller.signal, ctx.closing])
  const outcome = execute(ctx, work, index, signal).catch((error: unknown) => ended(ctx, work, error))
  const underWay: OneOffUnderWay = {
    projectId: project.id,
    slug: release.slug,
    type: 'cron',
    index,
    controller,
    ended: outcome.finally(() => ctx.runs.delete(underWay)),
  }
  ctx.runs.add(underWay)
  return outcome
}

async function execute(
  ctx: Context,
  work: CronWork,
  index: number,
  signal: AbortSignal,
): Promise<CronOutcome> {
  const { id, project, job, release } = work
  const veil = ctx.secrets.veil(project.name)
  veil.hide(release.readableVars)
  const hidden = veil.stream()
  const log = await ctx.logs.open(ctx.paths.cronLog(project.name, id))
  const output = boundedOutput(log)
  try {
    const command = await commandOf(ctx, work, index)
    await ctx.failpoint('cron.begun')
    const exit = await run(command, {
      signal,
      timeoutMs: job.timeoutMs,
      ...memoryWatch(project),
      job: cronMark(ctx.paths.home, id),
      endsWithUs: true,
      onLine: (line) => output.write(hidden(line)),
    })
    return outcomeOf(exit)
  } finally {
    output.end()
    log.close()
  }
}

async function commandOf(ctx: Context, { project, job, release }: CronWork, index: number): Promise<Command> {
  const directory = ctx.paths.release(project.name, release.slug)
  const { number, plan } = release
  const envVars = varsAtRun(release)
  const { memoryLimitMb } = project
  const place = { project: project.name, release: number, directory, envVars, plan, memoryLimitMb }
  const command = await oneOff(ctx, place, `cron.${index}`, ['/bin/sh', '-c', job.command])
  return { ...command, env: { ...command.env, NODEPILOT_CRON: job.name } }
}

function outcomeOf(exit: Exit): CronOutcome {
  if (exit.code === 0) return { status: 'succeeded', exitCode: 0 }
  const error = wasKilled(exit)
    ? { code: 'out_of_memory', message: 'it was killed, most likely for want of memory' }
    : exit.signal
      ? { code: 'failed', message: `it ${describeExit(exit)}` }
      : null
  return { status: 'failed', exitCode: exit.code, error }
}

/** It was ended by us, or could not even begin. */
function ended(ctx: Context, { project, job }: CronWork, error: unknown): CronOutcome {
  if (ctx.closing.aborted) return interrupted
  if (isRefusal(error, 'timeout')) {
    const message = `it did not end within ${Math.round(job.timeoutMs / 1000)} s`
    return { status: 'failed', error: { code: 'timeout', message } }
  }
  const { code, message } = asRefusal(error)
  if (code === 'cancelled') return { status: 'cancelled', error: { code, message: 'it was cancelled' } }
  if (code === 'out_of_memory') return { status: 'failed', error: { code, message } }
  ctx.report.error(`the job ${job.name} of ${project.name}`, error)
  return { status: 'failed', error: { code, message } }
}

/** The server ended; it is not run again by itself. */
export const interrupted: CronOutcome = {
  status: 'interrupted',
  error: { code: 'interrupted', message: 'the server ended in the middle of it' },
}
