import { setTimeout as pause } from 'node:timers/promises'
import type { Api, Question } from './api.ts'
import { exit, Failure } from './failure.ts'

/** Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html), with resuming. */

export interface Event {
  readonly id: string
  readonly name: string
  readonly data: string
}

export interface FollowOptions {
  readonly query?: Question['query']
  readonly signal: AbortSignal
  /** A connection broke and the next one is tried in so many ms. */
  readonly onBroken?: (nextMs: number) => void
  /** Gives up when no connection came about for so long. Default: never. */
  readonly patienceMs?: number
  /** A connection on which nothing came for so long, not even a heartbeat, is dead. Default 60 s. */
  readonly silenceMs?: number
}

/**
 * Follows a stream over broken connections: each new one names the last event that was seen, so that none is
 * lost or comes twice. Ends when the consumer leaves the loop. Throws what the first connection throws, and later
 * whatever says that going on is pointless: signed out, gone.
 */
export async function* follow(api: Api, address: string, options: FollowOptions): AsyncGenerator<Event> {
  const state: State = { lastId: '', retryMs: 500, failures: 0, reached: false, lostAt: 0 }
  for (;;) {
    try {
      for await (const event of connect(api, address, options, state)) yield event
      state.lostAt ||= performance.now()
    } catch (error) {
      if (options.signal.aborted) throw error
      state.lostAt ||= performance.now()
      if (
        !state.reached ||
        !mayPass(error) ||
        performance.now() - state.lostAt > (options.patienceMs ?? Infinity)
      )
        throw error
    }
    const nextMs = Math.min(state.retryMs * 2 ** state.failures, 10_000)
    state.failures++
    options.onBroken?.(nextMs)
    await pause(nextMs, undefined, { signal: options.signal })
  }
}

interface State {
  lastId: string
  retryMs: number
  failures: number
  reached: boolean
  /** When the last good connection ended; 0 while one is good. */
  lostAt: number
}

async function* connect(
  api: Api,
  address: string,
  options: FollowOptions,
  state: State,
): AsyncGenerator<Event> {
  const message = await api.open('GET', address, {
    signal: options.signal,
    timeoutMs: 30_000,
    // what was asked to be replayed was replayed: the first event names where to go on
    query:
      state.lastId === '' ? (options.query ?? {}) : { ...options.query, lines: undefined, since: undefined },
    headers: {
      accept: 'text/event-stream',
      ...(state.lastId === '' ? {} : { 'last-event-id': state.lastId }),
    },
  })
  state.reached = true
  state.lostAt = 0
  const silent = () => message.destroy(new Error('the stream fell silent'))
  const watch = setTimeout(silent, options.silenceMs ?? 60_000)
  message.setEncoding('utf8')
  const parser = createEventParser()
  try {
    for await (const chunk of message as AsyncIterable<string>) {
      watch.refresh()
      for (const event of parser.push(chunk)) {
        state.failures = 0
        if (event.id !== '') state.lastId = event.id
        yield event
      }
      state.retryMs = parser.retryMs() ?? state.retryMs
    }
  } finally {
    clearTimeout(watch)
    message.destroy()
  }
}

/** Broken connections and a server that starts again are no reason to give up. */
function mayPass(error: unknown): boolean {
  return !(error instanceof Failure) || error.exitCode === exit.unreachable || error.exitCode === exit.busy
}

export interface EventParser {
  push(chunk: string): Event[]
  /** What the server asked for with `retry:`, ms. */
  retryMs(): number | null
}

export function createEventParser(): EventParser {
  let rest = ''
  let retry: number | null = null
  let id = ''
  let name = ''
  let data: string[] = []
  const take = (line: string): Event | null => {
    if (line === '') {
      const event = data.length > 0 ? { id, name: name || 'message', data: data.join('\n') } : null
      name = ''
      data = []
      return event
    }
    const [, field = '', value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? []
    if (field === 'data') data.push(value)
    if (field === 'event') name = value
    if (field === 'id' && !value.includes('\0')) id = value
    if (field === 'retry' && /^\d+$/.test(value)) retry = Math.min(Number(value), 10_000)
    return null
  }
  return {
    push(chunk) {
      const lines = (rest + chunk).split(/\r\n|\n|\r(?!$)/)
      rest = lines.pop() ?? ''
      return lines.map(take).filter((event) => event !== null)
    },
    retryMs: () => retry,
  }
}
