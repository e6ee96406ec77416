import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseFields } from './fields.ts'
import { HeadReader } from './head-reader.ts'

const limits = { line: 100, size: 1_000, fields: 5 }

/** Feeds the pieces one by one; what the last of them brought, and the head. */
function readPieces(pieces: readonly (string | Buffer)[], given = limits, emptyFirst = true) {
  const reader = new HeadReader(given, emptyFirst)
  let end = 0
  for (const piece of pieces) {
    end = reader.read(Buffer.from(piece as string, 'latin1'), 0)
    if (end !== 0) break
  }
  return { end, text: reader.text, problem: reader.problem, size: reader.size }
}

test('a head is the same whole, in two pieces cut anywhere, and byte by byte', () => {
  const head = '\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nX: \xe9\t1\r\n\r\n'
  const text = 'GET / HTTP/1.1\r\nHost: a\r\nX: \xe9\t1\r\n'
  assert.deepEqual(readPieces([`${head}rest`]), { end: head.length, text, problem: null, size: head.length })
  for (let cut = 1; cut < head.length; cut++) {
    const found = readPieces([head.slice(0, cut), head.slice(cut)])
    assert.deepEqual([found.text, found.size, found.end], [text, head.length, head.length - cut], `${cut}`)
  }
  assert.equal(readPieces([...head]).text, text)
})

test('what is no text, and a line that does not end in CR LF, is told before the head is complete', () => {
  for (const start of [
    '\x16\x03',
    'GET / HTTP/1.1\n',
    'GET /\0',
    'GET / HTTP/1.1\r\nX: a\rb',
    '\n',
    'A\x7f',
    '\r\rG',
  ]) {
    assert.deepEqual(
      [readPieces([start]).problem, readPieces([...start]).problem],
      ['malformed', 'malformed'],
    )
  }
  assert.equal(readPieces(['\r\nHTTP/1.1 200 OK'], limits, false).problem, 'malformed')
})

test('a long first line, a long head, many fields and endless empty lines are too much, in any pieces', () => {
  const many = `GET / HTTP/1.1\r\n${'a: b\r\n'.repeat(6)}\r\n`
  for (const [head, problem] of [
    ['x'.repeat(101), 'line'],
    [`${'x'.repeat(101)}\r\n\r\n`, 'line'],
    [`GET / HTTP/1.1\r\nX: ${'a'.repeat(1_000)}`, 'size'],
    [`GET / HTTP/1.1\r\nX: ${'a'.repeat(1_000)}\r\n\r\n`, 'size'],
    [many, 'size'],
    ['\r\n'.repeat(600), 'size'],
  ] as const) {
    assert.equal(readPieces([head]).problem, problem)
    assert.equal(readPieces([...head]).problem, problem)
  }
  assert.equal(readPieces([many.replace('a: b\r\n', '')]).problem, null)
})

test('a head of 2 MB that comes byte by byte costs no more than its bytes', () => {
  const reader = new HeadReader({ line: 100, size: 4e6, fields: 5 }, true)
  const began = performance.now()
  reader.read(Buffer.from('GET / HTTP/1.1\r\nX: '), 0)
  const byte = Buffer.from('a')
  for (let n = 0; n < 2e6; n++) reader.read(byte, 0)
  assert.ok(reader.read(Buffer.from('\r\n\r\n'), 0) > 0)
  assert.equal(reader.text.length, 2e6 + 21)
  // Copying or scanning what came before with every byte would be 2e12 steps.
  assert.ok(performance.now() - began < 10_000)
})

test('fields are names and values exactly, everything else is none', () => {
  const fields = parseFields('Host:a\r\nX-A: \t b c \t\r\nEmpty:\r\nx-a:2\r\n', 0)
  assert.deepEqual(fields?.values, ['a', 'b c', '', '2'])
  assert.deepEqual(fields?.lower, ['host', 'x-a', 'empty', 'x-a'])
  assert.deepEqual(fields?.names, ['Host', 'X-A', 'Empty', 'x-a'])
  for (const line of [
    'Host : a',
    ' folded: a',
    '\tfolded',
    ': a',
    'no colon',
    'a b: c',
    'caf\xe9: 1',
    'a(b): 1',
  ]) {
    assert.equal(parseFields(`A: b\r\n${line}\r\n`, 0), null, line)
  }
})

test('fields of nothing but spaces and colons are read in one pass', () => {
  const began = performance.now()
  const text = `${`a:${' '.repeat(30_000)}b${' '.repeat(30_000)}\r\n`.repeat(100)}`
  assert.equal(parseFields(text, 0)?.values[99], `b`)
  assert.equal(parseFields(`${'a'.repeat(1e6)}\r\n`.repeat(5), 0), null)
  assert.ok(performance.now() - began < 5_000)
})
