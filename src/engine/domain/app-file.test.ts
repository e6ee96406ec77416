import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAppFile } from './app-file.ts'
import { isRefusal, type Refusal } from './refusal.ts'

const whole = {
  rootDir: './apps//web/',
  node: '>=20 <23',
  build: 'make site',
  release: 'npx migrate',
  start: 'node main.js',
  healthPath: '/up',
  bootTimeoutMs: 5_000,
  graceMs: 0,
  env: ['DATABASE_URL'],
  cron: [{ schedule: '*/5 * * * *', command: 'node tick.js' }],
}

test('every field is read, and folders are written one way', () => {
  const read = parseAppFile(JSON.stringify(whole))
  assert.deepEqual({ ...read, cron: null }, { ...whole, rootDir: 'apps/web', cron: null })
  assert.equal(read.cron?.[0]?.command, 'node tick.js')
  assert.deepEqual(parseAppFile('\uFEFF{"static":"./dist","spa":true}'), { static: 'dist', spa: true })
  assert.deepEqual(parseAppFile('{"static":"."}'), { static: '' })
})

function refusal(text: string, name?: string): Refusal {
  try {
    parseAppFile(text, name)
  } catch (error) {
    assert.ok(isRefusal(error, 'rejected_tree'), String(error))
    return error
  }
  throw new assert.AssertionError({ message: `accepted: ${text}` })
}

test('each mistake names the file, the field and what is wrong with it', () => {
  for (const [field, value, says] of [
    ['rootDir', '/srv', /from the top of the repository/],
    ['rootDir', 'a/../../b', /leads out/],
    ['rootDir', 'a\\b', /characters/],
    ['rootDir', 7, /expected string/],
    ['node', '22; rm', /neither a version/],
    ['build', '', /empty/],
    ['build', 'a\nb', /one line/],
    ['release', ['a'], /expected string/],
    ['start', 'x'.repeat(1001), /more than 1,000/],
    ['static', '../public', /leads out/],
    ['spa', 'yes', /expected boolean/],
    ['healthPath', 'up', /begins with one \//],
    ['healthPath', '//evil', /begins with one \//],
    ['bootTimeoutMs', 10, />=1000/],
    ['graceMs', -1, />=0/],
    ['env', ['A B'], /named like MY_KEY/],
    ['env', ['PORT'], /set by NodePilot/],
    ['env', { A: '1' }, /expected array/],
    ['cron', [{ schedule: 'often', command: 'x' }], /minute, hour/],
    ['cron', [{ schedule: '* * * * *' }], /expected string/],
  ] as const) {
    const { message, hint } = refusal(JSON.stringify({ [field]: value }))
    assert.match(message, new RegExp(`^nodepilot\\.json: ${field}[.\\w]*: `), message)
    assert.match(message, says)
    assert.ok(hint)
  }
})

test('an unknown field is named, and the hint has those that there are', () => {
  const { message, hint, lines } = refusal('{"healthpath":"/up","x":1}', 'apps/web/nodepilot.json')
  assert.equal(message, 'apps/web/nodepilot.json: healthpath: there is no such field')
  assert.deepEqual(lines, ['apps/web/nodepilot.json: x: there is no such field'])
  assert.match(hint ?? '', /^the fields are: rootDir, node, build, .*healthPath/)
})

test('what is no object, and what is no JSON, says so', () => {
  assert.match(refusal('[]').message, /^nodepilot\.json: expected object, received array$/)
  assert.match(refusal('{"a":').message, /^nodepilot\.json: it is not valid JSON: /)
})

test('a start command and static files exclude each other', () => {
  assert.match(refusal('{"start":"x","static":"dist"}').message, /^nodepilot\.json: static: .*not both$/)
})
