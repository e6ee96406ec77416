import type { Readable, Writable } from 'node:stream'
import { isRefusal, Refusal } from '../engine/domain/refusal.ts'
import { feed, openBody } from './body.ts'
import { checkRefNames, type PushCommands, type RefUpdate, readCommands, rejection } from './commands.ts'
import { Exchange } from './exchange.ts'
import { type HookCall, HookChannel } from './hook-channel.ts'
import type { Quarantines } from './quarantine.ts'
import { discard, neverCache } from './reply.ts'
import { conclude, type GitRequest, type ServeSettings, serviceRequest } from './request.ts'
import { serviceCommand } from './service.ts'

/** One push, from its list of refs to the end of git. The same object is handed to every method. */
export interface Push<Actor> {
  /** Of the request; stands in the log as well. */
  readonly id: string
  readonly actor: Actor
  /** Of the project. */
  readonly name: string
  /** Absolute path of the bare repository. */
  readonly directory: string
  /** What the client asks for; in `preReceive` and `postReceive` what git means by then. */
  readonly updates: readonly RefUpdate[]
  /** Push options (`git push -o …`), in their order. */
  readonly options: readonly string[]
  /** What a git command needs to see the pushed objects while they are in quarantine (`preReceive`). */
  readonly objectEnvironment: Readonly<Record<string, string>>
  /** Aborted when the client leaves or git ends before the push was accepted; never after. */
  readonly signal: AbortSignal
  /** Prints one line at the git client, cleaned and cut to 1,000 characters. No effect between hooks. */
  say(line: string): void
}

/** What becomes of a push. */
export interface Receiver<Actor> {
  /**
   * Before any ref moves. True accepts all of it; from then on the client's leaving changes nothing.
   * A `Refusal` thrown is printed as `error: <code>: <sentence>` and rejects.
   */
  preReceive(push: Push<Actor>): Promise<boolean>
  /** After refs have moved; `updates` holds those that did. Not called when none did. */
  postReceive(push: Push<Actor>): Promise<void>
  /**
   * Called exactly once, when git has ended and no other method is running any more, also when hooks never
   * ran. Where `preReceive` accepted and `postReceive` was not called, the refs did not move (another push
   * was first), unless git itself was killed in between: look at the ref to be sure.
   */
  closed(push: Push<Actor>): void | Promise<void>
}

/** From acceptance until git has moved the refs; ms. Milliseconds are usual. */
const settleMs = 60_000

/**
 * Answers a POST to `git-receive-pack`. Throws `Refusal` (`malformed`, `too_large`) or `ClientLeft` as long
 * as git has not started; after that it never throws.
 */
export async function servePush<Actor>(
  settings: ServeSettings,
  receiver: Receiver<Actor>,
  quarantines: Quarantines,
  request: GitRequest<Actor>,
): Promise<void> {
  const body = openBody(request.req, () => request.idle.touch())
  const commands = await readCommands(body)
  const limit = settings.limits.maxPackBytes
  const packBytes = commands.head.length - commands.packStart
  try {
    checkRefNames(commands.updates)
    if (packBytes > limit) throw packTooLarge(limit)
  } catch (refusal) {
    return reject(request, commands, refusal, limit)
  }
  const push = new RunningPush(settings, receiver, request, commands)
  quarantines.enter(request.directory)
  try {
    const exchange = new Exchange({
      res: request.res,
      idle: request.idle,
      command: serviceCommand(serviceRequest(settings, request)),
      contentType: 'application/x-git-receive-pack-result',
      feed: (stdin) =>
        feed(commands.head, body, stdin, {
          maxBytes: limit - packBytes,
          tooLarge: () => packTooLarge(limit),
        }),
      onStart: (git) => push.listen(git.fromHooks, git.toHooks, () => git.end()),
      onLeave: () => push.abandon(),
      isSettled: () => push.settled,
    })
    const end = await exchange.run()
    const tooLarge = isRefusal(end.failure, 'too_large') && !end.left && !request.res.headersSent
    if (tooLarge) reject(request, commands, end.failure, limit)
    else conclude(settings, request, end)
  } finally {
    await push.close(() => quarantines.leave(request.directory))
  }
}

