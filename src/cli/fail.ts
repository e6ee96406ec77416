import { exit, Failure } from './client/failure.ts'
import { printable } from './client/printable.ts'

/** What a command says when it could not be done: the same fields in words and in `--json`. */
export interface Said {
  readonly code: string
  readonly message: string
  readonly hint: string
  readonly exitCode: number
  /** Only of faults: where in our own code. */
  readonly stack: string | null
  /** In words, already. */
  readonly told: boolean
}

/** An expected "no" by its own words; a fault with its stack. */
export function explain(error: unknown): Said {
  if (error instanceof Failure) {
    return {
      code: error.code,
      message: error.message,
      hint: error.hint,
      exitCode: error.exitCode,
      stack: null,
      told: error.told,
    }
  }
  if (isRefusal(error)) {
    const hint = error.hint ?? 'nodepilot --help'
    return { code: error.code, message: error.message, hint, exitCode: exit.failed, stack: null, told: false }
  }
  const known = fileTrouble(error)
  if (known) return known
  return {
    code: 'internal',
    message: error instanceof Error ? error.message : String(error),
    hint: 'this is a fault of nodepilot; look around with: nodepilot doctor',
    exitCode: exit.failed,
    stack: error instanceof Error ? (error.stack ?? null) : null,
    told: false,
  }
}

/** Prints it: words to stderr, and with `--json` the one document to stdout. */
export function tell(said: Said, json: boolean): void {
  if (json) tellDocument(said)
  if (said.told) return
  // a fault quotes what it stumbled over, and that may be anybody's
  const words = (said.stack ?? printable(said.message)).split('\n').map(printable).join('\n')
  process.stderr.write(`error: ${words}\n`)
  process.stderr.write(`hint: ${printable(said.hint)}\n`)
}

/** Only the document. */
export function tellDocument({ code, message, hint }: Said): void {
  const error = { code, message: printable(message), hint: printable(hint) }
  process.stdout.write(`${JSON.stringify({ error })}\n`)
}

/** By its name, so that no command has to load the engine's file to know it. */
function isRefusal(error: unknown): error is Error & { readonly code: string; readonly hint?: string } {
  return error instanceof Error && error.name === 'Refusal' && 'code' in error
}

function fileTrouble(error: unknown): Said | null {
  const { code, path } = (error ?? {}) as NodeJS.ErrnoException
  const words: Readonly<Record<string, string>> = {
    ENOENT: 'there is no such file',
    EACCES: 'it may not be read or written',
    EPERM: 'it may not be read or written',
    EISDIR: 'it is a folder',
    ENOTDIR: 'a part of this path is no folder',
    EROFS: 'the disk can only be read',
    ENOSPC: 'the disk is full',
  }
  const sentence = code === undefined ? undefined : words[code]
  if (sentence === undefined || path === undefined) return null
  const hint = 'mend that, then run the command again'
  return {
    code: 'file',
    message: `${path}: ${sentence}`,
    hint,
    exitCode: exit.failed,
    stack: null,
    told: false,
  }
}
