import type { Context } from '../context.ts'
import { isRefusal, Refusal } from '../domain/refusal.ts'
import type { GroupRef } from '../ports.ts'
import { type BootPlan, startAndProve, untilConnected, untilItHolds } from './boot.ts'
import { discardCandidate, type Group } from './discard.ts'
import { silentJournal } from './journal.ts'

interface Place {
  readonly generation: number
  readonly positions: readonly number[]
}

/** As `boot`, for more instances of a generation that serves already; those that serve are left alone. */
export function grow(ctx: Context, plan: BootPlan, place: Place, signal: AbortSignal): Promise<Group> {
  return untilItHolds(() => oneByOne(ctx, plan, place, signal))
}

/** Each is healthy before the next one is started, so that what serves already keeps the machine to itself. */
async function oneByOne(
  ctx: Context,
  plan: BootPlan,
  { generation, positions }: Place,
  signal: AbortSignal,
): Promise<Group> {
  const { project, release } = plan
  const ref: GroupRef = { project: project.name, type: 'web', release, generation }
  const grown: number[] = []
  try {
    for (const position of positions) {
      await startAndProve(ctx, plan, { generation, positions: [position] }, silentJournal, signal)
      grown.push(position)
    }
    await checkThatAllRun(ctx, ref, grown)
    return { ref, positions }
  } catch (error) {
    // what cannot be reached cannot be ended, and their places are needed for another try
    if (isRefusal(error, 'unavailable')) await untilConnected(ctx)
    await discardCandidate(ctx, project.id, { ref, positions: grown })
    throw error
  }
}

/** The first ones may have ended while the last ones were proved, with the runtime itself. */
async function checkThatAllRun(ctx: Context, ref: GroupRef, positions: readonly number[]): Promise<void> {
  const running = await ctx.runtime.list(ref.project)
  const runs = (position: number) =>
    running.some(
      ({ type, generation, index, pid }) =>
        type === ref.type && generation === ref.generation && index === position && pid !== null,
    )
  const gone = positions.find((position) => !runs(position))
  if (gone === undefined) return
  throw new Refusal('unavailable', `${ref.type}.${gone} ended while the others were started`, {
    hint: 'look at its log, then scale again',
  })
}