/** The parts of a push that change while it runs. */
class RunningPush<Actor> implements Push<Actor> {
  readonly id: string
  readonly actor: Actor
  readonly name: string
  readonly directory: string
  updates: readonly RefUpdate[]
  options: readonly string[]
  objectEnvironment: Readonly<Record<string, string>> = {}
  /** Accepted: the refs move now, and nothing stops that any more. */
  settled = false
  readonly #settings: ServeSettings
  readonly #receiver: Receiver<Actor>
  readonly #abort = new AbortController()
  #channel: HookChannel | undefined
  #endGit: () => void = () => {}
  #settleTimer: NodeJS.Timeout | undefined
  #running: Promise<unknown> | undefined

  constructor(
    settings: ServeSettings,
    receiver: Receiver<Actor>,
    request: GitRequest<Actor>,
    commands: PushCommands,
  ) {
    this.#settings = settings
    this.#receiver = receiver
    this.id = request.id
    this.actor = request.actor
    this.name = request.route.name
    this.directory = request.directory
    this.updates = commands.updates
    this.options = commands.options
    request.idle.holdWhile(() => this.#running !== undefined)
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  say(line: string): void {
    this.#channel?.say(line)
  }

  listen(fromHooks: Readable, toHooks: Writable, endGit: () => void): void {
    this.#endGit = endGit
    this.#channel = new HookChannel(fromHooks, toHooks, (call) => {
      const answered = call.hook === 'pre-receive' ? this.#preReceive(call) : this.#postReceive(call)
      this.#running = answered
      return answered.finally(() => {
        this.#running = undefined
      })
    })
  }

  /** The client has left, or git has ended. */
  abandon(): void {
    if (!this.settled) this.#abort.abort()
  }

  async close(sweep: () => Promise<void>): Promise<void> {
    clearTimeout(this.#settleTimer)
    this.abandon()
    await this.#running
    await sweep().catch((error: unknown) => this.#log('leftovers of a push stay', error))
    try {
      await this.#receiver.closed(this)
    } catch (error) {
      this.#log('closing a push failed', error)
    }
  }

  async #preReceive(call: HookCall): Promise<0 | 1> {
    this.#take(call)
    try {
      checkRefNames(call.updates)
      if (!(await this.#receiver.preReceive(this)) || this.signal.aborted) return 1
    } catch (error) {
      if (!this.signal.aborted) this.#explain(error)
      return 1
    }
    this.settled = true
    this.#settleTimer = setTimeout(() => this.#endGit(), settleMs)
    return 0
  }

  async #postReceive(call: HookCall): Promise<0 | 1> {
    clearTimeout(this.#settleTimer)
    this.#take(call)
    try {
      await this.#receiver.postReceive(this)
      return 0
    } catch (error) {
      this.#explain(error)
      return 1
    }
  }

  #take(call: HookCall) {
    this.updates = call.updates
    this.options = call.options
    this.objectEnvironment = call.objectEnvironment
  }

  #explain(error: unknown) {
    if (isRefusal(error)) {
      this.say(`error: ${error.code}: ${error.message}`)
      for (const line of error.lines) this.say(`  ${line}`)
      if (error.hint) this.say(`hint: ${error.hint}`)
      return
    }
    this.say(`error: internal: internal error (request ${this.id})`)
    this.say('hint: look into the log of the server, then push again')
    this.#log('a push failed', error)
  }

  #log(message: string, error: unknown) {
    this.#settings.log(message, { request: this.id, project: this.name, error })
  }
}

/** Refuses a push as git would: a report that marks every ref as rejected, under status 200. */
function reject(request: GitRequest<unknown>, commands: PushCommands, refusal: unknown, limit: number) {
  if (!isRefusal(refusal)) throw refusal
  const { req, res } = request
  const body = rejection(commands, refusal)
  res.writeHead(200, {
    ...neverCache,
    'Content-Type': 'application/x-git-receive-pack-result',
    'Content-Length': body.length,
  })
  res.end(body)
  // The client listens only when it has sent everything.
  discard(req, { bytes: limit, ms: 120_000 })
}

function packTooLarge(bytes: number): Refusal {
  const size = bytes < 1_000_000 ? `${Math.round(bytes / 1000)} kB` : `${Math.round(bytes / 1_000_000)} MB`
  return new Refusal('too_large', `the push is larger than ${size}`, {
    hint: 'take large files out of the history, or raise the limit of the server',
  })
}
