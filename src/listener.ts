import { chmod, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import net from 'node:net'
import { Refusal } from './engine/domain/refusal.ts'

/**
 * The server listens on a unix socket in its home; the front door brings it the requests. The socket is also
 * the lock of the home: who can connect to it has found a running server.
 */
export async function listenOnSocket(file: string): Promise<Server> {
  if (Buffer.byteLength(file) > 107) {
    throw new Refusal('invalid', `NODEPILOT_HOME: the path is too long for a socket: ${file}`, {
      hint: 'use a home whose path has fewer than 90 characters',
    })
  }
  if (await answers(file)) {
    throw new Refusal('conflict', 'a server is running on this home already', {
      hint: 'stop it first: nodepilot stop',
    })
  }
  await rm(file, { force: true })
  // slow uploads and long pushes must not be cut off; idle ones are ended where they are read
  const server = createServer({ requestTimeout: 0, headersTimeout: 60_000, keepAliveTimeout: 65_000 })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(file, () => resolve())
  })
  await chmod(file, 0o600)
  return server
}

type Handler = (req: IncomingMessage, res: ServerResponse) => void

/** Requests that come before the doors are open wait; nothing of their bodies is read meanwhile. */
export function holdRequests(server: Server): (handler: Handler) => void {
  let handler: Handler | null = null
  const waiting: [IncomingMessage, ServerResponse][] = []
  server.on('request', (req, res) => {
    if (handler) handler(req, res)
    else waiting.push([req, res])
  })
  return (opened) => {
    handler = opened
    for (const [req, res] of waiting.splice(0)) if (!res.destroyed) opened(req, res)
  }
}

/** Waits for requests under way for a moment, then ends every connection. */
export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), 1_000)
    server.close(() => {
      clearTimeout(timer)
      resolve()
    })
    server.closeIdleConnections()
  })
}

/** Whether a server listens on this socket. */
export function answers(file: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(file)
    socket.once('connect', () => {
      resolve(true)
      socket.destroy()
    })
    socket.once('error', () => resolve(false))
  })
}
