import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readWords } from '../arguments.ts'
import { explain, tell } from '../fail.ts'
import { addRemote, parseRemote } from './git-remote.ts'
import { align, toJson } from './output.ts'
import { isPublic, tokenFor, toOrigin } from './session.ts'
import { listOf, mapOf, number, object, read, secret, text } from './shape.ts'
import { parseSince } from './since.ts'
import { nearest } from './words.ts'

test('the git remote names a server and a project, and nothing of its credentials', () => {
  const found = { server: 'https://pilot.example.com', project: 'shop' }
  assert.deepEqual(parseRemote('https://ada:secret@pilot.example.com/git/shop.git'), found)
  assert.deepEqual(parseRemote('https://pilot.example.com:443/git/shop.git/'), found)
  for (const other of [
    'git@github.com:a/shop.git',
    'https://x/shop.git',
    'https://x/git/../a.git',
    'ssh://x/git/shop.git',
    '/git/shop.git',
    '',
    'https://x/git/-p.git',
  ])
    assert.equal(parseRemote(other), null, other)
})

test('an address without a scheme means https, except on this machine', () => {
  assert.equal(toOrigin('pilot.example.com'), 'https://pilot.example.com')
  assert.equal(toOrigin('localhost:3000'), 'http://localhost:3000')
  assert.equal(toOrigin('127.0.0.1:3000/projects'), 'http://127.0.0.1:3000')
  for (const far of [
    'localhost.example.com',
    '127.example.com',
    '127.0.0.1.example.com',
    'a.localhost.example.com',
  ])
    assert.equal(toOrigin(far), `https://${far}`)
  assert.equal(toOrigin('shop.localhost:3000'), 'http://shop.localhost:3000')
  assert.equal(toOrigin('http://ada:secret@pilot.example.com/x?y'), 'http://pilot.example.com')
  for (const bad of ['', 'ftp://x', 'javascript:alert(1)', 'http://', 'a b'])
    assert.throws(() => toOrigin(bad), /is not the address/, bad)
})

test('only this machine and private networks are trusted with plain HTTP', () => {
  for (const host of [
    'localhost',
    'a.localhost',
    '127.0.0.1',
    '10.1.2.3',
    '192.168.1.1',
    '172.16.0.1',
    '[::1]',
    '[fd00::1]',
  ])
    assert.equal(isPublic(host), false, host)
  for (const host of ['example.com', '1.2.3.4', '172.32.0.1', '[2001:db8::1]', 'localhost.example.com'])
    assert.equal(isPublic(host), true, host)
})

test('NODEPILOT_TOKEN goes to no address that only the git remote names', () => {
  const none = { current: null, servers: {} }
  const environment = { NODEPILOT_TOKEN: 'np_secret' }
  const server = 'https://evil.example'
  assert.throws(
    () => tokenFor(none, { server, from: 'remote' }, environment),
    /not sent to https:\/\/evil\.example/,
  )
  assert.equal(tokenFor(none, { server, from: 'environment' }, environment), 'np_secret')
  const account = { token: 'kept', username: 'ada', expiresAt: null }
  assert.equal(
    tokenFor({ current: null, servers: { [server]: account } }, { server, from: 'remote' }, {}),
    'kept',
  )
})

test('the colon form means the same, and only for commands that have verbs', () => {
  assert.deepEqual(readWords(['config:set', 'A=1']), ['config', 'set', 'A=1'])
  assert.deepEqual(readWords(['-p', 'shop', 'domains:add', 'x:y']), ['-p', 'shop', 'domains', 'add', 'x:y'])
  assert.deepEqual(readWords(['run', '--', 'config:set']), ['run', '--', 'config:set'])
  assert.deepEqual(readWords(['-p', 'config:set']), ['-p', 'config:set'])
  assert.deepEqual(readWords(['stop', '--server']), ['stop', '--this-server'])
  assert.deepEqual(readWords(['stop', '--server', 'http://x']), ['stop', '--server', 'http://x'])
})

test('a time may be given as how long ago', () => {
  const now = Date.parse('2030-01-02T00:00:00Z')
  assert.equal(parseSince('90m', now), '2030-01-01T22:30:00.000Z')
  assert.equal(parseSince('2030-01-01T00:00:00+01:00', now), '2029-12-31T23:00:00.000Z')
  assert.throws(() => parseSince('soon', now), /is no time/)
})

test('names are suggested only when they are near', () => {
  const words = ['shop', 'blog', 'api']
  assert.equal(nearest('shpo', words), 'shop')
  assert.equal(nearest('blgo', words), 'blog')
  assert.equal(nearest('warehouse', words), null)
})

test('answers are checked, and their text loses its control characters', () => {
  const shape = object({ list: listOf(object({ name: text, n: number })), map: mapOf(number) })
  const good = { list: [{ name: 'a\u001b[2Jb', n: 1, more: true }], map: { 'k\u0007': 2 } }
  assert.deepEqual(read(shape, good), { list: [{ name: 'ab', n: 1 }], map: { k: 2 } })
  for (const bad of [null, [], {}, { ...good, list: [{ name: 1, n: 1 }] }, { ...good, map: { a: 'x' } }])
    assert.throws(() => read(shape, bad), /the server's answer/)
})

test('tables are as wide as their cells, JSON is safe on a terminal and the same data', () => {
  assert.deepEqual(
    align(
      ['A', 'B'],
      [
        ['long', 'x\u001b[2J'],
        ['s', ''],
      ],
    ),
    ['A     B', 'long  x', 's'],
  )
  const odd = { a: '\u009b2J\u202e\u007f', b: '\u001b[2J' }
  const shown = toJson(odd, 'line')
  assert.doesNotMatch(shown, /[\p{Cc}\u202e]/u)
  assert.deepEqual(JSON.parse(shown), odd)
})

test('a secret that would be more than one line, or a control sequence, is none', () => {
  assert.equal(read(secret, 'np_0Az'), 'np_0Az')
  for (const bad of ['np_0\nhost=example.com', 'np_0\u001b[2J', 'a b', '', 7, 'x'.repeat(9_000)])
    assert.throws(() => read(secret, bad), /is not a secret/)
})

test('git is given no remote but the address of a repository', async () => {
  for (const bad of [
    'ext::sh -c id',
    'file:///etc',
    'ssh://-oProxyCommand=id/git/shop.git',
    'https://x/shop.git',
    '',
  ])
    await assert.rejects(addRemote('/nowhere', bad, null), /which is none/, bad)
})

test('what a fault quotes reaches the terminal without escapes', async () => {
  const said = explain(new SyntaxError('Unexpected token \u001b]0;title\u0007 in \u001b[2Jx'))
  const written: string[] = []
  const { write } = process.stderr
  process.stderr.write = (text: string | Uint8Array) => written.push(String(text)) > 0
  try {
    tell(said, false)
  } finally {
    process.stderr.write = write
  }
  assert.match(written.join(''), /^error: SyntaxError: Unexpected token {2}in x\n {4}at /)
  assert.ok(!written.join('').includes('\u001b'))
})
