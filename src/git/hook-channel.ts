import { isAbsolute } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { Refusal } from '../engine/domain/refusal.ts'
import { parseUpdate, type RefUpdate } from './commands.ts'
import { printable } from './printable.ts'

/** One run of a hook, as the relay in `hooks/pre-receive` reports it. */
export interface HookCall {
  readonly hook: 'pre-receive' | 'post-receive'
  readonly updates: readonly RefUpdate[]
  readonly options: readonly string[]
  /** The quarantine of the pushed objects; empty in post-receive and where only refs are deleted. */
  readonly objectEnvironment: Readonly<Record<string, string>>
}

/** The only variables that are taken from a hook. */
const quarantineVariables: ReadonlySet<string> = new Set([
  'GIT_OBJECT_DIRECTORY',
  'GIT_ALTERNATE_OBJECT_DIRECTORIES',
  'GIT_QUARANTINE_PATH',
])

/** Bytes of one call. The commands of a push are limited to less than this before git starts. */
const longestCall = 16 * 1024 * 1024
/** Bytes that wait for a client who reads slowly; lines beyond are counted and left out. */
const longestBacklog = 256 * 1024
/** Of the lines left out, the last ones still follow at the end: they hold the cause and the next step. */
const lastWords = 25

interface Draft {
  readonly hook: HookCall['hook']
  readonly updates: RefUpdate[]
  readonly options: string[]
  readonly objectEnvironment: Record<string, string>
  /** Takes what "+" lines add to the value before them. */
  extend: ((text: string) => void) | undefined
}

/**
 * The server's end of the two pipes to the hooks of one push. A hook that writes anything else than the
 * protocol ends with exit status 1; so does one whose server has gone away.
 */
export class HookChannel {
  readonly #toHooks: Writable
  readonly #onCall: (call: HookCall) => Promise<0 | 1>
  #chunks: Buffer[] = []
  #bytes = 0
  #draft: Draft | undefined
  #open = false
  #skipped = 0
  #lastSkipped: string[] = []

  constructor(fromHooks: Readable, toHooks: Writable, onCall: (call: HookCall) => Promise<0 | 1>) {
    this.#toHooks = toHooks
    this.#onCall = onCall
    fromHooks.on('data', (chunk: Buffer) => this.#receive(chunk))
    toHooks.on('drain', () => this.#tellSkipped())
  }

  /** Prints one line at the git client; without effect while no hook runs. */
  say(line: string): void {
    if (!this.#open) return
    if (this.#toHooks.writableLength > longestBacklog) this.#skip(line)
    else this.#say(line)
  }

  #receive(chunk: Buffer) {
    this.#bytes += chunk.length
    if (this.#bytes > longestCall) return this.#hangUp()
    let rest = chunk
    for (let end = rest.indexOf(10); end !== -1; end = rest.indexOf(10)) {
      const line = Buffer.concat([...this.#chunks, rest.subarray(0, end)]).toString('utf8')
      this.#chunks = []
      rest = rest.subarray(end + 1)
      try {
        this.#read(line)
      } catch {
        return this.#hangUp()
      }
    }
    if (rest.length > 0) this.#chunks.push(rest)
  }

  #read(line: string) {
    const space = line.indexOf(' ')
    const word = space === -1 ? line : line.slice(0, space)
    const text = space === -1 ? '' : line.slice(space + 1)
    if (word === 'hook') this.#draft = beginCall(text, this.#open)
    else if (!this.#draft) throw new Refusal('malformed', 'a hook wrote before its name')
    else if (word === 'end') this.#dispatch(this.#draft)
    else readField(this.#draft, word, text)
  }

  #dispatch(draft: Draft) {
    this.#draft = undefined
    this.#bytes = 0
    this.#open = true
    const { hook, updates, options, objectEnvironment } = draft
    this.#onCall({ hook, updates, options, objectEnvironment }).then(
      (status) => this.#finish(status),
      () => this.#finish(1),
    )
  }

  #finish(status: 0 | 1) {
    if (!this.#open) return
    this.#tellSkipped()
    this.#send(`exit ${status}\n`)
    this.#open = false
  }

  #tellSkipped() {
    if (this.#skipped === 0 || !this.#open) return
    const kept = this.#lastSkipped
    const left = this.#skipped - kept.length
    this.#skipped = 0
    this.#lastSkipped = []
    if (left > 0) this.#say(`  … ${left} lines left out: the connection is too slow for them`)
    for (const line of kept) this.#say(line)
  }

  #skip(line: string) {
    this.#skipped++
    this.#lastSkipped.push(line)
    if (this.#lastSkipped.length > lastWords) this.#lastSkipped.shift()
  }

  #say(line: string) {
    this.#send(`say ${printable(line)}\n`)
  }

  #send(text: string) {
    if (this.#toHooks.writable) this.#toHooks.write(text)
  }

  /** The hook reads the end of the file and fails. */
  #hangUp() {
    this.#open = false
    this.#toHooks.destroy()
  }
}

function beginCall(hook: string, open: boolean): Draft {
  if (open || (hook !== 'pre-receive' && hook !== 'post-receive')) {
    throw new Refusal('malformed', 'an unknown hook, or two at once')
  }
  return { hook, updates: [], options: [], objectEnvironment: {}, extend: undefined }
}

function readField(draft: Draft, word: string, text: string) {
  if (word === '+') {
    if (!draft.extend) throw new Refusal('malformed', 'a hook continued nothing')
    return draft.extend(text)
  }
  draft.extend = undefined
  if (word === 'ref') draft.updates.push(parseUpdate(text))
  else if (word === 'option') readOption(draft, text)
  else if (word === 'env') readVariable(draft, text)
  else throw new Refusal('malformed', 'a hook wrote an unknown word')
}

function readOption(draft: Draft, text: string) {
  const index = draft.options.push(text) - 1
  draft.extend = (more) => {
    draft.options[index] += `\n${more}`
  }
}

function readVariable(draft: Draft, text: string) {
  const equals = text.indexOf('=')
  const name = text.slice(0, equals)
  const value = text.slice(equals + 1)
  if (!quarantineVariables.has(name) || !isAbsolute(value.replace(/^"/, ''))) {
    throw new Refusal('malformed', 'a hook named an unknown variable or a relative path')
  }
  draft.objectEnvironment[name] = value
  draft.extend = (more) => {
    draft.objectEnvironment[name] += `\n${more}`
  }
}
