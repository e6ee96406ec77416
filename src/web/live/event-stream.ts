/** Server-sent events, made only as fast as the viewer takes them. */

/** A comment as sign of life, ms: proxies cut what is silent, and browsers do not notice a dead line. */
const heartbeatMs = 15_000
/** How often it is asked again whether this viewer may still see it, ms. */
export const recheckMs = 30_000
/** When a browser comes back after a break, ms. */
const retryMs = 1_000

export interface Watch {
  /** Rejects, or gives false, when the viewer may not see it any more. */
  readonly mayStay: () => Promise<boolean>
  /** Ends what makes the events. */
  readonly leave: () => void
  readonly recheckMs?: number
}

export function eventStream(events: AsyncGenerator<string>, watch: Watch): Response {
  const encoder = new TextEncoder()
  const leave = () => {
    watch.leave()
    // one that waits for its reader, not for news, hears of no signal
    void events.return(undefined).catch(() => {})
  }
  let checkedAt = performance.now()
  let pending: Promise<IteratorResult<string>> | null = null

  const next = async (): Promise<string | null> => {
    if (performance.now() - checkedAt >= (watch.recheckMs ?? recheckMs)) {
      checkedAt = performance.now()
      if (!(await watch.mayStay().catch(() => false))) return null
    }
    pending ??= events.next()
    const result = await within(pending, heartbeatMs)
    if (result === 'silence') return ': still here\n\n'
    pending = null
    return result.done ? null : result.value
  }
  const stream = new ReadableStream<Uint8Array>(
    {
      start: (controller) => controller.enqueue(encoder.encode(`retry: ${retryMs}\n\n`)),
      async pull(controller) {
        try {
          const text = await next()
          if (text !== null) return controller.enqueue(encoder.encode(text))
          leave()
          controller.close()
        } catch (error) {
          leave()
          controller.error(error)
        }
      },
      cancel: leave,
    },
    { highWaterMark: 0 },
  )
  return new Response(stream, {
    headers: {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      // nginx and its like must not collect it
      'x-accel-buffering': 'no',
      'x-content-type-options': 'nosniff',
    },
  })
}

async function within<T>(work: Promise<T>, ms: number): Promise<T | 'silence'> {
  let timer: NodeJS.Timeout | undefined
  const silence = new Promise<'silence'>((resolve) => {
    timer = setTimeout(() => resolve('silence'), ms)
  })
  try {
    return await Promise.race([work, silence])
  } finally {
    clearTimeout(timer)
  }
}

export interface ServerEvent {
  readonly id?: string
  readonly event?: string
  /** None: only the id is noted. */
  readonly data?: string
}

/** One event as text. Data of several lines stays one event, whatever ends its lines. */
export function eventText({ id, event, data }: ServerEvent): string {
  const lines = data === undefined ? [] : data.split(/\r\n|\r|\n/).map((line) => `data: ${line}`)
  return [...(event ? [`event: ${event}`] : []), ...(id ? [`id: ${id}`] : []), ...lines, '', ''].join('\n')
}
