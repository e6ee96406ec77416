import type { DrainReport, Endpoint } from '../ports.ts'
import { endpointKey } from './table.ts'
import { Upstream } from './upstream.ts'

/** All endpoints that take traffic or still answer some. */
export class Upstreams {
  readonly #byKey = new Map<string, Upstream>()
  readonly #current = new Set<string>()
  readonly #waiting = new Set<() => void>()

  /** Exactly these take new traffic from now on. */
  use(endpoints: readonly Endpoint[]): void {
    this.#current.clear()
    for (const endpoint of endpoints) {
      const key = endpointKey(endpoint)
      this.#current.add(key)
      const known = this.#byKey.get(key)
      if (known) known.revive()
      else this.#byKey.set(key, new Upstream(key, endpoint, () => this.#idle(key)))
    }
    for (const [key, upstream] of this.#byKey) {
      if (this.#current.has(key)) continue
      upstream.retire()
      if (upstream.open === 0) this.#byKey.delete(key)
    }
  }

  /** Of an endpoint that is in use. */
  of(endpoint: Endpoint): Upstream | undefined {
    return this.#byKey.get(endpointKey(endpoint))
  }

  /** Closes what has been idle for too long, ms of performance.now(). */
  sweep(now: number): void {
    for (const upstream of this.#byKey.values()) upstream.sweep(now)
  }

  /** Requests and upgrades under way to these endpoints, or to all. */
  open(endpoints?: readonly Endpoint[]): number {
    const upstreams = endpoints
      ? [...new Set(endpoints.map(endpointKey))].map((key) => this.#byKey.get(key))
      : [...this.#byKey.values()]
    return upstreams.reduce((sum, upstream) => sum + (upstream?.open ?? 0), 0)
  }

  /**
   * Resolves when nothing is under way to these endpoints, after `deadlineMs`, or when the signal aborts. Tunnels
   * and event streams are told to come again after `endlessMs`, and at the deadline.
   */
  drain(
    endpoints: readonly Endpoint[],
    { deadlineMs, endlessMs }: { readonly deadlineMs: number; readonly endlessMs: number },
    signal: AbortSignal,
  ): Promise<DrainReport> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer)
        clearTimeout(farewell)
        signal.removeEventListener('abort', end)
        this.#waiting.delete(look)
        resolve({ left: this.open(endpoints) })
      }
      const look = () => {
        if (this.open(endpoints) === 0) end()
      }
      const farewell = setTimeout(
        () => {
          for (const key of new Set(endpoints.map(endpointKey))) this.#byKey.get(key)?.departEndless()
        },
        Math.min(endlessMs, deadlineMs),
      )
      const timer = setTimeout(end, deadlineMs)
      signal.addEventListener('abort', end, { once: true })
      this.#waiting.add(look)
      if (signal.aborted) end()
      else look()
    })
  }

  #idle(key: string): void {
    if (!this.#current.has(key)) this.#byKey.delete(key)
    for (const look of [...this.#waiting]) look()
  }
}
