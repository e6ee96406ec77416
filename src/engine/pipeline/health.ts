import http from 'node:http'
import net from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

export interface HealthCheck {
  readonly port: number
  /** What to ask for; null: `/`, where anything below 500 is healthy. Where a path is set, 2xx or 3xx is. */
  readonly path: string | null
}

export interface HealthAnswer {
  readonly healthy: boolean
  /** null: no answer at all. */
  readonly status: number | null
  readonly ms: number
  /** Why there was no answer, for people. */
  readonly problem: string | null
}

/** Resolves true as soon as something accepts connections on the port, false at the deadline. */
export async function waitForPort(port: number, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
  const began = performance.now()
  for (;;) {
    signal.throwIfAborted()
    if (await accepts(port)) return true
    const waited = performance.now() - began
    if (waited >= timeoutMs) return false
    await pause(pace(waited), undefined, { signal })
  }
}

/** Asks until the answer is healthy or the time is up; returns the last answer and how many there were. */
export async function waitForHealth(
  check: HealthCheck,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<HealthAnswer & { readonly tries: number }> {
  const began = performance.now()
  for (let tries = 1; ; tries++) {
    signal.throwIfAborted()
    const left = timeoutMs - (performance.now() - began)
    const answer = await askHealth(check, Math.max(Math.min(left, 10_000), 1_000), signal)
    if (answer.healthy || performance.now() - began >= timeoutMs) return { ...answer, tries }
    await pause(Math.max(pace(performance.now() - began), 50), undefined, { signal })
  }
}

/** One question, to this machine and this port only; redirects are answers, never followed. */
function askHealth(check: HealthCheck, timeoutMs: number, signal: AbortSignal): Promise<HealthAnswer> {
  const began = performance.now()
  return new Promise((resolve) => {
    const answer = (status: number | null, problem: string | null) =>
      resolve({
        healthy: status !== null && isHealthy(status, check.path),
        status,
        problem,
        ms: performance.now() - began,
      })
    const request = http.get(
      {
        host: '127.0.0.1',
        port: check.port,
        path: check.path ?? '/',
        agent: false,
        signal,
        headers: { host: 'localhost', 'user-agent': 'NodePilot-Health', accept: '*/*', connection: 'close' },
      },
      (response) => {
        answer(response.statusCode ?? null, null)
        response.destroy()
      },
    )
    // not `request.setTimeout`, which a server that sends a byte now and then never meets
    const timer = setTimeout(
      () => request.destroy(new Error(`no answer within ${Math.round(timeoutMs / 1000)} s`)),
      timeoutMs,
    )
    request.on('error', (error) => answer(null, error.message))
    request.on('close', () => {
      clearTimeout(timer)
      answer(null, 'the connection was closed')
    })
  })
}

function isHealthy(status: number, path: string | null): boolean {
  return path === null ? status < 500 : status >= 200 && status < 400
}

/** Often while an app is likely to come up, seldom later. */
function pace(waitedMs: number): number {
  if (waitedMs < 2_000) return 5
  return waitedMs < 10_000 ? 50 : 250
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: '127.0.0.1', port })
    socket.setTimeout(1_000, () => socket.destroy())
    socket.once('connect', () => {
      resolve(true)
      socket.destroy()
    })
    socket.once('error', () => {})
    socket.once('close', () => resolve(false))
  })
}
