import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exactVersion, newestOfLines, ownSuffices, pickNode, readNodeWish } from './node-range.ts'

const available = [
  '18.20.8',
  '20.11.0',
  '20.20.2',
  '22.11.0',
  '22.22.0',
  '23.11.1',
  '24.16.0',
  '25.9.0',
  '26.1.0',
  '26.2.0-rc.1',
]
/** Line 24 is long-term, 26 not yet. */
const june2026 = Date.UTC(2026, 5, 1)
const own = '20.20.2'

function pick(asked: string, today = june2026): string | null {
  const wish = readNodeWish(asked)
  assert.ok(wish, asked)
  return pickNode(wish, available, own, today)
}

test('versions and ranges are read as people write them', () => {
  const cases: Readonly<Record<string, string>> = {
    '22': '22.22.0',
    v22: '22.22.0',
    'v22.11.0': '22.11.0',
    '22.x': '22.22.0',
    '22.11': '22.11.0',
    '^22.11.0': '22.22.0',
    '~22.11': '22.11.0',
    '=22.11.0': '22.11.0',
    '18 || 22': '22.22.0',
    '>=21 <23': '22.22.0',
  }
  for (const [asked, version] of Object.entries(cases)) assert.equal(pick(asked), version, asked)
})

test("the server's own Node is taken where it will do", () => {
  for (const asked of ['20', '>=18', '*', 'x', '20.x', '>=20.19', '20.20.2', 'lts/iron'])
    assert.equal(pick(asked), own, asked)
})

test('else the newest long-term line, before newer ones that are not', () => {
  assert.equal(pick('>=22'), '24.16.0')
  assert.equal(pick('>=22', Date.UTC(2026, 10, 1)), '26.1.0')
  assert.equal(pick('>=25'), '26.1.0')
  assert.equal(pick('25'), '25.9.0')
  assert.equal(pick('>22 <24'), '23.11.1')
})

test('the aliases of nvm', () => {
  assert.equal(pick('lts/*'), '24.16.0')
  assert.equal(pick('LTS'), '24.16.0')
  assert.equal(pick('lts/-1'), '22.22.0')
  assert.equal(pick('lts/-2'), own)
  assert.equal(pick('lts/-9'), null)
  assert.equal(pick('lts/jod'), '22.22.0')
  assert.equal(pick('Hydrogen'), '18.20.8')
  for (const newest of ['node', 'latest', 'current', 'stable']) assert.equal(pick(newest), '26.1.0')
})

test('what is no version, and what nobody has', () => {
  for (const asked of ['iojs', 'system', 'lts/nonsense', 'twenty', '22; rm -rf /', '--help'])
    assert.equal(readNodeWish(asked), null, asked)
  assert.equal(pick('99'), null)
  assert.equal(pick('22.99.0'), null)
})

test('only a whole version is exact, and only a range can be met without asking', () => {
  const wish = (asked: string) => readNodeWish(asked) ?? assert.fail(asked)
  assert.equal(exactVersion(wish('v22.11.0')), '22.11.0')
  assert.equal(exactVersion(wish('22.11')), null)
  assert.equal(exactVersion(wish('lts/*')), null)
  assert.equal(ownSuffices(wish('>=18'), own), true)
  assert.equal(ownSuffices(wish('node'), own), false)
})

test('a hint names the newest of each line in use', () => {
  assert.deepEqual(newestOfLines(available, june2026), ['18.20.8', '20.20.2', '22.22.0', '24.16.0', '26.1.0'])
})
