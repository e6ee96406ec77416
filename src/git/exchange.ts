import type { ServerResponse } from 'node:http'
import type { Readable, Writable } from 'node:stream'
import { ClientLeft } from './body.ts'
import type { IdleTimer } from './idle-timer.ts'
import { neverCache } from './reply.ts'
import { type GitProcess, type ServiceCommand, startService } from './service.ts'

export interface ExchangeOptions {
  readonly res: ServerResponse
  readonly idle: IdleTimer
  readonly command: ServiceCommand
  readonly contentType: string
  /** Written before git's first byte. */
  readonly prelude?: Buffer
  /** Writes the request into git; may refuse, which ends git. */
  readonly feed: (stdin: Writable) => Promise<void>
  readonly onStart?: (git: GitProcess) => void
  /** Called once, when the client has left. */
  readonly onLeave?: () => void
  /** From when this says yes, git is let to its end though the client leaves. */
  readonly isSettled?: () => boolean
}

export interface ExchangeEnd {
  /** null when a signal ended git, or it never started. */
  readonly code: number | null
  /** Why the exchange could not be carried out: what `feed` threw, or that git could not be started. */
  readonly failure: unknown
  readonly left: boolean
  /** The last of what git wrote to stderr, for the log. */
  readonly stderr: string
}

/**
 * One git process and one HTTP exchange, tied together: bytes flow both ways at the pace of the slower
 * side, and neither outlives the other. Never throws; who called decides about the answer when git gave none.
 */
export class Exchange {
  readonly #options: ExchangeOptions
  #git: GitProcess | undefined
  #failure: unknown
  #left = false

  constructor(options: ExchangeOptions) {
    this.#options = options
  }

  async run(): Promise<ExchangeEnd> {
    const { res, command, onStart, feed } = this.#options
    const git = startService(command)
    this.#git = git
    const onClose = () => {
      if (!res.writableFinished) this.leave()
    }
    res.once('close', onClose)
    onStart?.(git)
    const stderr = collectTail(git.stderr)
    const relayed = this.#relay(git.stdout)
    feed(git.stdin).catch((error: unknown) => this.#fail(error))
    // It may have closed before anyone listened.
    if (res.destroyed) this.leave()
    const code = await git.exit.then(
      ({ code }) => code,
      (error: unknown) => {
        this.#failure ??= error
        git.stdout.destroy()
        return null
      },
    )
    await relayed
    res.off('close', onClose)
    return { code, failure: this.#failure, left: this.#left, stderr: stderr() }
  }

  /** The client has left, or is taken for gone: git ends too, unless what it does is settled. */
  leave(): void {
    if (this.#left) return
    this.#left = true
    this.#options.onLeave?.()
    this.#git?.stdout.resume()
    if (!this.#options.isSettled?.()) this.#git?.end()
  }

  /** Ends git, whatever it does. */
  end(): void {
    this.#git?.end()
  }

  #fail(error: unknown) {
    if (error instanceof ClientLeft) return this.leave()
    this.#failure ??= error
    if (!this.#options.isSettled?.()) this.#git?.end()
  }

  /** Resolves when git will write no more. The head of the answer waits for git's first byte. */
  #relay(stdout: Readable): Promise<void> {
    const { res, idle } = this.#options
    stdout.on('data', (chunk: Buffer) => {
      idle.touch()
      if (this.#left || this.#failure !== undefined || res.destroyed) return
      if (!res.headersSent) this.#begin()
      if (res.write(chunk)) return
      stdout.pause()
      res.once('drain', () => stdout.resume())
    })
    return new Promise((resolve) => {
      stdout.once('end', resolve)
      stdout.once('close', resolve)
    })
  }

  #begin() {
    const { res, contentType, prelude } = this.#options
    res.writeHead(200, { ...neverCache, 'Content-Type': contentType, 'X-Content-Type-Options': 'nosniff' })
    if (prelude) res.write(prelude)
  }
}

const tailBytes = 2_000

function collectTail(stderr: Readable): () => string {
  let tail = ''
  stderr.on('data', (chunk: Buffer) => {
    tail = (tail + chunk.toString('utf8')).slice(-tailBytes)
  })
  return () => tail.trim()
}
