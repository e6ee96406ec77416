import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, constants, openSync } from 'node:fs'
import { Socket } from 'node:net'
import { Readable } from 'node:stream'

/** What a command reads: all at once, or as it comes, at the pace of the command. */
export type Input = string | Uint8Array | Readable

/** Standard input that comes as it comes. */
export interface Pipe {
  /** The file descriptor that the command reads. */
  readonly reads: number
  /** The other end, ours. */
  readonly writes: Socket
  /** The command holds its end. */
  handedOver(): void
}

/** Null where everything there is to read is there already. */
export function pipeFor(input: Input | undefined): Promise<Pipe> | null {
  return input instanceof Readable ? openPipe() : null
}

/**
 * What `spawn` calls a pipe is a socket, which cannot be opened again by a name: to a command, `/dev/stdin` would be an
 * error. Node makes no other, and a FIFO keeps whoever opens it late waiting for ever. So a shell makes one, and says who
 * holds it.
 */
async function openPipe(): Promise<Pipe> {
  const script = "exec 3<&0; : | exec /bin/sh -c 'exec 4<&0 <&3; echo $$; read -r _'"
  const shell = spawn('/bin/sh', ['-c', script], { cwd: '/', env: {}, stdio: ['pipe', 'pipe', 'ignore'] })
  shell.on('error', () => {})
  shell.stdin.on('error', () => {})
  try {
    const name = `/proc/${await firstLine(shell.stdout)}/fd/4`
    const reads = openSync(name, constants.O_RDONLY)
    const writes = new Socket({ fd: openSync(name, constants.O_WRONLY), readable: false })
    return { reads, writes, handedOver: () => closeSync(reads) }
  } finally {
    shell.stdin.end()
  }
}

async function firstLine(stream: Readable): Promise<string> {
  for await (const bytes of stream) return String(bytes).trim()
  throw new Error('/bin/sh does not start')
}

/**
 * Hands a command what comes, and then the end of it. A stream that breaks off is told to `cut`, and the input is not
 * closed: half of it must not look like all of it. A command that reads no more closes the stream. `whole`: all was
 * written. Returns what ends it all.
 */
export function feed(
  writes: Socket,
  input: Input | undefined,
  { cut, whole }: { cut(): void; whole(): void },
): () => void {
  if (!(input instanceof Readable)) return () => {}
  let over = false
  const stop = () => {
    over = true
    input.destroy()
    writes.destroy()
  }
  const broken = () => {
    if (over || input.readableEnded) return
    input.unpipe()
    cut()
  }
  input.on('error', broken).on('close', broken)
  // the command has ended, or has closed its input, before all was written
  writes.on('error', () => {}).on('close', stop)
  writes.on('finish', () => {
    writes.destroy()
    whole()
  })
  input.pipe(writes)
  return stop
}

/**
 * Ends the group of a command with SIGKILL when this process has ended, whatever ended it: a small shell waits for
 * that. It holds the command's standard input open too, until that was `whole`, so that no command takes half of
 * its input for all of it in the moment before it is ended. `callOff`: nothing is left to end.
 */
export function endWithUs(
  { pid }: ChildProcess,
  pipe: Pipe | null,
): { readonly whole: () => void; readonly callOff: () => void } {
  if (pid === undefined) return { whole: () => {}, callOff: () => {} }
  const script = 'read -r _ && exec 3>&- && read -r _; kill -s KILL -- "-$1"'
  const guard = spawn('/bin/sh', ['-c', script, 'nodepilot', String(pid)], {
    cwd: '/',
    env: {},
    stdio: ['pipe', 'ignore', 'ignore', pipe?.writes ?? 'ignore'],
    detached: true,
  })
  guard.on('error', () => {})
  guard.stdin?.on('error', () => {})
  return {
    whole: () => void guard.stdin?.write('\n'),
    callOff: () => void guard.kill('SIGKILL'),
  }
}
