/** Why a deployment can fail: the public codes, printed as `error: <code>: <sentence>`. */
export const deployFailureCodes = [
  'fetch_failed',
  'rejected_tree',
  'no_package',
  'no_start_command',
  'missing_env',
  'unsupported_node',
  'install_failed',
  'build_failed',
  'release_failed',
  'boot_crashed',
  'boot_timeout',
  'wrong_port',
  'health_failed',
  'out_of_memory',
  'timeout',
  'output_limit',
  'disk_full',
  'too_large',
  'cancelled',
  'superseded',
  'internal',
] as const

export type DeployFailureCode = (typeof deployFailureCodes)[number]

/** Every code a person or a program can be refused with. */
export type RefusalCode =
  | DeployFailureCode
  | 'malformed'
  | 'invalid'
  | 'unauthorized'
  | 'forbidden'
  | 'not_found'
  | 'gone'
  | 'conflict'
  | 'unsupported_media_type'
  | 'too_many_requests'
  | 'unavailable'

export interface RefusalDetails {
  /** What to do next, in one sentence. */
  readonly hint?: string
  /** Facts that belong to the cause (the app's last lines, the port it does listen on), one line each. */
  readonly lines?: readonly string[]
  /** Which input fields are wrong, and how. */
  readonly fields?: readonly { readonly field: string; readonly message: string }[]
  /** Seconds after which it is worth trying again. */
  readonly retryAfter?: number
  readonly cause?: unknown
}

/**
 * An expected "no": a code for programs, a sentence for people, a next step. The git client, the API, the
 * panel and the command line all show the same one. Any other error is an internal fault.
 */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly code: RefusalCode
  readonly hint: string | undefined
  readonly lines: readonly string[]
  readonly fields: readonly { readonly field: string; readonly message: string }[]
  readonly retryAfter: number | undefined

  constructor(code: RefusalCode, sentence: string, details: RefusalDetails = {}) {
    super(sentence, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.hint = details.hint
    this.lines = details.lines ?? []
    this.fields = details.fields ?? []
    this.retryAfter = details.retryAfter
  }
}

export function isRefusal(error: unknown, code?: RefusalCode): error is Refusal {
  return error instanceof Refusal && (code === undefined || error.code === code)
}

/** The refusal a deployment ends with when `error` stopped it: faults of the system by name, all else "internal". */
export function asRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error
  const code = (error as NodeJS.ErrnoException | null)?.code
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'SQLITE_FULL') {
    return new Refusal('disk_full', 'the disk is full', {
      hint: 'free some space on the server, then push again',
      cause: error,
    })
  }
  if (error instanceof Error && error.name === 'AbortError') {
    return new Refusal('cancelled', 'the deployment was cancelled', {
      hint: 'deploy again when you want it after all',
      cause: error,
    })
  }
  return new Refusal('internal', 'internal error', {
    hint: 'look into the log of the server, then try again',
    cause: error,
  })
}
