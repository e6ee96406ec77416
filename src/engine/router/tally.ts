import type { Duplex } from 'node:stream'
import type { Found } from './search.ts'
import type { Meter, Traffic } from './traffic.ts'

/** What is known of a client's connection beside its stream. */
type Counted = Duplex & { readonly bytesRead?: number; readonly bytesWritten?: number }

/** How much of each connection has been counted already: one connection carries requests of many projects. */
const counted = new WeakMap<Duplex, { read: number; written: number }>()

/** One request on its way into the counters of the release that answers it; the panel's are not counted. */
export class Tally {
  readonly #traffic: Traffic
  readonly #socket: Counted
  readonly #began = performance.now()
  #meter: Meter | undefined
  #status = 0
  #ms = 0

  constructor(traffic: Traffic, socket: Counted) {
    this.#traffic = traffic
    this.#socket = socket
  }

  /** It goes to this release; one that is tried after another takes the request over. */
  found({ project, release }: Found): void {
    if (project === null) return
    const meter = this.#traffic.of(project, release)
    if (meter === this.#meter) return
    if (this.#meter) this.#meter.open--
    this.#meter = meter
    meter.open++
  }

  /** An answer begins. Its end may be far away (downloads, event streams), and is the client's time too. */
  answered(status: number): void {
    if (this.#status !== 0) return
    this.#status = status
    this.#ms = performance.now() - this.#began
  }

  ended(): void {
    const { bytesRead = 0, bytesWritten = 0 } = this.#socket
    const before = counted.get(this.#socket)
    if (before) {
      this.#count(bytesRead - before.read, bytesWritten - before.written)
      before.read = bytesRead
      before.written = bytesWritten
    } else {
      this.#count(bytesRead, bytesWritten)
      counted.set(this.#socket, { read: bytesRead, written: bytesWritten })
    }
  }

  #count(bytesIn: number, bytesOut: number): void {
    const meter = this.#meter
    if (!meter) return
    meter.open--
    meter.count(this.#status, this.#ms, bytesIn, bytesOut)
  }
}
