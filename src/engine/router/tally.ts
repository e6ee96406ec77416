import type { AccessLog } from './access-log.ts'
import type { Asked } from './asked.ts'
import type { Found } from './search.ts'
import type { Meter, Traffic } from './traffic.ts'

export interface Books {
  readonly traffic: Traffic
  readonly accessLog: AccessLog
}

/** One request on its way into the counters and the log of what answers it; the panel's are in neither. */
export class Tally {
  readonly #books: Books
  readonly #asked: Asked
  #found: Found | null = null
  readonly #began = performance.now()
  #meter: Meter | undefined
  /** Of the answer; 0 before there is one. */
  status = 0
  /** Until it began. */
  ms = 0
  /** On the wire between client and router. */
  bytesIn: number
  bytesOut = 0

  constructor(books: Books, asked: Asked) {
    this.#books = books
    this.#asked = asked
    this.bytesIn = asked.headBytes
  }

  /** It goes to this release; one that is tried after another takes the request over. */
  found(found: Found): void {
    const { project, release } = found
    const { traffic } = this.#books
    this.#found = found
    if (project === null || !traffic.counts) return
    const meter = traffic.of(project, release)
    if (meter === this.#meter) return
    if (this.#meter) this.#meter.open--
    this.#meter = meter
    meter.open++
  }

  /** It is no request of that release after all. */
  disowned(): void {
    if (this.#meter) this.#meter.open--
    this.#meter = undefined
    this.#found = null
  }

  /** An answer begins. Its end may be far away (downloads, event streams), and is the client's time too. */
  answered(status: number): void {
    if (this.status !== 0) return
    this.status = status
    this.ms = performance.now() - this.#began
  }

  ended(): void {
    if (this.#meter) {
      this.#meter.open--
      this.#meter.count(this.status, this.ms, this.bytesIn, this.bytesOut)
      this.#meter = undefined
    }
    const { project = null, release = null } = this.#found ?? {}
    if (project !== null) this.#books.accessLog.add(project, release, this.#asked, this)
  }
}
