import type { Upstream } from './upstream.ts'

export type Avoid = ReadonlySet<string> | null

/**
 * The instance for the next request: the one with the fewest under way, a random one where several have as
 * few. One that refused a connection a moment ago is passed over as long as another is left; when all have,
 * they are tried anyway. `avoid`: keys of those that refused this very request; undefined: none is left.
 */
export function pickUpstream(
  upstreams: readonly Upstream[],
  avoid: Avoid,
  now: number,
  random: () => number,
): Upstream | undefined {
  return least(upstreams, avoid, now, random) ?? least(upstreams, avoid, null, random)
}

function least(
  upstreams: readonly Upstream[],
  avoid: Avoid,
  now: number | null,
  random: () => number,
): Upstream | undefined {
  let best: Upstream | undefined
  let equals = 0
  for (const upstream of upstreams) {
    if (avoid?.has(upstream.key) || (now !== null && upstream.isAside(now))) continue
    if (!best || upstream.open < best.open) {
      best = upstream
      equals = 1
    } else if (upstream.open === best.open && random() * ++equals < 1) best = upstream
  }
  return best
}
