import assert from 'node:assert/strict'
import type { CommandResult } from './command.ts'

/** What the server wrote: the lines behind `remote:`, without git's padding. */
export function remoteLines(result: Pick<CommandResult, 'all'>): string[] {
  return result.all
    .split(/[\r\n]+/)
    .filter((line) => line.startsWith('remote: '))
    .map((line) => line.slice('remote: '.length).trimEnd())
}

/**
 * A rejected push as people must see it: git says so, one `error:` line with the code, a `hint:`, no line
 * wider than 72 columns except addresses. Returns the server's lines.
 */
export function assertRejected(result: CommandResult, code: string): string[] {
  assert.notEqual(result.code, 0, result.all)
  const lines = remoteLines(result)
  const errors = lines.filter((line) => line.startsWith('error:'))
  assert.equal(errors.length, 1, result.all)
  assert.match(errors[0] ?? '', new RegExp(`^error: ${code}: \\S`), result.all)
  assert.ok(
    lines.some((line) => line.startsWith('hint: ')),
    `no hint:\n${result.all}`,
  )
  assertNarrow(lines)
  return lines
}

export function assertLive(result: CommandResult, release?: number): void {
  assert.equal(result.code, 0, result.all)
  assert.match(
    result.all,
    release === undefined ? /success: v\d+ is live/ : new RegExp(`success: v${release} is live`),
  )
  assertNarrow(remoteLines(result))
}

function assertNarrow(lines: readonly string[]): void {
  for (const line of lines) {
    if (!/https?:\/\//.test(line)) assert.ok(line.length <= 72, `${line.length} columns: ${line}`)
  }
}
