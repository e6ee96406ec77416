import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseFields } from './fields.ts'
import { answerFraming, requestFraming } from './framing.ts'
import { parseAnswer, parseRequest } from './messages.ts'

function fields(...lines: string[]) {
  const found = parseFields(lines.map((line) => `${line}\r\n`).join(''), 0)
  assert.ok(found)
  return found
}

test('a request has one length, one encoding, or neither', () => {
  for (const [lines, expected] of [
    [[], { kind: 'none' }],
    [['Content-Length: 0'], { kind: 'none' }],
    [['content-length: 9007199254740991'], { kind: 'length', length: 9007199254740991 }],
    [['Transfer-Encoding: Chunked'], { kind: 'chunked' }],
    [['Content-Length: 1', 'Transfer-Encoding: chunked'], 400],
    [['Content-Length: 1', 'Content-Length: 1'], 400],
    [['Content-Length: 1', 'Content-Length: 2'], 400],
    [['Content-Length: 1, 1'], 400],
    [['Content-Length: -1'], 400],
    [['Content-Length: +1'], 400],
    [['Content-Length: 0x1'], 400],
    [['Content-Length: 1e3'], 400],
    [['Content-Length: 1 2'], 400],
    [['Content-Length: '], 400],
    [['Content-Length: 9007199254740992'], 400],
    [['Content-Length: 99999999999999999999'], 400],
    [['Transfer-Encoding: xchunked'], 400],
    [['Transfer-Encoding: identity'], 400],
    [['Transfer-Encoding: chunked, identity'], 400],
    [['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'], 400],
    [['Transfer-Encoding: chunked, chunked'], 400],
    [['Transfer-Encoding: "chunked"'], 400],
    [['Transfer-Encoding: chunked;q=1'], 400],
    [['Transfer-Encoding: '], 400],
    [['Transfer-Encoding: chunked\xa0'], 400],
    [['Transfer-Encoding: gzip,\xa0chunked'], 400],
    [['Transfer-Encoding: gzip, chunked'], 501],
    [['Transfer-Encoding: gzip', 'Transfer-Encoding: chunked'], 501],
  ] as const) {
    assert.deepEqual(requestFraming(fields(...lines), 1), expected, lines.join('; '))
  }
  assert.equal(requestFraming(fields('Transfer-Encoding: chunked'), 0), 400)
})

test('an answer ends with its length, its last chunk or its connection, and not in two ways', () => {
  for (const [lines, expected] of [
    [[], { kind: 'close' }],
    [['Content-Length: 3'], { kind: 'length', length: 3 }],
    [['Content-Length: 0'], { kind: 'none' }],
    [['Transfer-Encoding: chunked'], { kind: 'chunked' }],
    [['Content-Length: 3', 'Transfer-Encoding: chunked'], null],
    [['Content-Length: 3', 'Content-Length: 3'], null],
    [['Content-Length: 3, 3'], null],
    [['Transfer-Encoding: gzip, chunked'], null],
    [['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], null],
  ] as const) {
    assert.deepEqual(answerFraming(fields(...lines), 200, 1, false), expected, lines.join('; '))
  }
  const length = fields('Content-Length: 3')
  assert.deepEqual(answerFraming(length, 200, 1, true), { kind: 'none' })
  for (const status of [100, 103, 204, 304]) {
    assert.deepEqual(answerFraming(length, status, 1, false), { kind: 'none' })
  }
  assert.equal(answerFraming(fields('Transfer-Encoding: chunked'), 200, 0, false), null)
  assert.equal(answerFraming(fields('Content-Length: x'), 200, 1, true), null)
})

test('a request line is three words with one space between them, of a version that is spoken here', () => {
  for (const [line, expected] of [
    ['GET / HTTP/1.2', 505],
    ['GET / HTTP/2.0', 505],
    ['PRI * HTTP/2.0', 505],
    ['GET / HTTP/0.9', 505],
    ['GET / HTTP/11', 400],
    ['GET / http/1.1', 400],
    ['GET / HTTP/1.1 ', 400],
    ['GET  / HTTP/1.1', 400],
    ['GET /  HTTP/1.1', 400],
    ['GET / x HTTP/1.1', 400],
    [' GET / HTTP/1.1', 400],
    ['GET /\t HTTP/1.1', 400],
    ['GET /\xe9 HTTP/1.1', 400],
    ['GET /', 400],
    ['GET', 400],
    ['G@T / HTTP/1.1', 400],
    [`${'G'.repeat(33)} / HTTP/1.1`, 400],
  ] as const) {
    assert.equal(parseRequest(`${line}\r\nHost: a\r\n`), expected, line)
  }
  const found = parseRequest('PROPFIND /a?b HTTP/1.0\r\n')
  assert.ok(typeof found === 'object')
  assert.deepEqual([found.method, found.target, found.minor], ['PROPFIND', '/a?b', 0])
})

test('a status line is a version, three digits and perhaps a reason', () => {
  for (const [line, status, reason] of [
    ['HTTP/1.1 200 OK', 200, 'OK'],
    ['HTTP/1.0 404 Not  Found', 404, 'Not  Found'],
    ['HTTP/1.1 500', 500, ''],
    ['HTTP/1.1 204 ', 204, ''],
    ['HTTP/1.1 999 No', 999, 'No'],
  ] as const) {
    const found = parseAnswer(`${line}\r\n`)
    assert.deepEqual([found?.status, found?.reason], [status, reason], line)
  }
  for (const line of [
    'HTTP/2 200 OK',
    'HTTP/1.1 20 OK',
    'HTTP/1.1 2000',
    'HTTP/1.1  200',
    'HTTP/1.1 +20',
    'ICY 200 OK',
  ]) {
    assert.equal(parseAnswer(`${line}\r\n`), null, line)
  }
})
