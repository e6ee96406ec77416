import { request } from 'node:http'
import { z } from 'zod'
import { Refusal } from '../domain/refusal.ts'
import type { Endpoint, RouteFiles, Router, RouteTable, TrafficReport } from '../ports.ts'
import { listenForWakes } from './wake-listener.ts'

const status = z.object({
  pid: z.number(),
  startedAt: z.string(),
  listening: z.object({ host: z.string(), port: z.number() }).nullable(),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  table: z.number().nullable(),
  saved: z.boolean(),
  open: z.number(),
  residentBytes: z.number(),
})
const applied = z.object({ version: z.number(), saved: z.boolean() })
const held = z.object({ waiting: z.number() })
const looked = z.object({ status: z.number() })
const drained = z.object({ left: z.number() })
const count = z.number().nonnegative()
const traffic = z.object({
  since: z.string(),
  projects: z.array(
    z.object({
      project: z.string(),
      release: z.number().nullable(),
      requests: count,
      statuses: z.array(count),
      bytesIn: count,
      bytesOut: count,
      open: count,
      sumMs: count,
      latency: z.array(z.tuple([z.number(), count])),
    }),
  ),
})
const failed = z.object({ error: z.string() })

/** How the router process is: `listening` null with `error` where the front door could not be opened. */
export type RouterStatus = z.infer<typeof status>

export interface RouterClientOptions {
  readonly controlSocket: string
  /** For a call that does not wait for traffic, ms. */
  readonly timeoutMs?: number
}

export type RouterClient = Router & {
  /** Refuses with `unavailable` when the router does not answer. */
  status(): Promise<RouterStatus>
}

/**
 * Flags of node for the router process. Small young generations cost no speed here and keep it near 30 MB
 * under load instead of 55; V8 does not take this one once the process runs.
 */
export const routerNodeFlags: readonly string[] = ['--max-semi-space-size=2']

/**
 * Speaks to the router process over its control socket. Every call refuses with `unavailable` when the router
 * does not answer in time, `apply` with `conflict` when a newer table is in force and with `invalid` when the
 * table is not one.
 */
export function createRouterClient({ controlSocket, timeoutMs = 5_000 }: RouterClientOptions): RouterClient {
  const call = (method: string, path: string, body: unknown, limitMs: number) =>
    send({ controlSocket, method, path, body, limitMs })
  const readStatus = async () => status.parse(await call('GET', '/status', undefined, timeoutMs))
  return {
    status: readStatus,
    async apply(table: RouteTable) {
      applied.parse(await call('PUT', '/table', table, timeoutMs))
    },
    async drain(endpoints: readonly Endpoint[], deadlineMs: number, endlessMs = deadlineMs) {
      if (endpoints.length === 0) return { left: 0 }
      const body = { endpoints, deadlineMs, endlessMs }
      return drained.parse(await call('POST', '/drain', body, deadlineMs + timeoutMs))
    },
    hold: async (project, ms) => held.parse(await call('POST', '/hold', { project, ms }, timeoutMs)),
    onWake: (listener) => listenForWakes(controlSocket, listener),
    refuseWake: async (project, refusal) =>
      held.parse(await call('POST', '/refuse', { project, ...refusal }, timeoutMs)),
    look: async (files: RouteFiles, path: string) =>
      looked.parse(await call('POST', '/look', { files, path }, timeoutMs)),
    async check() {
      const { listening, error } = await readStatus()
      if (!listening) throw closed(error)
    },
    traffic: async (): Promise<TrafficReport> =>
      traffic.parse(await call('GET', '/traffic', undefined, timeoutMs)),
  }
}

interface Call {
  readonly controlSocket: string
  readonly method: string
  readonly path: string
  readonly body: unknown
  readonly limitMs: number
}

function send({ controlSocket, method, path, body, limitMs }: Call): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const unreachable = (cause: unknown) => reject(away(cause))
    const text = body === undefined ? '' : JSON.stringify(body)
    const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) }
    const outgoing = request({ socketPath: controlSocket, method, path, headers, agent: false })
    const timer = setTimeout(() => outgoing.destroy(new Error(`no answer within ${limitMs} ms`)), limitMs)
    outgoing.once('close', () => clearTimeout(timer))
    outgoing.once('error', unreachable)
    outgoing.once('response', (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.once('error', unreachable)
      incoming.once('end', () => {
        try {
          resolve(readAnswer(incoming.statusCode ?? 0, Buffer.concat(chunks).toString('utf8')))
        } catch (error) {
          reject(error)
        }
      })
    })
    outgoing.end(text)
  })
}

function readAnswer(statusCode: number, text: string): unknown {
  const answer: unknown = JSON.parse(text)
  if (statusCode === 200) return answer
  const sentence = failed.safeParse(answer).data?.error ?? `the router answered ${statusCode}`
  throw new Refusal(statusCode === 409 ? 'conflict' : 'invalid', sentence)
}

function away(cause: unknown): Refusal {
  return new Refusal('unavailable', 'the router does not answer', {
    hint: 'it is started again by itself; try again in a moment',
    cause,
  })
}

function closed(error: RouterStatus['error']): Refusal {
  const inUse = error?.code === 'EADDRINUSE'
  return new Refusal('unavailable', `the front door is not open${error ? `: ${error.message}` : ''}`, {
    hint: inUse ? 'stop the program that uses the port, or set PORT to another one' : 'try again in a moment',
  })
}
