import assert from 'node:assert/strict'
import { test } from 'node:test'
import { printable } from './printable.ts'

test('letters of every alphabet and the indentation stay', () => {
  assert.equal(printable('  | größe 日本 👍'), '  | größe 日本 👍')
})

test('escape sequences, control characters and direction marks go, whatever ends a line becomes a space', () => {
  assert.equal(printable('\u001b[1;31mred\u001b[0m \u001b]0;title\u0007x'), 'red x')
  assert.equal(printable('a\u0000b\u0007c\u009bd\u202ee'), 'abcde')
  assert.equal(printable('one\r\ntwo\u2028three\tfour\n'), 'one two three four')
})

test('a line is never longer than 1,000 characters, and no character is cut in half', () => {
  assert.equal(printable('x'.repeat(1_000)).length, 1_000)
  assert.equal(printable('x'.repeat(2_000)), `${'x'.repeat(999)}…`)
  assert.equal(printable(`${'x'.repeat(998)}${'👍'.repeat(9)}`), `${'x'.repeat(998)}…`)
  assert.ok(printable('y'.repeat(10_000_000)).length <= 1_000)
})
