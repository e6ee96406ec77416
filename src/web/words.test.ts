import assert from 'node:assert/strict'
import { test } from 'node:test'
import { words } from './words.ts'

const { answerTime, bytes, ms, time, since, spark, safeUrl, shortRevision, icon, plural, percent } = words
const now = Date.parse('2026-01-02T12:00:00.000Z')

test('sizes and durations are said as people say them', () => {
  assert.deepEqual([0, 999, 1_500, 231_000_000, 999_600_000_000].map(bytes), [
    '0 B',
    '999 B',
    '1.5 kB',
    '231 MB',
    '1.0 TB',
  ])
  assert.deepEqual([4, 999, 7_400, 125_000, 12_000_000, 442_800_000].map(ms), [
    '4 ms',
    '999 ms',
    '7.4 s',
    '2 min 5 s',
    '3 h 20 min',
    '5 d 3 h',
  ])
  assert.deepEqual([0, 0.4, 12, null].map(answerTime), ['< 1 ms', '< 1 ms', '12 ms', '–'])
  assert.deepEqual([bytes(null), ms(undefined), percent(Number.NaN)], ['–', '–', '–'])
  assert.deepEqual([plural(1, 'project'), plural(0, 'project')], ['1 project', '0 projects'])
})

test('a moment is said by its distance, with the exact one beside it', () => {
  const said = time('2026-01-02T09:00:00.000Z', now)
  assert.match(said, /datetime="2026-01-02T09:00:00.000Z"/)
  assert.match(said, /title="2026-01-02 09:00:00 UTC"/)
  assert.match(said, />3 h ago</)
  assert.match(since('2026-01-02T11:59:58.500Z', now), />1\.5 s</)
  assert.match(time(null), /never/)
})

test('what is yet to come is said so, and does not tick', () => {
  const said = time('2026-01-02T12:00:31.000Z', now)
  assert.match(said, />in 31 s</)
  assert.doesNotMatch(said, /data-ago/)
  assert.match(time('2026-01-02T11:59:58.000Z', now), /data-ago>just now</)
})

test('nothing that markup is made of gets out as markup', () => {
  const hostile = '"><script>alert(1)</script>'
  for (const made of [time(hostile, now), icon('x', hostile), spark([1, 2], hostile)]) {
    assert.doesNotMatch(made, /<script/)
  }
})

test('only addresses of the web and of this panel become links', () => {
  for (const bad of [
    'javascript:alert(1)',
    ' javascript:1',
    'data:text/html,x',
    '//evil',
    '/\\evil',
    'ftp://x',
  ]) {
    assert.equal(safeUrl(bad), '#')
  }
  for (const good of ['http://a.localhost:3000', 'https://shop.example.com/', '/projects/a']) {
    assert.equal(safeUrl(good), good)
  }
})

test('a line is drawn through what was measured, and holes are no zeros', () => {
  assert.equal(spark([null, 5], 'memory'), '')
  assert.match(spark([null, 5, 5, null], 'memory'), /d="M33\.3 [\d.]+L66\.7 [\d.]+"/)
})

test('a revision is short, whatever it is of', () => {
  assert.equal(shortRevision({ kind: 'git', revision: 'c01d9e4aaaa' }), 'c01d9e4')
  assert.equal(shortRevision({ kind: 'zip', revision: 'sha256:0123456789' }), '0123456')
  assert.equal(shortRevision({ kind: 'release', revision: 'v12' }), 'v12')
})
