import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ChunkedBody } from './chunked.ts'

/** What is passed on of a body in these pieces; null where it is malformed. */
function pass(pieces: readonly string[], unwrapped: boolean) {
  const body = new ChunkedBody(unwrapped)
  let passed = ''
  let rest = ''
  for (const piece of pieces) {
    const bytes = Buffer.from(piece, 'latin1')
    if (body.done) {
      rest += piece
      continue
    }
    const end = body.read(bytes, 0, (from, start, stop) => {
      assert.ok(stop > start)
      passed += from.toString('latin1', start, stop)
    })
    if (end < 0) return null
    rest += bytes.toString('latin1', end)
  }
  return { passed, rest, done: body.done, trailers: body.trailers }
}

const whole = '5;a=b;c="d"\r\nhello\r\n0A\r\n0123456789\r\n00;last\r\nX-Sum: 1\r\nx-b:2\r\n\r\nNEXT'

test('a chunked body is the same in pieces cut anywhere: its end is found and extensions are left out', () => {
  for (const [unwrapped, passed] of [
    [false, '5\r\nhello\r\n0A\r\n0123456789\r\n00\r\n'],
    [true, 'hello0123456789'],
  ] as const) {
    for (let cut = 0; cut <= whole.length; cut++) {
      const found = pass([whole.slice(0, cut), whole.slice(cut)], unwrapped)
      assert.deepEqual([found?.passed, found?.rest, found?.done], [passed, 'NEXT', true], `${cut}`)
      assert.deepEqual(found?.trailers?.values, ['1', '2'])
    }
    assert.equal(pass([...whole], unwrapped)?.passed, passed)
  }
})

test('a body without trailers ends with its empty line, in any pieces', () => {
  for (const pieces of [['0\r\n\r\nN'], ['0\r\n', '\r\nN'], ['0\r\n\r', '\nN'], [...'0\r\n\r\nN']]) {
    assert.deepEqual(pass(pieces, false), { passed: '0\r\n', rest: 'N', done: true, trailers: null })
  }
})

test('framing that two machines could read in two ways is malformed', () => {
  for (const body of [
    '\r\n',
    'g\r\n',
    '-1\r\n',
    '+1\r\nA\r\n',
    '0x1\r\nA\r\n',
    ' 1\r\nA\r\n',
    '1 \r\nA\r\n',
    '1\nA\r\n',
    '1\rA\r\n',
    '1\r\nAB',
    '1\r\nA\n0',
    '1\r\nA\rB',
    '1;x\n0\r\n',
    '1;x\ry',
    '1;\0\r\n',
    ';x\r\n',
    '0\r\nX\r\n\r\n',
    '0\r\nX : 1\r\n\r\n',
    '0\r\n folded\r\n\r\n',
    '0\r\nX: 1\n\n',
    'ffffffffffffffff\r\n',
    '20000000000000\r\n',
    `${'0'.repeat(17)}\r\n`,
    `1;${'x'.repeat(17_000)}\r\n`,
    `0\r\nX: ${'x'.repeat(17_000)}\r\n\r\n`,
    `0\r\n${'X: 1\r\n'.repeat(70)}\r\n`,
  ]) {
    assert.equal(pass([body], false), null, JSON.stringify(body.slice(0, 30)))
    assert.equal(pass([...body], true), null, JSON.stringify(body.slice(0, 30)))
  }
})

test('a flood of small chunk extensions is malformed, a long body in small chunks is not', () => {
  assert.equal(pass(['1;abcdefg\r\nA\r\n'.repeat(3_000)], false), null)
  assert.equal(pass(['1\r\nA\r\n'.repeat(30_000), '0\r\n\r\n'], true)?.passed.length, 30_000)
})
