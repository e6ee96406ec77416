/**
 * Times of answers as a histogram whose buckets grow by a constant factor: a few numbers say as much about
 * 1 ms as about 10 s, histograms can be added and subtracted, and any percentile comes out within 10 %.
 */

/** Upper bound of the first bucket, ms. */
const firstMs = 0.25
/** Buckets until the bound has doubled. */
export const bucketsPerDoubling = 4
/** The last one takes everything above 65 s. */
export const bucketCount = 18 * bucketsPerDoubling + 1

/** Bucket → how many; buckets without any are left out. */
export type Histogram = readonly (readonly [bucket: number, count: number])[]

export function bucketOf(ms: number): number {
  if (!(ms > firstMs)) return 0
  return Math.min(Math.ceil(Math.log2(ms / firstMs) * bucketsPerDoubling), bucketCount - 1)
}

/** Ms; times of the bucket are at most this. The last one has no bound. */
export function upperBoundMs(bucket: number): number {
  return bucket >= bucketCount - 1 ? Number.POSITIVE_INFINITY : firstMs * 2 ** (bucket / bucketsPerDoubling)
}

/** The time that `share` (0 to 1) of the answers did not exceed, ms; null where there are none. */
export function quantileMs(histogram: Histogram, share: number): number | null {
  const total = histogram.reduce((sum, [, count]) => sum + count, 0)
  if (total === 0) return null
  const wanted = Math.max(share * total, Number.EPSILON)
  let before = 0
  for (const [bucket, count] of histogram) {
    if (before + count >= wanted) return within(bucket, (wanted - before) / count)
    before += count
  }
  return within(bucketCount - 1, 1)
}

/** Both together; buckets ascend. */
export function addHistograms(one: Histogram, other: Histogram): Histogram {
  return combine(one, other, 1)
}

/** What `now` has more than `before`. */
export function subtractHistogram(now: Histogram, before: Histogram): Histogram {
  return combine(now, before, -1)
}

function combine(one: Histogram, other: Histogram, sign: 1 | -1): Histogram {
  if (other.length === 0) return one
  const sums = new Map(one)
  for (const [bucket, count] of other) sums.set(bucket, (sums.get(bucket) ?? 0) + sign * count)
  return [...sums].filter(([, count]) => count > 0).sort(([a], [b]) => a - b)
}

/** Where in a bucket, as if its times were spread evenly; hundredths of a ms are noise. */
function within(bucket: number, share: number): number {
  const low = bucket === 0 ? 0 : upperBoundMs(bucket - 1)
  const high = bucket >= bucketCount - 1 ? low : upperBoundMs(bucket)
  return Math.round((low + (high - low) * share) * 100) / 100
}
