import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { root } from './root.ts'
import { removeDirectory, temporaryDirectory } from './temporary.ts'
import { until } from './until.ts'

export interface Caddy {
  readonly httpPort: number
  readonly httpsPort: number
  /** PEM of its own authority, and the file it lies in. */
  readonly authority: string
  readonly authorityFile: string
  readonly pid: number
  log(): string
  /** Ends it as a crash would. */
  kill(): Promise<void>
  /** Starts it again, with the same ports and certificates. */
  start(): Promise<void>
  stop(): Promise<void>
}

export interface CaddyOptions {
  readonly domain: string
  /** Where requests go, `http://127.0.0.1:<port>`. */
  readonly upstream: string
  /** Asked whether a name may have a certificate. Default: the upstream's /tls/ask. */
  readonly ask?: string
}

/**
 * Starts the real Caddy with the Caddyfile of the repository: free ports, its own authority instead of a public
 * one, no control address, and nothing read or written outside a folder of its own.
 */
export async function startCaddy(options: CaddyOptions): Promise<Caddy> {
  const folder = await temporaryDirectory('caddy')
  const [httpPort, httpsPort] = await freePorts()
  const authorityFile = join(folder, 'caddy', 'pki', 'authorities', 'local', 'root.crt')
  let log = ''
  const launch = async () => {
    const child = spawnCaddy(folder, { httpPort, httpsPort }, options)
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (piece: string) => {
        log += piece
      })
    }
    try {
      return { child, authority: await ready(child, options.domain, authorityFile, httpsPort) }
    } catch (error) {
      await end(child, 'SIGTERM')
      throw new Error(`${error instanceof Error ? error.message : String(error)}\n${log}`)
    }
  }
  const remove = () => removeDirectory(folder)
  let running = await launch().catch(async (error: unknown) => {
    await remove()
    throw error
  })
  return {
    httpPort,
    httpsPort,
    authority: running.authority,
    authorityFile,
    get pid() {
      return running.child.pid ?? 0
    },
    log: () => log,
    kill: () => end(running.child, 'SIGKILL'),
    async start() {
      running = await launch()
    },
    async stop() {
      await end(running.child, 'SIGTERM')
      await remove()
    },
  }
}

function spawnCaddy(
  folder: string,
  ports: { readonly httpPort: number; readonly httpsPort: number },
  options: CaddyOptions,
): ChildProcess {
  return spawn('caddy', ['run', '--adapter', 'caddyfile', '--config', join(root, 'Caddyfile')], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH ?? '',
      HOME: folder,
      XDG_DATA_HOME: folder,
      XDG_CONFIG_HOME: folder,
      NODEPILOT_DOMAIN: options.domain,
      NODEPILOT_UPSTREAM: new URL(options.upstream).host,
      NODEPILOT_TLS_ASK: options.ask ?? new URL('/tls/ask', options.upstream).href,
      // Its own authority; the machine's list of trusted ones is left alone.
      NODEPILOT_CERTIFICATES: 'local_certs\nskip_install_trust',
      NODEPILOT_HTTP_PORT: String(ports.httpPort),
      NODEPILOT_HTTPS_PORT: String(ports.httpsPort),
    },
  })
}

/** The domain's certificate is there, made a moment after the port opens; a Caddy that ended has said why. */
async function ready(
  child: ChildProcess,
  domain: string,
  authorityFile: string,
  port: number,
): Promise<string> {
  const failed = new AbortController()
  const missing = once(child, 'error', { signal: failed.signal }).then(([error]) => {
    throw new Error(`caddy cannot be started (Debian package caddy): ${String(error)}`)
  })
  const answer = async () => {
    if (child.exitCode !== null) return 'ended'
    const authority = await readFile(authorityFile, 'utf8')
    await handshake(port, domain, authority)
    return authority
  }
  const answering = until('caddy to answer', answer, 60_000)
  try {
    const authority = await Promise.race([answering, missing])
    if (authority === 'ended') throw new Error(`caddy ended with ${child.exitCode}`)
    return authority
  } finally {
    missing.catch(() => {})
    failed.abort()
  }
}

async function end(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill(signal)
  const late = setTimeout(() => child.kill('SIGKILL'), 5_000)
  await ended
  clearTimeout(late)
}

async function handshake(port: number, servername: string, ca: string): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port, servername, ca })
  try {
    await once(socket, 'secureConnect')
  } finally {
    socket.destroy()
  }
}

const [firstPort, portPairs] = [10_000, 4_000]

/**
 * Two ports nobody has right now. Below those the system gives to connections and those projects get: one of these
 * would be taken between this look and Caddy's, or while Caddy is away. Each process looks at a place of its own.
 */
async function freePorts(): Promise<[number, number]> {
  for (let pair = process.pid; pair < process.pid + portPairs; pair++) {
    const port = firstPort + 2 * (pair % portPairs)
    if ((await isFree(port)) && (await isFree(port + 1))) return [port, port + 1]
  }
  throw new Error('no two free ports for Caddy')
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port)
  try {
    await once(server, 'listening')
  } catch {
    return false
  }
  await once(server.close(), 'close')
  return true
}
