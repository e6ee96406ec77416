// The clock of push-to-live: from the start of `git push` (or of a call) to the first answer of the new version.
import http from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

/** Who looks every few ms for ten seconds takes a third of a processor from the build whose end it waits for. */
const [everyMs, part] = [5, 1 / 100]

/**
 * Resolves with the milliseconds from `began` until `isNew(body)`; null when `signal` ends it. A new
 * connection for each look, so that none is served by something that is about to end. Exact to 5 ms or 1 %.
 */
export async function firstAnswer({ port, host, isNew, began, signal }) {
  while (!signal?.aborted) {
    const body = await fetchBody(port, host)
    if (body !== undefined && isNew(body)) return performance.now() - began
    await sleep(Math.max(everyMs, (performance.now() - began) * part))
  }
  return null
}

/**
 * Starts `act` (which must resolve to `{ code }`, 0 for success) and the clock together.
 * `{ liveMs, actMs, code, output }`; liveMs is null when the new version never came.
 */
export async function timeToLive({ port, host, isNew }, act) {
  const aborter = new AbortController()
  const began = performance.now()
  const live = firstAnswer({ port, host, isNew, began, signal: aborter.signal })
  const { code, output } = await act()
  const actMs = performance.now() - began
  // Whoever says it is live has switched already: a second is plenty.
  const late = setTimeout(() => aborter.abort(), code === 0 ? 5_000 : 0)
  const liveMs = await live
  clearTimeout(late)
  return { liveMs, actMs, code, output }
}

function fetchBody(port, host) {
  return new Promise((resolve) => {
    const request = http.get({
      host: '127.0.0.1',
      port,
      path: '/',
      headers: { host },
      agent: false,
      timeout: 2_000,
    })
    request.on('response', (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text) => {
        body += text
      })
      response.on('end', () => resolve(response.statusCode === 200 ? body : undefined))
      response.on('error', () => resolve(undefined))
    })
    request.on('timeout', () => request.destroy())
    request.on('error', () => resolve(undefined))
  })
}
