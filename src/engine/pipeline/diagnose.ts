import { Refusal } from '../domain/refusal.ts'
import { exitSentence, type MemoryUse, megabytes, reasonOf } from '../last-exits.ts'
import { seconds } from './output.ts'

/** From what a process did to a cause and a next step. Pure: facts in, refusal out. */

/** How the app ended. */
interface Exit {
  readonly code: number | null
  readonly signal: string | null
  /** It was ended because it used more than it may. */
  readonly memory?: MemoryUse | null
}

/** The app ended before it was healthy. `port`: the one it was given. */
export function crashed(exit: Exit, lastLines: readonly string[], port?: number): Refusal {
  if (port !== undefined && lastLines.some((line) => isInUse(line, port))) return portStolen(port)
  const sentence = `the app ${exitSentence(exit, lastLines)}`
  if (reasonOf(exit, lastLines) === 'out_of_memory') {
    return new Refusal('out_of_memory', sentence, { hint: memoryHint(exit) })
  }
  return new Refusal('boot_crashed', `${sentence} before it answered`, {
    hint: crashHint(exit, lastLines),
  })
}

/** It runs, but nothing accepts connections on its port. `listening`: the TCP ports it does listen on. */
export function unreachable(port: number, listening: readonly number[], waitedMs: number): Refusal {
  const within = `within ${seconds(waitedMs).replace('.0s', 's')}`
  if (listening.includes(port)) {
    return new Refusal('wrong_port', `nothing answered on 127.0.0.1:${port} ${within}`, {
      lines: [`The app is running and listens on port ${port}, but on another address.`],
      hint: 'listen on all addresses or on 127.0.0.1: app.listen(process.env.PORT)',
    })
  }
  const [first] = listening
  if (first !== undefined) {
    const ports = listening.length === 1 ? `port ${first}` : `ports ${listening.slice(0, 5).join(', ')}`
    return new Refusal('wrong_port', `nothing answered on PORT ${port} ${within}`, {
      lines: [`The app is running, but it listens on ${ports}.`],
      hint: 'use app.listen(process.env.PORT)',
    })
  }
  return new Refusal('boot_timeout', `the app runs, but listens on no port ${within}`, {
    hint: 'make it listen on process.env.PORT; if it needs longer to start, raise bootTimeoutMs',
  })
}

/** `Error: listen EADDRINUSE: address already in use :::20007` */
function isInUse(line: string, port: number): boolean {
  return new RegExp(`\\bEADDRINUSE\\b.*:${port}$`).test(line.trimEnd())
}

/** The process manager ended, and all that it had started with it. */
export function runtimeLost(): Refusal {
  return new Refusal('unavailable', 'the process manager ended while the app started', {
    hint: 'it is started again by itself: push again',
  })
}

/** Something else holds the port that was meant for the app. */
export function portStolen(port: number): Refusal {
  return new Refusal('boot_crashed', `port ${port} was taken by another process while the app started`, {
    hint: 'push again: it gets another port. If that does not help, the app listens on it twice',
  })
}

/** It answers, but not as it should. */
export function unhealthy(
  path: string | null,
  answer: { readonly status: number | null; readonly problem: string | null },
  lastLines: readonly string[],
): Refusal {
  const target = path ?? '/'
  const wanted = path === null ? 'wanted an answer below 500' : 'wanted 2xx or 3xx'
  const got = answer.status === null ? `gave no answer (${answer.problem})` : `returned ${answer.status}`
  return new Refusal('health_failed', `${target} ${got}, ${wanted}`, { hint: healthHint(lastLines) })
}

function memoryHint({ memory }: Exit): string {
  return memory
    ? `raise memoryLimitMb above ${megabytes(memory.usedBytes)}, or let it use less while it starts`
    : 'give it more memory (memoryLimitMb where it is set), or start it with a smaller --max-old-space-size'
}

function crashHint(exit: Exit, lines: readonly string[]): string {
  const text = lines.join('\n')
  const missing = /Cannot find (?:module|package) '([^']+)'/.exec(text)?.[1]
  if (missing) {
    return missing.startsWith('.') || missing.startsWith('/')
      ? `the file ${missing} is not in the release: is it committed, or made by the build?`
      : `add it to the dependencies: npm install ${missing}`
  }
  if (/\b(EACCES|EPERM)\b.*node_modules/.test(text)) {
    return 'it writes to node_modules, which are shared and read-only: set privateModules to true for the project'
  }
  if (/EADDRINUSE/.test(text)) return 'use app.listen(process.env.PORT): the port it asked for is taken'
  const refused = /connect ECONNREFUSED ([\w.:[\]]+)/.exec(text)?.[1]
  if (refused) return `the app could not reach ${refused}; check the config var with that address`
  if (exit.code === 127 || /: not found/.test(text))
    return 'the start command names a program that is not installed'
  if (exit.code === 0) return 'a web process must keep running: does it call listen()?'
  return 'run the start command locally with NODE_ENV=production, fix the error above, push again'
}

function healthHint(lines: readonly string[]): string {
  const refused = /connect ECONNREFUSED ([\w.:[\]]+)/.exec(lines.join('\n'))?.[1]
  return refused
    ? `the app could not reach ${refused}; check the config var with that address`
    : 'look at what the app wrote, or set healthPath to a page that answers without sign-in'
}
