import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type RequestListener, request, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { createRouterClient, type RouterClient, routerNodeFlags } from '../drivers/router.ts'
import type { Endpoint, Route, RouteTable } from '../ports.ts'
import type { TimeLimits } from './limits.ts'

/** For tests: a real router process, real apps behind it, and clients. Everything ends with the test. */
export interface RouterProcess {
  readonly client: RouterClient
  readonly folder: string
  readonly stateFile: string
  readonly controlSocket: string
  readonly panelSocket: string
  readonly port: number
  readonly child: ChildProcess
  /** What it wrote to standard error so far. */
  stderr(): string
  /** Puts these routes in force as the next version. */
  routes(...routes: Partial<Route>[]): Promise<RouteTable>
  /** Ends the process with a signal and waits. */
  kill(signal: NodeJS.Signals): Promise<void>
}

export interface RouterProcessOptions {
  readonly port?: number
  readonly trustedProxy?: string
  readonly limits?: Partial<TimeLimits>
  /** Of an access log. */
  readonly logs?: { readonly limitBytes: number; readonly keep: number }
  /** Starts in the folder of an earlier one, as after a crash. */
  readonly folder?: string
  /** False: the front door is expected to stay closed. */
  readonly open?: boolean
}

export async function startRouterProcess(
  t: TestContext,
  { port = 0, trustedProxy, limits, logs, folder: given, open = true }: RouterProcessOptions = {},
): Promise<RouterProcess> {
  const folder = given ?? (await mkdtemp(join(tmpdir(), 'router-')))
  if (!given) t.after(() => rm(folder, { recursive: true, force: true }))
  const controlSocket = join(folder, 'control.sock')
  const panelSocket = join(folder, 'panel.sock')
  const stateFile = join(folder, 'state', 'routes.json')
  const config = {
    host: '127.0.0.1',
    port,
    controlSocket,
    panelSocket,
    stateFile,
    trustedProxy: trustedProxy ?? null,
    limits,
    logs,
  }
  const file = join(folder, `router-${port}.json`)
  await writeFile(file, JSON.stringify(config))
  const main = new URL('./main.js', import.meta.url).pathname
  const child = spawn(process.execPath, [...routerNodeFlags, main, file], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let stderr = ''
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  const kill = async (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
  }
  t.after(() => kill('SIGKILL'))
  const client = createRouterClient({ controlSocket })
  const status = await until(async () => {
    if (child.exitCode !== null) throw new Error(`the router ended: ${stderr}`)
    const now = await client.status().catch(() => null)
    return now && (open ? now.listening : now.error) ? now : null
  })
  let version = status.table ?? 0
  const routes = async (...given: Partial<Route>[]) => {
    const table = { version: ++version, baseDomain: 'localhost', routes: given.map(route) }
    await client.apply(table)
    return table
  }
  const place = { folder, stateFile, controlSocket, panelSocket, port: status.listening?.port ?? 0 }
  return { client, ...place, child, stderr: () => stderr, routes, kill }
}

/** A route with what a test leaves out. */
export function route(given: Partial<Route>): Route {
  const project = given.project ?? 'shop'
  return { hosts: [`${project}.localhost`], project, release: 1, state: 'running', endpoints: [], ...given }
}

export interface App extends Endpoint {
  readonly server: Server
  close(): Promise<void>
}

/** An app on a free port. */
export async function startApp(t: TestContext, listener: RequestListener, port = 0): Promise<App> {
  const server = createServer(listener)
  server.listen({ host: '127.0.0.1', port })
  await once(server, 'listening')
  const close = async () => {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  }
  t.after(close)
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port, server, close }
}

/** The server's part of the front door, answering on a unix socket. */
export async function startPanel(t: TestContext, path: string, listener: RequestListener): Promise<Server> {
  const server = createServer(listener)
  server.listen(path)
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return server
}

export interface Got {
  readonly status: number
  readonly reason: string
  readonly headers: IncomingMessage['headers']
  readonly raw: readonly string[]
  readonly trailers: IncomingMessage['trailers']
  readonly body: string
}

export interface Ask {
  readonly host?: string
  readonly path?: string
  readonly method?: string
  readonly headers?: Record<string, string | string[]>
  readonly body?: string
}

/** One request on a connection of its own. */
export async function get(port: number, ask: Ask = {}): Promise<Got> {
  const { host = 'shop.localhost', path = '/', method = 'GET', headers = {}, body } = ask
  const options = { host: '127.0.0.1', port, path, method, agent: false, headers: { host, ...headers } }
  const outgoing = request(options)
  outgoing.end(body)
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
  // what of the body has not been taken when the answer is there may be lost with the router; an answer that is cut tells
  outgoing.on('error', () => {})
  return {
    status: incoming.statusCode ?? 0,
    reason: incoming.statusMessage ?? '',
    headers: incoming.headers,
    raw: incoming.rawHeaders,
    body: await text(incoming),
    trailers: incoming.trailers,
  }
}

export async function text(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

/** Sends bytes as they are and reads until the connection ends. */
export async function sendRaw(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write(bytes, 'latin1')
  return text(socket as Socket & AsyncIterable<Buffer>)
}

/** Asks again until there is an answer that is not null, 10 s at most. */
export async function until<T>(ask: () => Promise<T | null>): Promise<T> {
  for (let tries = 0; tries < 1_000; tries++) {
    const answer = await ask()
    if (answer !== null) return answer
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error('it never came')
}
