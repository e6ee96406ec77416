/** What a command can end with, besides 0: the exit codes of the command line. */
export const exit = {
  done: 0,
  failed: 1,
  usage: 2,
  notSignedIn: 3,
  notFound: 4,
  busy: 5,
  unreachable: 6,
  interrupted: 130,
} as const

/** An expected "no" of the command line: a code for programs, a sentence, the next command, the exit code. */
export class Failure extends Error {
  override readonly name = 'Failure'
  readonly code: string
  readonly hint: string
  readonly exitCode: number
  /** What was printed before has said it already. */
  readonly told: boolean

  constructor(code: string, sentence: string, hint: string, exitCode: number = exit.failed, told = false) {
    super(sentence)
    this.code = code
    this.hint = hint
    this.exitCode = exitCode
    this.told = told
  }
}

export function usage(sentence: string, hint: string): Failure {
  return new Failure('usage', sentence, hint, exit.usage)
}

/** Ctrl-C. Nothing is printed but this sentence. */
export function interrupted(): Failure {
  return new Failure('interrupted', 'interrupted', 'run the command again', exit.interrupted)
}
