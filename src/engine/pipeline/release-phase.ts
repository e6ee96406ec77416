import type { Context } from '../context.ts'
import { Refusal } from '../domain/refusal.ts'
import { describeExit, type Exit, wasKilled } from '../shell.ts'
import { type Origin, originWords } from './app-config.ts'
import { type BuildLimits, runBuildCommand } from './build-command.ts'
import type { StepReport } from './journal.ts'
import { oneOff, type Place } from './one-off.ts'

export interface ReleasePhase {
  readonly signal: AbortSignal
  readonly job: string
  readonly limits: BuildLimits
  readonly step: StepReport
}

/**
 * Runs the release command, once, before anything of the release starts: migrations and the like,
 * with the config vars of the release. Refuses with `release_failed`, `out_of_memory`, and as `shell.run` does
 * (`timeout`, `output_limit`, `cancelled`).
 */
export async function runReleasePhase(
  ctx: Context,
  place: Place,
  { command, from }: { readonly command: string; readonly from: Origin },
  { signal, job, limits, step }: ReleasePhase,
): Promise<void> {
  const exit = await runBuildCommand(await oneOff(ctx, place, 'release.1', ['/bin/sh', '-c', command]), {
    signal,
    job,
    isolation: ctx.dependencies.tools.isolation,
    limits,
    failure: 'release_failed',
    onLine: (line) => step.say(line),
  })
  if (exit.code !== 0) throw refuse(command, from, exit)
}

function refuse(command: string, from: Origin, exit: Exit): Refusal {
  if (wasKilled(exit)) {
    return new Refusal('out_of_memory', 'the release command was killed, most likely for want of memory', {
      hint: 'give the server more memory or swap',
    })
  }
  return new Refusal('release_failed', `"${command}" ${describeExit(exit)}`, {
    hint: `it is the release command of ${originWords[from]}; fix the error above, push again`,
  })
}
