import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { isRefusal } from '../../domain/refusal.ts'
import { readPackageJson } from '../package-json.ts'
import { readForeignLockfile } from './foreign-lockfile.ts'
import { pnpmPatterns, workspaceFolders } from './workspaces.ts'

describe('workspaces', () => {
  let root: string
  const put = async (name: string, text = '{}') => {
    await mkdir(path.dirname(path.join(root, name)), { recursive: true })
    await writeFile(path.join(root, name), text)
  }

  before(async () => {
    root = await mkdtemp(path.join(tmpdir(), 'workspaces-'))
    for (const folder of ['apps/web', 'apps/web/kit', 'apps/api', 'libs/ui-core', 'libs/ui', '.tools/x']) {
      await put(`${folder}/package.json`)
    }
    await put('package.json')
    await put('libs/none/readme')
    await put('apps/web/node_modules/dep/package.json')
  })
  after(() => rm(root, { recursive: true, force: true }))

  const cases: readonly (readonly [patterns: readonly string[], folders: readonly string[]])[] = [
    [
      ['apps/web', './libs/ui/'],
      ['apps/web', 'libs/ui'],
    ],
    [['apps/*'], ['apps/api', 'apps/web']],
    [['apps/**'], ['apps/api', 'apps/web', 'apps/web/kit']],
    [['**'], ['apps/api', 'apps/web', 'apps/web/kit', 'libs/ui', 'libs/ui-core']],
    [['**/./**/kit'], ['apps/web/kit']],
    [
      ['libs/ui-*', '.tools/*'],
      ['.tools/x', 'libs/ui-core'],
    ],
    [['libs/*-c*e'], ['libs/ui-core']],
    [
      ['apps/*', '!apps/a*', 'libs/ui'],
      ['apps/web', 'libs/ui'],
    ],
    [
      ['!apps/web', 'apps/*'],
      ['apps/api', 'apps/web'],
    ],
    [['../*', 'apps/../libs/*', 'libs/none', '', 'x'.repeat(600)], []],
  ]
  for (const [patterns, folders] of cases) {
    test(`${patterns.join(' ').slice(0, 40)} names ${folders.length} folders`, async () => {
      assert.deepEqual(await workspaceFolders(root, patterns), folders)
    })
  }

  test('patterns that are made to take for ever take no time, and too many are refused', async () => {
    await put(`${'a'.repeat(200)}/package.json`)
    const began = performance.now()
    assert.deepEqual(await workspaceFolders(root, [`${'*a'.repeat(100)}b`]), [])
    assert.deepEqual(await workspaceFolders(root, [`${'**/./'.repeat(90)}kit`]), ['apps/web/kit'])
    assert.ok(performance.now() - began < 5_000)
    await assert.rejects(workspaceFolders(root, Array(101).fill('a')), (error) =>
      isRefusal(error, 'install_failed'),
    )
  })

  test('a pnpm-workspace.yaml that would end the process or stop it is refused', async () => {
    await put('pnpm-workspace.yaml', "packages:\n  - 'apps/*'\n  - '!**/test/**'\ncatalog: { a: ^1 }\n")
    assert.deepEqual(await pnpmPatterns(root), ['apps/*', '!**/test/**'])
    const nested = Array.from({ length: 600 }, (_, n) => `${' '.repeat(n)}a:`).join('\n')
    for (const hostile of [
      '- '.repeat(90_000),
      '? '.repeat(90_000),
      '['.repeat(90_000),
      '[\n'.repeat(90_000),
      nested,
    ]) {
      await put('pnpm-workspace.yaml', hostile)
      await assert.rejects(pnpmPatterns(root), (error) => isRefusal(error, 'install_failed'))
    }
    for (const [text, why] of [
      ['packages:\n  - apps/*\n  - "lib/*\n', /line [34]: .*quote/],
      ['packages: apps/*\n', /: packages has to be a list of folders$/],
      ['packages:\n  - apps/*\n  - 7\n', /: entry 2 of packages has to be a text$/],
      ['- apps/*\n', /: it has to be fields with values/],
      ['['.repeat(2_000), /: it is nested deeper/],
    ] as const) {
      await put('pnpm-workspace.yaml', text)
      await assert.rejects(pnpmPatterns(root), why)
    }
    await put('pnpm-workspace.yaml', '#'.repeat(200_001))
    await assert.rejects(pnpmPatterns(root), (error) => isRefusal(error, 'rejected_tree'))
  })

  test('settings and lockfiles are read in a time that grows with their length', async () => {
    await put('pnpm-workspace.yaml', '')
    await put('pnpm-lock.yaml', 'lockfileVersion: 9')
    const app = await readPackageJson(root)
    assert.ok(app)
    const began = performance.now()
    for (const text of ['\n'.repeat(900_000), 'a'.repeat(900_000), '.patch'.repeat(150_000)]) {
      await put('.npmrc', text)
      assert.equal((await readForeignLockfile(root, app, 'pnpm'))?.unkeepable, null)
    }
    assert.ok(performance.now() - began < 10_000)
    await put('.npmrc', 'a'.repeat(1_000_001))
    await assert.rejects(readForeignLockfile(root, app, 'pnpm'), (error) => isRefusal(error, 'rejected_tree'))
  })
})
