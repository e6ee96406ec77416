import { setTimeout as pause } from 'node:timers/promises'
import { readAppLog } from '../app-log.ts'
import type { Context } from '../context.ts'
import { tellingLines } from '../domain/telling-lines.ts'
import type { GroupRef, InstanceExit } from '../ports.ts'
import { crashed, runtimeLost } from './diagnose.ts'
import type { StepReport } from './journal.ts'

export interface ExitWatch {
  /**
   * Runs `work`, but refuses at once when the app ends meanwhile, quoting its last lines, and with `unavailable`
   * when the runtime does, which takes every app along.
   */
  unlessExit<T>(work: (signal: AbortSignal) => Promise<T>, step: StepReport): Promise<T>
  /** Shows what the app wrote last. */
  quote(step: StepReport): Promise<string[]>
  end(): void
}

/** PM2's "online" and "errored" cannot be trusted, so exits are counted from its bus. */
export function watchExits(
  ctx: Context,
  ref: GroupRef,
  { index, port }: { readonly index: number; readonly port: number },
  signal: AbortSignal,
): ExitWatch {
  const ended = new AbortController()
  let exit: InstanceExit | undefined
  let lost = false
  const forgetLoss = ctx.runtime.onLost(() => {
    lost = true
    ended.abort()
  })
  const forgetExit = ctx.runtime.onExit((event) => {
    if (event.project !== ref.project || event.generation !== ref.generation) return
    if (event.type !== ref.type || event.index !== index) return
    exit ??= event
    ended.abort()
  })
  const quote = async (step: StepReport) => {
    const lines = await lastLines(ctx, ref, exit !== undefined)
    for (const line of tellingLines(lines, quotedLines)) step.say(line)
    return lines
  }
  return {
    async unlessExit(work, step) {
      try {
        const result = await work(AbortSignal.any([ended.signal, signal]))
        if (!exit && !lost) return result
      } catch (error) {
        if (!exit && !lost) throw error
      }
      signal.throwIfAborted()
      if (lost) throw runtimeLost()
      const memory = ctx.lastExits.of({ ...ref, index })?.memory ?? null
      throw crashed({ ...(exit as InstanceExit), memory }, await quote(step), port)
    },
    quote,
    end() {
      forgetExit()
      forgetLoss()
    },
  }
}

/** Lines people get to see of what the app wrote. */
const quotedLines = 15
/** Lines the diagnosis reads: the cause may stand far above the last ones, over a long stack trace. */
const readLines = 200

/** The runtime writes the log behind the exit's back: give it a moment to arrive, and to be complete. */
async function lastLines(ctx: Context, ref: GroupRef, hasEnded: boolean): Promise<string[]> {
  const query = { lines: readLines, type: ref.type, generation: ref.generation }
  const until = performance.now() + (hasEnded ? 400 : 0)
  for (let seen = 0; ; ) {
    const lines = await readAppLog(ctx.secrets.appLog(ref.project), query)
    const settled = lines.length > 0 && lines.length === seen
    if (settled || performance.now() >= until) return lines.map((line) => line.line)
    seen = lines.length
    await pause(20)
  }
}
