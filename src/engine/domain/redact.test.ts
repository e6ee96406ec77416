import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRedactor } from './redact.ts'

const pem = '-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----\n'

test('a value is hidden wherever it stands in a line, as often as it stands there', () => {
  const { line } = createRedactor(['s3cr3t-value', 'other-one'])
  assert.equal(line('s3cr3t-value'), '***')
  assert.equal(line('a s3cr3t-value b other-one c s3cr3t-value'), 'a *** b *** c ***')
  assert.equal(line('nothing of it'), 'nothing of it')
  assert.equal(line(''), '')
  assert.equal(line('s3cr3t-valu'), '***', 'a cut-off end could be one')
})

test('values that overlap, or are part of one another, leave nothing of either', () => {
  const { line } = createRedactor(['abcdefgh', 'efghijkl', 'abcdefghijklmnop'])
  assert.equal(line('-abcdefghijkl-'), '-***-')
  assert.equal(line('-abcdefghijklmnop-'), '-***-')
  assert.equal(line('-efghijkl-abcdefgh-'), '-***-***-')
  assert.equal(line('-abcdefghabcdefgh-'), '-***-')
})

test('what every line could hold is not hidden, nor what everybody may know', () => {
  const values = [
    'true',
    '1',
    '8080',
    'info',
    'production',
    '1000000',
    'http://shop.localhost:3000',
    'shop.localhost',
  ]
  const { line } = createRedactor([...values, 'hidden'], ['http://shop.localhost:3000', 'shop'])
  const text = `production true 8080 1000000 http://shop.localhost:3000/x info`
  assert.equal(line(text), text)
  assert.equal(line('hidden 12'), '*** 12')
})

test('a value of several lines is hidden line by line, and so are its encoded forms', () => {
  const { line } = createRedactor([pem, 'p@ss word/1', 'postgres://shop:Sup3r$ecret@db:5432/shop'])
  for (const one of pem.split('\n')) assert.equal(line(`  ${one}`), one === '' ? '  ' : '  ***')
  assert.equal(line(JSON.stringify({ key: pem })), '{"key":"***"}')
  assert.equal(line('?p=p%40ss%20word%2F1&x'), '?p=***&x')
  assert.equal(line(`Basic ${Buffer.from('p@ss word/1').toString('base64')}`), 'Basic ***=')
  assert.equal(line('password "Sup3r$ecret" is wrong'), 'password "***" is wrong')
})

test('a value that goes on in the next line is hidden in both, wherever it is cut', () => {
  const value = 'abcdefghijklmnopqrstuvwxyz'
  for (let cut = 1; cut < value.length; cut++) {
    const next = createRedactor([value]).stream()
    const lines = [next(`x ${value.slice(0, cut)}`), next(`${value.slice(cut)} y`)]
    assert.ok(lines[0]?.endsWith(cut >= 6 ? 'x ***' : `x ${value.slice(0, cut)}`), lines[0])
    assert.equal(lines[1], '*** y')
  }
  const long = createRedactor(['k'.repeat(10) + value.repeat(1000)]).stream()
  const text = `${'k'.repeat(10)}${value.repeat(1000)}`
  const pieces = Array.from({ length: Math.ceil(text.length / 8192) }, (_, at) =>
    text.slice(at * 8192, (at + 1) * 8192),
  )
  assert.deepEqual(pieces.map(long), ['***', '***', '***', '***'])
  assert.equal(long('and so on'), 'and so on')
})

test('a line that only looks like a continuation is left alone when nothing was begun', () => {
  const next = createRedactor(['abcdefghij']).stream()
  assert.equal(next('plain'), 'plain')
  assert.equal(next('defghij'), 'defghij')
})

test('a text is never cut inside of a value', () => {
  const { cut } = createRedactor(['abcdefghij'])
  assert.equal(cut('xxxxabcdefghijyyyy', 8), 4)
  assert.equal(cut('xxxxabcdefghijyyyy', 14), 14)
  assert.equal(cut('xxxxabcdefghijyyyy', 4), 4)
  assert.equal(cut('xxxxxxxxabcde', 12), 8, 'what may become one')
  assert.equal(cut('xxxxxxxxabcdX', 12), 12)
})

test('every value is found among random ones, whatever stands around it', () => {
  let seed = 7
  const random = (below: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
    return seed % below
  }
  const word = (length: number) => Array.from({ length }, () => 'abc'[random(3)]).join('')
  for (let round = 0; round < 300; round++) {
    const values = Array.from({ length: 1 + random(5) }, () => word(6 + random(6)))
    const text = word(random(30)) + (values[0] ?? '') + word(random(30))
    const hidden = createRedactor(values).line(text)
    for (const value of values) assert.ok(!hidden.includes(value), `${value} in ${hidden} of ${text}`)
  }
})
