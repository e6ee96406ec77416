import { Agent, request } from 'node:http'
import { Agent as SecureAgent, request as secureRequest } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'

export interface LoadOptions {
  /** Requests a second. */
  readonly rate?: number
  readonly path?: string
  /** Each request's own limit, ms. */
  readonly timeoutMs?: number
  readonly host: string
  readonly port: number
  /** PEM of the only authority to trust: then by HTTPS, with the host as the name. */
  readonly ca?: string
}

export interface LoadReport {
  readonly sent: number
  readonly ok: number
  /** Everything that was not a 2xx answer: `502`, `ECONNRESET`, `timeout` … with how often. */
  readonly lost: Readonly<Record<string, number>>
  readonly lostCount: number
  /** The longest time without a good answer, ms. */
  readonly longestGapMs: number
  /** From the moment a request was due to its last byte, ms. */
  readonly p50Ms: number
  readonly p99Ms: number
  /** Good answers by body. */
  readonly bodies: ReadonlyMap<string, number>
}

export interface Load {
  /** Resolves after `count` more good answers. */
  answered(count: number): Promise<void>
  /** Sends nothing more, waits for what is under way, and tells. */
  stop(): Promise<LoadReport>
}

/**
 * Steady load on one host of the front door. Open loop: requests go out on schedule whatever the server does,
 * so that a stall is seen instead of waited out.
 */
export function startLoad(options: LoadOptions): Load {
  const { ca, host } = options
  const pool = { keepAlive: true, maxSockets: 256 }
  const agent = ca === undefined ? new Agent(pool) : new SecureAgent({ ...pool, ca, servername: host })
  const tally = new Tally()
  const ender = new AbortController()
  const sending = sendOnSchedule(options, agent, tally, ender.signal)
  return {
    answered: (count) => tally.reaches(tally.ok + count),
    async stop() {
      ender.abort()
      await sending
      await tally.settled()
      agent.destroy()
      return tally.report()
    },
  }
}

async function sendOnSchedule(options: LoadOptions, agent: Agent, tally: Tally, signal: AbortSignal) {
  const period = 1000 / (options.rate ?? 200)
  const start = performance.now()
  for (let next = 0; !signal.aborted; ) {
    for (; start + next * period <= performance.now(); next++) {
      sendOne(options, agent, tally, start + next * period)
    }
    await sleep(Math.max(0, start + next * period - performance.now()))
  }
}

function sendOne(options: LoadOptions, agent: Agent, tally: Tally, due: number): void {
  const finish = tally.begin(due)
  const { host, port, ca, path = '/', timeoutMs = 10_000 } = options
  const ask = ca === undefined ? request : secureRequest
  const sent = ask({ host: '127.0.0.1', port, path, headers: { host }, agent }, (response) => {
    let body = ''
    response.setEncoding('utf8').on('data', (text: string) => {
      body += text
    })
    response.on('error', (error: NodeJS.ErrnoException) => finish(error.code ?? error.message))
    response.on('end', () => {
      const status = response.statusCode ?? 0
      if (status >= 200 && status < 300) finish(null, body)
      else finish(String(status))
    })
  })
  sent.setTimeout(timeoutMs, () => sent.destroy(new Error('timeout')))
  sent.on('error', (error: NodeJS.ErrnoException) => finish(error.code ?? error.message))
  sent.end()
}

/** Counts answers as they come. */
class Tally {
  ok = 0
  readonly #began = performance.now()
  readonly #latencies: number[] = []
  readonly #bodies = new Map<string, number>()
  readonly #lost: Record<string, number> = {}
  readonly #waiting = new Set<() => void>()
  #sent = 0
  #open = 0
  #lastGood = this.#began
  #longestGapMs = 0

  begin(due: number): (fault: string | null, body?: string) => void {
    this.#sent++
    this.#open++
    let done = false
    return (fault, body = '') => {
      if (done) return
      done = true
      this.#open--
      if (fault === null) this.#good(due, body)
      else this.#lost[fault] = (this.#lost[fault] ?? 0) + 1
      for (const look of this.#waiting) look()
    }
  }

  #good(due: number, body: string) {
    const now = performance.now()
    this.ok++
    this.#longestGapMs = Math.max(this.#longestGapMs, now - this.#lastGood)
    this.#lastGood = now
    this.#latencies.push(now - due)
    this.#bodies.set(body, (this.#bodies.get(body) ?? 0) + 1)
  }

  reaches(count: number): Promise<void> {
    return this.#when(() => this.ok >= count)
  }

  settled(): Promise<void> {
    return this.#when(() => this.#open === 0)
  }

  #when(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!holds()) return
        this.#waiting.delete(look)
        resolve()
      }
      this.#waiting.add(look)
      look()
    })
  }

  report(): LoadReport {
    const sorted = this.#latencies.toSorted((a, b) => a - b)
    const quantile = (q: number) => sorted[Math.ceil((sorted.length - 1) * q)] ?? 0
    // An outage that lasts to the end is a gap as well.
    const openGap = this.#sent > this.ok && this.#lostCount() > 0 ? performance.now() - this.#lastGood : 0
    return {
      sent: this.#sent,
      ok: this.ok,
      lost: this.#lost,
      lostCount: this.#lostCount(),
      longestGapMs: Math.max(this.#longestGapMs, openGap),
      p50Ms: quantile(0.5),
      p99Ms: quantile(0.99),
      bodies: this.#bodies,
    }
  }

  #lostCount(): number {
    return Object.values(this.#lost).reduce((sum, count) => sum + count, 0)
  }
}
