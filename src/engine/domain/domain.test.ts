import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clientAddress } from './address.ts'
import { configVarChange, configVars, instanceEnvironment, withLocalBin } from './environment.ts'
import { deriveName, projectName, reservedNames } from './project.ts'
import { asRefusal, deployFailureCodes, isRefusal, Refusal } from './refusal.ts'

for (const [typed, name] of [
  ['My Shop!', 'my-shop'],
  ['  Café  Crème ', 'cafe-creme'],
  ['42 things', 'things'],
  ['a', null],
  ['日本', null],
  ['', null],
  ['../../etc/passwd', 'etc-passwd'],
  [`x${'y'.repeat(60)}`, `x${'y'.repeat(39)}`],
  [`${'a'.repeat(39)} b`, 'a'.repeat(39)],
  ['-rf', 'rf'],
] as const) {
  test(`"${typed.slice(0, 20)}" becomes ${name === null ? 'no name' : `"${name.slice(0, 20)}"`}`, () => {
    assert.equal(deriveName(typed), name)
    if (name !== null) assert.ok(projectName.safeParse(name).success)
  })
}

test('names that could be a path, an option, an address or the panel are no project names', () => {
  for (const name of [
    'a',
    'A',
    'ab-',
    '-ab',
    '1ab',
    'a.b',
    'a/b',
    'a b',
    'ab\n',
    `a${'b'.repeat(40)}`,
    '..',
  ]) {
    assert.equal(projectName.safeParse(name).success, false, JSON.stringify(name))
  }
  for (const name of ['ab', 'shop-2', `a${'b'.repeat(39)}`]) {
    assert.equal(projectName.safeParse(name).success, true, name)
  }
  assert.ok(reservedNames.has('www') && reservedNames.has('localhost'))
})

test('config vars are named like variables, and PORT and NODEPILOT_… stay ours', () => {
  for (const name of ['A', '_x', 'NODE_OPTIONS', 'a1']) {
    assert.ok(configVars.safeParse({ [name]: 'x' }).success, name)
  }
  for (const name of ['1A', 'A-B', 'A=B', '', 'PORT', 'NODEPILOT_PROJECT', 'A\n', 'x'.repeat(129)]) {
    assert.equal(configVars.safeParse({ [name]: 'x' }).success, false, name)
  }
  assert.equal(configVars.safeParse({ A: 'x\0y' }).success, false)
  assert.equal(configVars.safeParse({ A: 'x'.repeat(32_769) }).success, false)
  assert.equal(configVars.safeParse({ A: null }).success, false)
  assert.ok(configVarChange.safeParse({ A: null }).success)
})

const facts = {
  project: 'shop',
  release: 3,
  type: 'web',
  index: 1,
  port: 20_007,
  directory: '/r/3',
  rootDir: '',
  dataDirectory: '/d',
  configVars: {},
  memoryLimitMb: null,
  system: { PATH: '/bin', LANG: 'C.UTF-8' },
}

test('config vars win over what we set, but not over what we promise', () => {
  const env = instanceEnvironment({
    ...facts,
    configVars: { NODE_ENV: 'test', HOME: '/x', PORT: '1', NODEPILOT_PROJECT: 'other' },
  })
  assert.deepEqual([env.NODE_ENV, env.HOME], ['test', '/x'])
  assert.deepEqual([env.PORT, env.NODEPILOT_PROJECT, env.NODEPILOT_RELEASE], ['20007', 'shop', 'v3'])
})

test('a process without traffic has no PORT', () => {
  assert.ok(!('PORT' in instanceEnvironment({ ...facts, type: 'worker', port: null })))
})

test('commands of the dependencies come first on PATH, which never ends up with an empty entry', () => {
  assert.equal(withLocalBin('/r/3', '', '/bin'), '/r/3/node_modules/.bin:/bin')
  assert.equal(withLocalBin('/r/3', '', undefined), '/r/3/node_modules/.bin')
  assert.equal(
    withLocalBin('/r/3', 'apps/web', '/bin'),
    '/r/3/apps/web/node_modules/.bin:/r/3/apps/node_modules/.bin:/r/3/node_modules/.bin:/bin',
  )
})

test('an error of the system is named, our own fault is not', () => {
  const full = Object.assign(new Error('no space'), { code: 'ENOSPC' })
  assert.equal(asRefusal(full).code, 'disk_full')
  assert.equal(asRefusal(Object.assign(new Error('quota'), { code: 'EDQUOT' })).code, 'disk_full')
  assert.equal(asRefusal(Object.assign(new Error('full'), { code: 'SQLITE_FULL' })).code, 'disk_full')
  assert.equal(asRefusal(new DOMException('left', 'AbortError')).code, 'cancelled')
  const secret = asRefusal(new Error('password=hunter2'))
  assert.deepEqual([secret.code, secret.message], ['internal', 'internal error'])
  assert.ok((secret.cause as Error).message.includes('hunter2'), 'kept for the log of the server')
  for (const odd of [null, undefined, 'text', 7]) assert.equal(asRefusal(odd).code, 'internal')
})

test('a refusal passes as it is, and is told by its code', () => {
  const refusal = new Refusal('build_failed', 'no', { hint: 'yes', retryAfter: 3 })
  assert.equal(asRefusal(refusal), refusal)
  const codes = (['build_failed', 'timeout'] as const).map((code) => isRefusal(refusal, code))
  assert.deepEqual(codes, [true, false])
  assert.deepEqual([refusal.lines, refusal.fields, refusal.retryAfter], [[], [], 3])
  assert.ok(!isRefusal(new Error('x')))
})

test('the failure codes of a deployment are those of the contract', () => {
  assert.equal(
    deployFailureCodes.join(' '),
    'fetch_failed rejected_tree no_package no_start_command missing_env unsupported_node install_failed build_failed ' +
      'release_failed boot_crashed boot_timeout wrong_port health_failed out_of_memory timeout output_limit disk_full ' +
      'too_large cancelled superseded internal',
  )
})

test('a sender cannot choose its address: the last one named is the one that was seen', () => {
  assert.equal(clientAddress('192.0.2.1'), '192.0.2.1')
  assert.equal(clientAddress('a claim, 192.0.2.1'), '192.0.2.1')
  assert.equal(clientAddress(['a claim', '192.0.2.1']), '192.0.2.1')
  for (const none of [undefined, null, '', ' ']) assert.equal(clientAddress(none), 'local')
})
