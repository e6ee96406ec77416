import { isRefusal } from '../engine/domain/refusal.ts'

/** Ends a command: an expected "no" in one sentence with the next step, a fault with its stack. */
export function fail(error: unknown): never {
  if (isRefusal(error)) {
    process.stderr.write(`error: ${error.message}\n`)
    if (error.hint) process.stderr.write(`hint: ${error.hint}\n`)
  } else {
    process.stderr.write(
      `error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    )
  }
  process.exit(1)
}
