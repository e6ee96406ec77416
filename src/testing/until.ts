import { setTimeout as sleep } from 'node:timers/promises'

const everyMs = 25

/**
 * Asks again and again until the answer is truthy, and returns it. Throws after `ms` with what was waited for
 * and the last answer or error. For conditions nobody announces; where there is an event, await the event. The
 * limit is a guard against a hang, not a measure: a busy machine takes its time.
 */
export async function until<T>(
  what: string,
  ask: () => T | Promise<T>,
  ms = 30_000,
): Promise<Exclude<T, undefined | null | false | 0 | ''>> {
  const end = performance.now() + ms
  for (;;) {
    let last: unknown
    try {
      const answer = await ask()
      if (answer) return answer as Exclude<T, undefined | null | false | 0 | ''>
      last = answer
    } catch (error) {
      last = error instanceof Error ? error.message : error
    }
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${what} (last: ${String(last)})`)
    await sleep(everyMs)
  }
}
