import { type ClientRequest, request } from 'node:http'

export interface SeenEvent {
  readonly id: string
  readonly event: string
  readonly data: string
}

/** A viewer of server-sent events that reads byte by byte what a browser would. */
export interface EventViewer {
  readonly status: number
  readonly type: string
  readonly seen: SeenEvent[]
  readonly lastId: () => string
  /** Waits until so many events have come. */
  until(count: number, timeoutMs?: number): Promise<SeenEvent[]>
  /** Resolves when the server has ended the stream, or the connection is lost. */
  ended(): Promise<void>
  leave(): void
}

export function viewEvents(url: string, headers: Readonly<Record<string, string>>): Promise<EventViewer> {
  const seen: SeenEvent[] = []
  let lastId = ''
  let rest = ''
  let grown = () => {}
  let over = () => {}
  const ended = new Promise<void>((resolve) => {
    over = resolve
  })
  const take = (block: string) => {
    let event = 'message'
    const data: string[] = []
    for (const line of block.split('\n')) {
      const [, name, value = ''] = /^(\w+): ?(.*)$/.exec(line) ?? []
      if (name === 'id') lastId = value
      else if (name === 'event') event = value
      else if (name === 'data') data.push(value)
    }
    if (data.length > 0) seen.push({ id: lastId, event, data: data.join('\n') })
  }
  return new Promise((resolve, reject) => {
    const asked: ClientRequest = request(
      url,
      { headers: { accept: 'text/event-stream', ...headers }, agent: false },
      (answer) => {
        answer.setEncoding('utf8')
        answer.on('data', (text: string) => {
          const blocks = (rest + text).split('\n\n')
          rest = blocks.pop() ?? ''
          for (const block of blocks) take(block)
          grown()
        })
        answer.on('error', () => {})
        answer.on('close', () => {
          over()
          grown()
        })
        resolve({
          status: answer.statusCode ?? 0,
          type: String(answer.headers['content-type']),
          seen,
          lastId: () => lastId,
          ended: () => ended,
          leave: () => asked.destroy(),
          async until(count, timeoutMs = 20_000) {
            const late = AbortSignal.timeout(timeoutMs)
            while (seen.length < count) {
              await new Promise<void>((go, fail) => {
                grown = go
                late.onabort = () =>
                  fail(new Error(`${seen.length} of ${count} events: ${JSON.stringify(seen.at(-1))}`))
              })
            }
            return seen
          },
        })
      },
    )
    asked.on('error', reject)
    asked.end()
  })
}
