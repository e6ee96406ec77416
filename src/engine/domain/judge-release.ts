import type { ReleaseShare, Verdict } from './comparison.ts'

/** Fewer requests of either release decide nothing. */
export const fewestRequests = 50
/** 99.7 % of all chance lies within: a release is looked at a dozen times in its minute. */
const z = 3
/** A share of errors that is higher by less than this is not worth a switch. */
const leastMoreErrors = 0.01
const slowerTimes = 2
const slowerByMs = 100

export interface Judgement {
  readonly verdict: Verdict
  /** One sentence. */
  readonly reason: string
}

/**
 * Whether a new release is clearly worse than the one before it.
 *
 * Errors: the Wilson score intervals (Wilson 1927) of both shares of answers of 500 and above, with z = 3, do not
 * meet, and the new share is higher by 1 % of all requests at least. Times: the 95th percentile is at least twice
 * as long and 100 ms longer; it counts only where `times` says so, as a process that has just started is slow at
 * first. With fewer than 50 requests of either, nothing is decided.
 */
export function judgeRelease(
  current: ReleaseShare,
  before: ReleaseShare,
  { times }: { readonly times: boolean },
): Judgement {
  const few = tooFew(current, before)
  if (few !== null) return { verdict: 'too_few', reason: few }
  if (moreErrors(current, before)) {
    return {
      verdict: 'worse',
      reason: `${share(current)} of ${current.requests} requests to v${current.release} failed, and ${share(before)} of ${before.requests} to v${before.release}`,
    }
  }
  if (times && slower(current, before)) {
    return {
      verdict: 'worse',
      reason: `95 % of the answers of v${current.release} began within ${ms(current.p95Ms)}, and of v${before.release} within ${ms(before.p95Ms)}`,
    }
  }
  return { verdict: 'not_worse', reason: `v${current.release} is not clearly worse than v${before.release}` }
}

/** Lower and upper bound of the share that `hits` of `total` stand for, 0 to 1. */
export function wilson(hits: number, total: number): readonly [lower: number, upper: number] {
  if (total === 0) return [0, 1]
  const found = hits / total
  const scale = 1 + z ** 2 / total
  const centre = found + z ** 2 / (2 * total)
  const spread = z * Math.sqrt((found * (1 - found)) / total + z ** 2 / (4 * total ** 2))
  return [Math.max((centre - spread) / scale, 0), Math.min((centre + spread) / scale, 1)]
}

function tooFew(current: ReleaseShare, before: ReleaseShare): string | null {
  const least = [current, before].find(({ requests }) => requests < fewestRequests)
  if (!least) return null
  return `v${least.release} had ${least.requests} requests, and ${fewestRequests} are needed to compare`
}

function moreErrors(current: ReleaseShare, before: ReleaseShare): boolean {
  const [lower] = wilson(current.errors, current.requests)
  const [, upper] = wilson(before.errors, before.requests)
  const more = current.errors / current.requests - before.errors / before.requests
  return lower > upper && more >= leastMoreErrors
}

function slower({ p95Ms: now }: ReleaseShare, { p95Ms: before }: ReleaseShare): boolean {
  return now !== null && before !== null && now >= before * slowerTimes && now >= before + slowerByMs
}

function share({ errors, requests }: ReleaseShare): string {
  return `${Math.round((errors / requests) * 1000) / 10} %`
}

function ms(value: number | null): string {
  return value === null ? 'no time' : `${Math.round(value)} ms`
}
