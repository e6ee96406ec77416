import { type FileHandle, open } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { Refusal } from '../../domain/refusal.ts'

/**
 * The wire of PM2's daemon: two unix sockets in PM2_HOME that speak AMP frames. `rpc.sock` answers calls,
 * `pub.sock` tells everybody what happens. One frame is a byte (version << 4 | number of arguments), then
 * for each argument its length (uint32, big endian) and its bytes: `s:` + text, or `j:` + JSON.
 */

export interface Rpc {
  /**
   * Calls a method of the daemon and resolves with its first result.
   * Refuses with `unavailable` when it takes longer than `timeoutMs`, or the socket closes.
   */
  call(method: string, args: readonly unknown[], timeoutMs: number): Promise<unknown>
  close(): void
}

/** The daemon's own "no", in its words. */
export class DaemonError extends Error {
  override readonly name = 'DaemonError'
}

interface Pending {
  resolve(value: unknown): void
  reject(error: Error): void
  readonly timer: NodeJS.Timeout
}

const frameVersion = 1
/** More than any answer of a daemon with thousands of processes; a length beyond it means garbage. */
const longestArgument = 256 * 1024 * 1024
/** Room for a path in a unix socket's address, without the closing NUL. */
const longestSocketPath = process.platform === 'linux' ? 107 : 103

/** Connects to `rpc.sock`. Rejects with the system's error (ENOENT, ECONNREFUSED) where no daemon listens. */
export async function openRpc(home: string, onClose: () => void): Promise<Rpc> {
  const socket = await dial(home, 'rpc.sock')
  const pending = new Map<string, Pending>()
  let next = 0
  readFrames(socket, (args) => settle(pending, args))
  socket.once('close', () => {
    for (const call of pending.values()) {
      clearTimeout(call.timer)
      call.reject(unavailable('the process manager closed the connection'))
    }
    pending.clear()
    onClose()
  })
  return {
    call: (method, args, timeoutMs) =>
      new Promise((resolve, reject) => {
        if (socket.destroyed) return reject(unavailable('the process manager is not connected'))
        const id = String(++next)
        const timer = setTimeout(() => {
          pending.delete(id)
          reject(unavailable(`the process manager did not answer within ${Math.round(timeoutMs / 1000)} s`))
        }, timeoutMs)
        pending.set(id, { resolve, reject, timer })
        socket.write(encodeFrame([json({ type: 'call', method, args }), Buffer.from(`s:${id}`)]))
      }),
    close: () => socket.destroy(),
  }
}

/**
 * Connects to `pub.sock` and hands over the events that are asked for. Every line an app writes passes here
 * too, so an event is only parsed when its name is wanted.
 */
export async function openBus(
  home: string,
  wanted: ReadonlySet<string>,
  onEvent: (name: string, data: unknown) => void,
  onClose: () => void,
): Promise<{ close(): void }> {
  const socket = await dial(home, 'pub.sock')
  readFrames(socket, ([first, second]) => {
    const name = first?.toString('utf8', 2) ?? ''
    if (second && wanted.has(name)) onEvent(name, JSON.parse(second.toString('utf8', 2)))
  })
  socket.once('close', onClose)
  return { close: () => socket.destroy() }
}

export function unavailable(sentence: string, cause?: unknown): Refusal {
  return new Refusal('unavailable', sentence, {
    hint: 'try again in a moment; the server starts it again by itself',
    ...(cause === undefined ? {} : { cause }),
  })
}

export function encodeFrame(args: readonly Buffer[]): Buffer {
  const parts: Buffer[] = [Buffer.of((frameVersion << 4) | args.length)]
  for (const arg of args) {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(arg.length)
    parts.push(length, arg)
  }
  return Buffer.concat(parts)
}

/** Collects bytes in any portions and hands out the arguments of each whole frame. */
export function createFrameReader(onFrame: (args: Buffer[]) => void): (chunk: Buffer) => void {
  let chunks: Buffer[] = []
  let have = 0
  /** Nothing can be complete before this many bytes: spares joining the pieces of a long frame each time. */
  let need = 1
  return (chunk) => {
    chunks.push(chunk)
    have += chunk.length
    if (have < need) return
    let rest: Buffer = chunks.length === 1 ? chunk : Buffer.concat(chunks)
    for (;;) {
      const frame = readFrame(rest)
      if ('need' in frame) {
        need = frame.need
        break
      }
      rest = rest.subarray(frame.size)
      onFrame(frame.args)
    }
    chunks = rest.length > 0 ? [rest] : []
    have = rest.length
  }
}

function readFrame(bytes: Buffer): { args: Buffer[]; size: number } | { need: number } {
  if (bytes.length < 1) return { need: 1 }
  const count = bytes.readUInt8(0) & 0x0f
  const args: Buffer[] = []
  let at = 1
  for (let index = 0; index < count; index++) {
    if (bytes.length < at + 4) return { need: at + 4 }
    const length = bytes.readUInt32BE(at)
    if (length > longestArgument) throw new Error(`a frame of the process manager announces ${length} bytes`)
    at += 4
    if (bytes.length < at + length) return { need: at + length }
    args.push(bytes.subarray(at, at + length))
    at += length
  }
  return { args, size: at }
}

function readFrames(socket: Socket, onFrame: (args: Buffer[]) => void) {
  const read = createFrameReader(onFrame)
  socket.on('data', (chunk: Buffer) => {
    try {
      read(chunk)
    } catch (error) {
      // Out of step with the peer: nothing that follows can be trusted.
      socket.destroy(error as Error)
    }
  })
}

function settle(pending: Map<string, Pending>, args: Buffer[]) {
  const id = args.at(-1)?.toString('utf8', 2) ?? ''
  const call = pending.get(id)
  if (!call) return // answered after its time
  pending.delete(id)
  clearTimeout(call.timer)
  const answer = JSON.parse(args[0]?.toString('utf8', 2) ?? 'null') as { error?: unknown; args?: unknown[] }
  if (answer?.error === undefined) call.resolve(answer?.args?.[0])
  else call.reject(new DaemonError(wordsOf(answer.error)))
}

function wordsOf(error: unknown): string {
  return typeof error === 'string' ? error : JSON.stringify(error)
}

function json(value: unknown): Buffer {
  return Buffer.from(`j:${JSON.stringify(value)}`)
}

async function dial(home: string, name: string): Promise<Socket> {
  const path = join(home, name)
  if (Buffer.byteLength(path) <= longestSocketPath) return connected(connect(path))
  const folder = await openFolder(home)
  try {
    return await connected(connect(`/proc/self/fd/${folder.fd}/${name}`))
  } finally {
    await folder.close()
  }
}

/** The kernel cuts socket addresses at 107 bytes; through an open descriptor of its folder a socket is near. */
async function openFolder(home: string): Promise<FileHandle> {
  if (process.platform === 'linux') return open(home, 'r')
  throw new Refusal('invalid', `the path ${home} is too long for a unix socket`, {
    hint: 'choose a home with a shorter path',
  })
}

function connected(socket: Socket): Promise<Socket> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      socket.on('error', () => {}) // "close" follows, and is what counts
      resolve(socket)
    })
  })
}
