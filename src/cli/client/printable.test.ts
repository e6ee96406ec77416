import assert from 'node:assert/strict'
import { test } from 'node:test'
import { printable, printableLog, printableText } from './printable.ts'

const escapes = [
  '\u001b[2J',
  '\u001b[31m',
  '\u009b31m',
  '\u001b]0;title\u0007',
  '\u001b]8;;http://x\u001b\\',
  '\u001bP1;2|data\u001b\\',
  '\u001bc',
  '\u001b(B',
  '\u0007',
  '\u0008',
  '\u007f',
  '\u0085',
  '\u202e',
  '\u001b',
  '\u001b]never ended',
]

test('no escape sequence or control character passes, whatever it is', () => {
  for (const found of escapes) {
    assert.equal(printable(`a${found}`), 'a', JSON.stringify(found))
    assert.equal(printableLog(`a${found}`, false), 'a', JSON.stringify(found))
  }
  assert.equal(printable('two\nlines\tand\r\nmore'), 'two lines and more')
  assert.equal(printable('Zoë 日本 🚀'), 'Zoë 日本 🚀')
})

test('sequences that hide in one another do not come together when they are taken out', () => {
  assert.doesNotMatch(printable('\u001b\u001b[31m[2Jx'), /\p{Cc}/u)
  assert.doesNotMatch(printableLog('\u001b\u001b[2J[31mx', true).replaceAll('\u001b[0m', ''), /\p{Cc}/u)
})

test('a log keeps its colours where they are wanted, and they end with the line', () => {
  assert.equal(printableLog('\u001b[31mred\u001b[2K', true), '\u001b[31mred\u001b[0m')
  assert.equal(printableLog('\u001b[38;5;196mred', true), '\u001b[38;5;196mred\u001b[0m')
  assert.equal(printableLog('a\tb', true), 'a\tb')
  assert.equal(printableLog('\u001b[31mred', false), 'red')
})

test('a value of several lines is shown to a person without escapes, and given to a program as it is', () => {
  const value = 'a\u001b[2J\nb\u001b]52;c;eA==\u0007\n'
  assert.equal(printableText(value, true), 'a\nb\n')
  assert.equal(printableText(value, false), value)
})
