import { setMaxListeners } from 'node:events'
import { exit, interrupted } from './client/failure.ts'
import type { Cli, GlobalFlags } from './client/session.ts'
import { explain, tell } from './fail.ts'

/** A command's work; a number is its exit code. */
type Work = (cli: Cli) => Promise<unknown>

/** What an action of commander does: the work, with everything a client command needs. */
export type Run = (work: Work) => Promise<void>

/** Runs client commands: builds what they are given, tells their failures, ends with their exit code. */
export function createRun(flags: () => GlobalFlags): Run {
  return async (work) => {
    const signal = onInterrupt()
    const code = await attempt(flags(), signal, work)
    // not exit() at once: what stands in a pipe to a slow reader would be lost
    process.stdout.write('', () => process.exit(code))
  }
}

async function attempt(flags: GlobalFlags, signal: AbortSignal, work: Work): Promise<number> {
  try {
    const [{ createCli }, { createOutput }] = await Promise.all([
      import('./client/session.ts'),
      import('./client/output.ts'),
    ])
    const colour = flags.color !== false && !process.env.NO_COLOR && process.env.TERM !== 'dumb'
    const out = createOutput(process.stdout, process.stderr, { json: flags.json ?? false, colour })
    const clock = () => Date.now()
    const parts = { flags, environment: process.env, directory: process.cwd(), out, signal, clock }
    const code = await work(createCli(parts))
    return typeof code === 'number' ? code : exit.done
  } catch (error) {
    const said = explain(signal.aborted ? interrupted() : error)
    if (signal.reason === 'SIGTERM') return 143
    tell(said, flags.json ?? false)
    return said.exitCode
  }
}

/** The first Ctrl-C lets the command end what it began; the second ends the command. */
function onInterrupt(): AbortSignal {
  const stop = new AbortController()
  // each request and pause of one command listens
  setMaxListeners(0, stop.signal)
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (stop.signal.aborted) process.exit(name === 'SIGINT' ? exit.interrupted : 143)
      stop.abort(name)
    })
  }
  // `nodepilot logs | head` ends when head has enough
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))
  return stop.signal
}
