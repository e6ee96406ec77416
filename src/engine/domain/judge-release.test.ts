import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ReleaseShare, Verdict } from './comparison.ts'
import { judgeRelease, wilson } from './judge-release.ts'

type Numbers = readonly [requests: number, errors: number, p95Ms: number | null]

const shareOf = (release: number, [requests, errors, p95Ms]: Numbers): ReleaseShare => {
  return { release, requests, errors, p50Ms: p95Ms, p95Ms }
}

describe('a release is judged by errors and times', () => {
  const cases: readonly (readonly [string, Numbers, Numbers, Verdict, RegExp])[] = [
    ['both clean', [1000, 0, 20], [1000, 0, 20], 'not_worse', /v42 is not clearly worse than v41/],
    ['nothing before', [1000, 900, 20], [0, 0, null], 'too_few', /v41 had 0 requests/],
    ['49 requests', [49, 49, 20], [1000, 0, 20], 'too_few', /v42 had 49 requests, and 50/],
    ['49 requests before', [1000, 1000, 20], [49, 0, 20], 'too_few', /v41 had 49 requests/],
    ['50 requests that all fail', [50, 50, 20], [50, 0, 20], 'worse', /100 % of 50 requests to v42 failed/],
    ['one error in 50', [50, 1, 20], [1000, 0, 20], 'not_worse', /not clearly/],
    ['a tenth of 100 beside none', [100, 10, 20], [1000, 0, 20], 'worse', /10 %.* and 0 % of 1000/],
    ['5 % beside 4 %, few', [200, 10, 20], [200, 8, 20], 'not_worse', /not clearly/],
    ['as bad as before', [1000, 500, 20], [1000, 500, 20], 'not_worse', /not clearly/],
    ['better than before', [1000, 0, 20], [1000, 500, 20], 'not_worse', /not clearly/],
    ['clearly more, but by less than 1 %', [1e6, 5000, 20], [1e6, 10, 20], 'not_worse', /not clearly/],
    ['twice and 100 ms slower', [100, 0, 210], [100, 0, 105], 'worse', /v42 began within 210 ms.* 105 ms/],
    ['three times, but 40 ms slower', [100, 0, 60], [100, 0, 20], 'not_worse', /not clearly/],
    ['200 ms slower, but not twice', [100, 0, 1200], [100, 0, 1000], 'not_worse', /not clearly/],
    ['no times', [100, 0, null], [100, 0, 20], 'not_worse', /not clearly/],
  ]
  for (const [title, current, before, verdict, reason] of cases) {
    test(title, () => {
      const found = judgeRelease(shareOf(42, current), shareOf(41, before), { times: true })
      assert.equal(found.verdict, verdict)
      assert.match(found.reason, reason)
    })
  }

  test('a slow start alone is no reason', () => {
    const [slow, fast] = [shareOf(42, [100, 0, 900]), shareOf(41, [100, 0, 20])]
    assert.equal(judgeRelease(slow, fast, { times: false }).verdict, 'not_worse')
  })

  test('bounds hold the share, lie in 0 to 1 and close in with more requests', () => {
    for (const [hits, total] of [
      [0, 50],
      [50, 50],
      [1, 100],
      [500, 1000],
    ] as const) {
      const [lower, upper] = wilson(hits, total)
      assert.ok(lower >= 0 && lower <= hits / total && hits / total <= upper && upper <= 1)
    }
    assert.deepEqual(wilson(0, 0), [0, 1])
    const width = (total: number) => wilson(total / 10, total)[1] - wilson(total / 10, total)[0]
    assert.ok(width(10_000) < width(100))
    // 10 of 100 with z = 3, by hand: (0.1 + 0.045 ± 3 √(0.0009 + 0.000225)) / 1.09
    const [lower, upper] = wilson(10, 100)
    assert.ok(Math.abs(lower - 0.040713) < 1e-5 && Math.abs(upper - 0.225341) < 1e-5, `${lower} ${upper}`)
  })
})
