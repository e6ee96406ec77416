import type { HeadLimits } from './http/head-reader.ts'

/** What a client's connection is doing, as far as there is a limit to how long it may. */
export type ClientState = 'new' | 'idle' | 'head' | 'body' | 'writing' | 'closing' | 'waiting'

/** How much and how long a client may. */
export interface ClientLimits {
  readonly head: HeadLimits
  /** Without progress in this state, ms; of a head: until it is complete. */
  readonly longest: Readonly<Record<ClientState, number>>
}

/** Times that can be set where the router is started, ms; the defaults otherwise. */
export interface TimeLimits {
  /** Until a head is complete: a client that sends it byte by byte holds a connection for no longer. */
  readonly headMs: number
  /** Between two pieces of a body. A push of 300 MB over a slow line takes as long as it takes. */
  readonly bodyIdleMs: number
  /** For a client that does not read its answer. */
  readonly writeIdleMs: number
  /** Between two requests; longer than most proxies in front keep an idle connection. */
  readonly keepAliveMs: number
  /** For a project that sleeps to wake up. */
  readonly wakeMs: number
  /** For requests to finish when the router is asked to end. */
  readonly endMs: number
}

export const timeLimits: TimeLimits = {
  headMs: 30_000,
  bodyIdleMs: 300_000,
  writeIdleMs: 300_000,
  keepAliveMs: 65_000,
  wakeMs: 30_000,
  endMs: 10_000,
}

/** How long an answer that ends its connection is given to arrive, ms. */
const lingerMs = 2_000

export function clientLimits({
  headMs,
  bodyIdleMs,
  writeIdleMs,
  keepAliveMs,
}: Omit<TimeLimits, 'wakeMs' | 'endMs'>): ClientLimits {
  return {
    head: { line: 16_384, size: 32_768, fields: 256 },
    longest: {
      new: headMs,
      idle: keepAliveMs,
      head: headMs,
      body: bodyIdleMs,
      writing: writeIdleMs,
      closing: lingerMs,
      // For the app, which may take its time, or in a tunnel.
      waiting: Number.POSITIVE_INFINITY,
    },
  }
}

/** Tells how long nothing has changed; looked at once a second and not with every byte. */
export class Stillness {
  #since: number
  #state: ClientState = 'new'
  #progress = 0

  constructor(now: number) {
    this.#since = now
  }

  /** `progress`: any number that changes when something moves. Returns for how long nothing has, ms. */
  for(now: number, state: ClientState, progress: number): number {
    if (state !== this.#state || progress !== this.#progress) {
      this.#since = now
      this.#state = state
      this.#progress = progress
    }
    return now - this.#since
  }
}
