import type { Found } from './search.ts'
import type { Meter, Traffic } from './traffic.ts'

/** One request on its way into the counters of the release that answers it; the panel's are not counted. */
export class Tally {
  readonly #traffic: Traffic
  readonly #began = performance.now()
  #meter: Meter | undefined
  /** Of the answer; 0 before there is one. */
  status = 0
  /** Until it began. */
  ms = 0
  /** On the wire between client and router. */
  bytesIn: number
  bytesOut = 0

  constructor(traffic: Traffic, headBytes: number) {
    this.#traffic = traffic
    this.bytesIn = headBytes
  }

  /** It goes to this release; one that is tried after another takes the request over. */
  found({ project, release }: Found): void {
    if (project === null || !this.#traffic.counts) return
    const meter = this.#traffic.of(project, release)
    if (meter === this.#meter) return
    if (this.#meter) this.#meter.open--
    this.#meter = meter
    meter.open++
  }

  /** It is no request of that release after all. */
  disowned(): void {
    if (this.#meter) this.#meter.open--
    this.#meter = undefined
  }

  /** An answer begins. Its end may be far away (downloads, event streams), and is the client's time too. */
  answered(status: number): void {
    if (this.status !== 0) return
    this.status = status
    this.ms = performance.now() - this.#began
  }

  ended(): void {
    const meter = this.#meter
    if (!meter) return
    this.#meter = undefined
    meter.open--
    meter.count(this.status, this.ms, this.bytesIn, this.bytesOut)
  }
}
