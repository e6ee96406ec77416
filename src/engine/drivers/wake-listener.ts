import { request } from 'node:http'
import { createInterface } from 'node:readline'
import { z } from 'zod'
import { heartbeatMs } from '../router/wake-stream.ts'

const wake = z.object({ project: z.string() })

/** After a lost connection the next one is tried so soon, then after twice as long, ms. */
const [firstRetryMs, longestRetryMs] = [50, 2_000]
/** So long without a sign of life, ms, and a connection counts as lost. */
const silenceMs = 3 * heartbeatMs

/**
 * Listens at the router's control socket for projects that are to be woken, for as long as it takes: a router that
 * ends is listened to again as soon as there is one. The same project may be named more than once.
 */
export function listenForWakes(controlSocket: string, listener: (project: string) => void): () => void {
  let ended = false
  let retryMs = firstRetryMs
  let timer: NodeJS.Timeout | undefined
  let end = () => {}
  const connect = () => {
    const outgoing = request({ socketPath: controlSocket, path: '/wakes', agent: false, timeout: silenceMs })
    end = () => outgoing.destroy()
    outgoing.on('timeout', end)
    outgoing.on('error', () => {})
    outgoing.once('response', (incoming) => {
      if (incoming.statusCode !== 200) return end()
      incoming.on('error', () => {})
      const lines = createInterface({ input: incoming })
      lines.on('error', () => {})
      lines.on('line', (line) => {
        retryMs = firstRetryMs
        if (line !== '' && !ended) listener(wake.parse(JSON.parse(line)).project)
      })
    })
    outgoing.once('close', () => {
      if (ended) return
      timer = setTimeout(connect, retryMs).unref()
      retryMs = Math.min(retryMs * 2, longestRetryMs)
    })
    outgoing.end()
  }
  connect()
  return () => {
    ended = true
    clearTimeout(timer)
    end()
  }
}
