import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  addHistograms,
  bucketCount,
  bucketOf,
  type Histogram,
  quantileMs,
  subtractHistogram,
  upperBoundMs,
} from './latency.ts'

test('every time falls into the first bucket whose bound it does not exceed', () => {
  for (const ms of [0, 0.1, 0.25, 0.3, 1, 7.7, 8, 100, 999, 60_000, 65_536, 70_000, 1e9]) {
    const bucket = bucketOf(ms)
    assert.ok(ms <= upperBoundMs(bucket) * (1 + 1e-9), `${ms} in ${bucket}`)
    if (bucket > 0) assert.ok(ms > upperBoundMs(bucket - 1) * (1 - 1e-9), `${ms} in ${bucket}`)
  }
  assert.equal(bucketOf(Number.NaN), 0)
  assert.equal(bucketOf(-1), 0)
  assert.equal(upperBoundMs(bucketCount - 1), Number.POSITIVE_INFINITY)
})

test('percentiles are within a tenth of the true ones', () => {
  const times = Array.from({ length: 10_000 }, (_, n) => 2 + n / 50)
  const histogram = histogramOf(times)
  for (const share of [0.01, 0.5, 0.95, 0.99]) {
    const truth = times[Math.ceil(share * times.length) - 1] as number
    const found = quantileMs(histogram, share) as number
    assert.ok(Math.abs(found - truth) / truth < 0.1, `${share}: ${found} for ${truth}`)
  }
  assert.equal(quantileMs([], 0.5), null)
})

test('what was added comes back by subtraction', () => {
  const [one, other] = [histogramOf([1, 5, 5, 900]), histogramOf([5, 2, 60_000])]
  const sum = addHistograms(one, other)
  assert.deepEqual(sum, histogramOf([1, 5, 5, 900, 5, 2, 60_000]))
  assert.deepEqual(subtractHistogram(sum, other), one)
  assert.deepEqual(subtractHistogram(sum, sum), [])
})

function histogramOf(times: readonly number[]): Histogram {
  const counts = new Map<number, number>()
  for (const ms of times) counts.set(bucketOf(ms), (counts.get(bucketOf(ms)) ?? 0) + 1)
  return [...counts].sort(([a], [b]) => a - b)
}
