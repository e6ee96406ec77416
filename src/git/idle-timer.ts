/**
 * Ends a request in which nothing moves. Our own instead of node's `requestTimeout`, which limits a whole
 * upload however fast it flows, and instead of socket timeouts, which also fire while git is the slow one.
 */
export class IdleTimer {
  readonly #timer: NodeJS.Timeout
  #working: () => boolean = () => false

  constructor(ms: number, onIdle: () => void) {
    this.#timer = setTimeout(() => {
      if (this.#working()) this.#timer.refresh()
      else onIdle()
    }, ms)
  }

  /** Something moved. */
  touch(): void {
    this.#timer.refresh()
  }

  /** While this says yes, silence is fine: whoever works has limits of its own. */
  holdWhile(working: () => boolean): void {
    this.#working = working
  }

  stop(): void {
    clearTimeout(this.#timer)
  }
}
