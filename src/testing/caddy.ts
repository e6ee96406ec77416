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
  log(): string
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
  const child = spawn('caddy', ['run', '--adapter', 'caddyfile', '--config', join(root, 'Caddyfile')], {
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
      NODEPILOT_HTTP_PORT: String(httpPort),
      NODEPILOT_HTTPS_PORT: String(httpsPort),
      NODEPILOT_CADDY_ADMIN: 'off',
    },
  })
  const log = collect(child)
  const stop = async () => {
    await end(child)
    await removeDirectory(folder)
  }
  const authorityFile = join(folder, 'caddy', 'pki', 'authorities', 'local', 'root.crt')
  try {
    const authority = await ready(child, options.domain, authorityFile, httpsPort)
    return { httpPort, httpsPort, authority, authorityFile, log, stop }
  } catch (error) {
    await stop()
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n${log()}`)
  }
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
  const answering = until('caddy to answer', async () => {
    if (child.exitCode !== null) return 'ended'
    const authority = await readFile(authorityFile, 'utf8')
    await handshake(port, domain, authority)
    return authority
  })
  try {
    const authority = await Promise.race([answering, missing])
    if (authority === 'ended') throw new Error(`caddy ended with ${child.exitCode}`)
    return authority
  } finally {
    missing.catch(() => {})
    failed.abort()
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const late = setTimeout(() => child.kill('SIGKILL'), 5_000)
  await ended
  clearTimeout(late)
}

function collect(child: ChildProcess): () => string {
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (piece: string) => {
      text += piece
    })
  }
  return () => text
}

async function handshake(port: number, servername: string, ca: string): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port, servername, ca })
  try {
    await once(socket, 'secureConnect')
  } finally {
    socket.destroy()
  }
}

/** Two ports nobody has right now, taken together so that they differ. */
async function freePorts(): Promise<[number, number]> {
  const servers = [createServer(), createServer()]
  const ports = await Promise.all(
    servers.map(async (server) => {
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      const address = server.address()
      return typeof address === 'object' && address ? address.port : 0
    }),
  )
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return [ports[0] ?? 0, ports[1] ?? 0]
}
