import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdir, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { removeDirectory, temporaryDirectory } from '../../testing/temporary.ts'
import { varsAtBuild, varsAtRun } from '../domain/config-vars.ts'
import { isRefusal } from '../domain/refusal.ts'
import { keyRing, makeKey, openKeyRing, readKeyRing } from './key-ring.ts'
import type { SealingKey } from './sealing.ts'
import { createVault } from './vault.ts'

const keyOf = (letter: string): SealingKey => ({ id: letter.repeat(12), secret: randomBytes(32) })
const values = { TOKEN: 'canary-value', EMPTY: '', LONG: 'ü'.repeat(30_000), __proto__x: '1' }

test('values are sealed, names are not, and what was sealed is read back as it was', () => {
  const vault = createVault(keyRing([keyOf('a')]))
  const text = vault.close(1, values, { TOKEN: 'run' })
  assert.doesNotMatch(text, /canary|ü/)
  const row = vault.lazily(1, text)
  assert.deepEqual(row.envVars, values)
  assert.deepEqual([row.envScopes, row.lockedVars], [{ TOKEN: 'run' }, []])
  assert.notEqual(vault.close(1, values, {}), vault.close(1, values, {}), 'a nonce is used once')
})

test('a name that every object has is a config var like any other', () => {
  const vault = createVault(keyRing([keyOf('a')]))
  const odd = JSON.parse('{"__proto__":"a","constructor":"b"}') as Record<string, string>
  const row = vault.lazily(1, vault.close(1, odd, {}))
  assert.deepEqual(Object.entries(row.envVars), Object.entries(odd))
  assert.deepEqual(row.envScopes, {})
})

test('a sealed value opens for its own project and name alone, and not when a bit of it was changed', () => {
  const vault = createVault(keyRing([keyOf('a')]))
  const text = vault.close(1, { A: 'secret' }, {})
  assert.throws(() => vault.lazily(2, text).envVars, /unable to authenticate/)
  assert.throws(() => vault.lazily(1, text.replace('"A"', '"B"')).envVars, /unable to authenticate/)
  const { A } = JSON.parse(text) as { A: { sealed: string } }
  for (let at = 13; at < A.sealed.length; at++) {
    const bytes = Buffer.from(A.sealed.slice(13), 'base64url')
    const place = Math.min(at - 13, bytes.length - 1)
    bytes[place] = (bytes[place] ?? 0) ^ 1
    const changed = JSON.stringify({
      A: { sealed: `${A.sealed.slice(0, 13)}${bytes.toString('base64url')}` },
    })
    assert.throws(() => vault.lazily(1, changed).envVars, /unable to authenticate/)
  }
})

test('without its key a value is named, never guessed: nothing runs without it, and it can be set anew', () => {
  const text = createVault(keyRing([keyOf('a')])).close(1, { A: '1', B: '2' }, { B: 'run' })
  const other = createVault(keyRing([keyOf('b')]))
  const locked = other.lazily(1, text)
  assert.deepEqual([locked.lockedVars, locked.readableVars, locked.envScopes], [['A', 'B'], {}, { B: 'run' }])
  assert.throws(
    () => locked.envVars,
    (error) => isRefusal(error, 'conflict') && /A, B/.test(error.message) && /keys\//.test(error.hint ?? ''),
  )
  const half = other.lazily(1, other.close(1, { A: 'new' }, {}, { before: text, kept: ['B'] }))
  assert.deepEqual([half.readableVars, half.lockedVars, half.envScopes], [{ A: 'new' }, ['B'], { B: 'run' }])
})

test('renewing seals with the current key, reads what the old one sealed, and leaves what is current alone', () => {
  const [first, second] = [keyOf('a'), keyOf('b')]
  const old = createVault(keyRing([first])).close(1, { A: '1' }, { A: 'build' })
  const vault = createVault(keyRing([first, second]))
  const renewed = vault.renew(1, old) ?? ''
  assert.match(renewed, /b{12}\./)
  assert.doesNotMatch(renewed, /a{12}\./)
  assert.deepEqual(createVault(keyRing([second])).lazily(1, renewed).envVars, { A: '1' })
  assert.deepEqual(vault.lazily(1, renewed).envScopes, { A: 'build' })
  assert.equal(vault.renew(1, renewed), null)
  assert.equal(vault.renew(1, '{}'), null)
})

test('keys are files for their owner alone; the one made last seals, also after the clock was set back', async () => {
  const home = await temporaryDirectory('keys')
  try {
    const first = openKeyRing(home, () => Date.UTC(2026, 5, 1)).current()
    const [name = ''] = await readdir(home)
    assert.equal((await stat(path.join(home, name))).mode & 0o777, 0o600)
    assert.deepEqual(openKeyRing(home, Date.now).current(), first, 'made once')
    const second = makeKey(home, () => Date.UTC(2020, 0, 1))
    const ring = readKeyRing(home)
    assert.deepEqual([ring.current(), ring.find(first?.id ?? '')], [second, first])
    await writeFile(path.join(home, name), 'spoiled')
    assert.throws(() => readKeyRing(home), /does not hold a key: put back/)
    assert.equal(readKeyRing(path.join(home, 'nowhere')).current(), null)
  } finally {
    await removeDirectory(home)
  }
})

test('scopes keep a config var from builds or from processes', () => {
  const of = { envVars: { A: '1', B: '2', C: '3' }, envScopes: { B: 'run', C: 'build' } } as const
  assert.deepEqual(varsAtRun(of), { A: '1', B: '2' })
  assert.deepEqual(varsAtBuild(of), { A: '1', C: '3' })
})
