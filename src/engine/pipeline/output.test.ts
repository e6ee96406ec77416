import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Refusal } from '../domain/refusal.ts'
import { failure, forTerminal, header, quoted, seconds, size, stepLine, success } from './output.ts'

const isWhole = (line: string) => !/\p{Surrogate}/u.test(line)

test('a step is one line with its place, name, note and time', () => {
  assert.equal(
    stepLine('Build', 'npm run build', 7_400, true),
    '[3/5] Build     npm run build                    7.4s  FAILED',
  )
  assert.equal(stepLine('Receive', '2 files, 1.2 kB', 40).trimEnd().slice(0, 16), '[1/5] Receive   ')
})

test('a step with a long note fits into 72 columns, also when it failed', () => {
  const line = stepLine('Health', 'x'.repeat(200), 99_900, true)
  assert.ok(line.length <= 72, `${line.length}`)
  assert.match(line, /…\s+99\.9s {2}FAILED$/)
})

test('a failure has exactly one line that begins with error:', () => {
  const refusal = new Refusal('wrong_port', 'nothing\nerror: answered', {
    lines: ['error: no', 'The app listens on port 4000.'],
    hint: 'use\nprocess.env.PORT',
  })
  assert.deepEqual(failure(refusal), [
    'error: wrong_port: nothing error: answered',
    '  error: no',
    '  The app listens on port 4000.',
    'hint: use process.env.PORT',
  ])
})

test('the first line names project, version and message, and is cut at 72 columns', () => {
  assert.equal(header('shop', '9f3c2ab', 'Fix cart'), 'NodePilot  shop  9f3c2ab "Fix cart"')
  assert.equal(header('shop', 'v12', null), 'NodePilot  shop  v12')
  assert.equal(header('shop', '9f3c2ab', 'x'.repeat(100)).length, 72)
})

test('colours, cursor movements and control characters of an app never reach the terminal', () => {
  const hostile = '\u001b[31mred\u001b[0m \u001b]0;title\u0007a\u0008b\u202ec\ttab\r'
  assert.deepEqual(forTerminal(hostile), ['red abc    tab'])
})

test('a long line is folded at 72 columns and stays quoted', () => {
  const lines = forTerminal(quoted('word '.repeat(40)))
  assert.ok(lines.length > 2)
  assert.ok(lines.every((line) => line.length <= 72 && line.startsWith('  | ')))
})

test('a word longer than a line is folded too, without loss', () => {
  const lines = forTerminal(quoted('x'.repeat(200)))
  assert.equal(lines.map((line) => line.slice(4)).join(''), 'x'.repeat(200))
})

test('an emoji at the fold or at the cut is never torn in two', () => {
  const lines = forTerminal('🚀'.repeat(100))
  assert.ok(lines.every(isWhole))
  assert.ok(isWhole(header('shop', 'v1', `x${'🚀'.repeat(60)}`)))
  assert.ok(isWhole(header('shop', 'v1', '🚀'.repeat(60))))
})

test('addresses stay whole, so that they can be clicked', () => {
  const address = `  http://127.0.0.1:3000/projects/${'a'.repeat(80)}/deploys/12`
  assert.deepEqual(forTerminal(address), [address])
  const named = `  Logs   http://127.0.0.1:3000/projects/${'a'.repeat(39)}/logs`
  assert.deepEqual(forTerminal(named), [named])
})

test('times and sizes read as people write them', () => {
  assert.equal(success(12, 15_640), 'success: v12 is live (15.6s)')
  assert.equal(seconds(-3), '0.0s')
  assert.deepEqual([size(999), size(1_000), size(1_234_567), size(0)], ['999 B', '1.0 kB', '1.2 MB', '0 B'])
})
