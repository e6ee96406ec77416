import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareDependencies } from './dependencies.ts'

const files = (lockfile: object | string | null, manifest: object | null = {}) => ({
  lockfile: typeof lockfile === 'object' && lockfile ? JSON.stringify(lockfile) : lockfile,
  manifest: manifest && JSON.stringify(manifest),
})
const third = (packages: Record<string, object>) =>
  files({ lockfileVersion: 3, packages: { '': {}, ...packages } })
const nothing = { added: [], removed: [], changed: [], count: 0 }

test('packages that came, went and changed are told apart, nested and scoped ones too', () => {
  const before = third({
    'node_modules/kept': { version: '1.0.0' },
    'node_modules/gone': { version: '2.0.0' },
    'node_modules/@scope/moved': { version: '1.0.0' },
    'node_modules/twice': { version: '1.0.0' },
  })
  const after = third({
    'node_modules/kept': { version: '1.0.0' },
    'node_modules/@scope/moved': { version: '1.1.0' },
    'node_modules/twice': { version: '1.0.0' },
    'node_modules/kept/node_modules/twice': { version: '2.0.0' },
    'packages/own/node_modules/new': { version: '0.1.0' },
    'node_modules/own': { resolved: 'packages/own', link: true },
  })
  assert.deepEqual(compareDependencies(before, after), {
    added: [{ name: 'new', version: '0.1.0' }],
    removed: [{ name: 'gone', version: '2.0.0' }],
    changed: [
      { name: '@scope/moved', from: '1.0.0', to: '1.1.0' },
      { name: 'twice', from: '1.0.0', to: '1.0.0, 2.0.0' },
    ],
    count: 4,
  })
})

test('a lockfile of npm 6 is compared with a newer one', () => {
  const before = files({
    lockfileVersion: 1,
    dependencies: { a: { version: '1.0.0', dependencies: { b: { version: '2.0.0' } } } },
  })
  const after = third({ 'node_modules/a': { version: '1.0.0' }, 'node_modules/b': { version: '2.0.1' } })
  assert.deepEqual(compareDependencies(before, after), {
    ...nothing,
    changed: [{ name: 'b', from: '2.0.0', to: '2.0.1' }],
    count: 1,
  })
})

test('without two lockfiles it is what package.json asks for', () => {
  const before = files(null, { dependencies: { a: '^1.0.0' }, devDependencies: { b: '1' } })
  const after = files({ packages: {} }, { dependencies: { a: '^2.0.0' } })
  assert.deepEqual(compareDependencies(before, after), {
    added: [],
    removed: [{ name: 'b', version: '1' }],
    changed: [{ name: 'a', from: '^1.0.0', to: '^2.0.0' }],
    count: 2,
  })
})

test('equal files differ in nothing, whatever is in them', () => {
  assert.deepEqual(compareDependencies(files('{broken'), files('{broken')), nothing)
  assert.deepEqual(compareDependencies(files(null, null), files(null, null)), nothing)
})

test('what cannot be read is unknown, and hostile names are data that is cut', () => {
  assert.equal(compareDependencies(files('{'), third({})), null)
  assert.equal(compareDependencies(files('[]'), third({})), null)
  const hostile =
    '{"packages":{"node_modules/__proto__":{"version":"1"},"node_modules/constructor":{"version":"<b>"}}}'
  const found = compareDependencies(third({}), files(hostile))
  assert.deepEqual(found?.added, [
    { name: '__proto__', version: '1' },
    { name: 'constructor', version: '<b>' },
  ])
  const many = Object.fromEntries(
    Array.from({ length: 1_000 }, (_, n) => [`node_modules/p${n}${'x'.repeat(500)}`, { version: '1' }]),
  )
  const cut = compareDependencies(third({}), third(many))
  assert.deepEqual([cut?.added.length, cut?.count], [200, 1_000])
  assert.ok((cut?.added[0]?.name.length ?? 0) <= 100)
})
