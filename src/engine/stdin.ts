import { type ChildProcess, spawn } from 'node:child_process'
import { Readable, type Writable } from 'node:stream'

/** What a command reads: all at once, or as it comes, at the pace of the command. */
export type Input = string | Uint8Array | Readable

/**
 * Hands a command its standard input and closes it at the end. A stream that breaks off is told to `cut`, and the
 * input is not closed: half of it must not look like all of it. A command that reads no more closes the stream.
 * Returns what ends it all.
 */
export function feed(stdin: Writable | null, input: Input | undefined, cut: () => void): () => void {
  // it may have ended, or closed its input, before all was written
  stdin?.on('error', () => {})
  if (!(input instanceof Readable)) {
    stdin?.end(input)
    return () => {}
  }
  let over = false
  const stop = () => {
    over = true
    input.destroy()
  }
  const broken = () => {
    if (over || input.readableEnded) return
    input.unpipe()
    cut()
  }
  input.on('error', broken).on('close', broken)
  stdin?.on('close', stop)
  if (stdin) input.pipe(stdin)
  return stop
}

/**
 * Ends the group of a command with SIGKILL when this process has ended, whatever ended it: a small shell waits for
 * that. It holds the command's standard input too, which is a socket: a `shutdown` of ours ends it, but a death does
 * not, so that no command takes half of its input for all of it in the moment before it is ended. Returns what calls it
 * off.
 */
export function endWithUs({ pid, stdin }: ChildProcess): () => void {
  if (pid === undefined || stdin === null) return () => {}
  const script = 'read -r _; kill -s KILL -- "-$1"'
  const guard = spawn('/bin/sh', ['-c', script, 'nodepilot', String(pid)], {
    cwd: '/',
    env: {},
    stdio: ['pipe', 'ignore', 'ignore', stdin],
    detached: true,
  })
  guard.on('error', () => {})
  guard.stdin?.on('error', () => {})
  return () => void guard.kill('SIGKILL')
}
