import assert from 'node:assert/strict'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { removeDirectory, temporaryDirectory } from '../../testing/temporary.ts'
import { isRefusal } from '../domain/refusal.ts'
import { unpackBackup } from './unpack.ts'
import { type Item, textItem } from './walk.ts'
import { writeArchive } from './write.ts'

const never = new AbortController().signal
const head = { id: '20260101-000000-test', createdAt: 'now', keys: false, slugs: false, projects: ['shop'] }

async function rig(t: TestContext) {
  const folder = await temporaryDirectory('unpack')
  t.after(() => removeDirectory(folder))
  const file = path.join(folder, 'backup.tar.gz')
  const target = path.join(folder, 'target')
  await mkdir(target)
  const pack = async (...items: readonly Item[]) => {
    async function* all() {
      yield* items
    }
    return writeArchive(file, head, all(), never)
  }
  return { folder, file, target, pack, unpack: () => unpackBackup(file, target, never) }
}

const refused = (error: unknown) => isRefusal(error, 'invalid') && /cannot be used/.test(error.message)

test('what was packed comes out, and its list says what it was', async (t) => {
  const { pack, unpack, target } = await rig(t)
  const packed = await pack(
    textItem('nodepilot.db', 'rows'),
    { kind: 'folder', path: 'projects/shop/data', mode: 0o500 },
    textItem('projects/shop/data/ä', 'x'.repeat(70_000)),
    { kind: 'link', path: 'projects/shop/data/link', target: '../../../elsewhere' },
    { kind: 'skipped', path: 'projects/shop/data/socket' },
  )
  assert.deepEqual(await unpack(), packed)
  assert.deepEqual(packed.skipped, ['projects/shop/data/socket'])
  assert.equal((await readFile(path.join(target, 'projects/shop/data/ä'), 'utf8')).length, 70_000)
})

test('names that lead outside, or that no backup has, are refused before anything is written', async (t) => {
  const names = [
    '../evil',
    'projects/../../evil',
    '/etc/evil',
    'projects//x',
    'projects/./x',
    'evil',
    'run/x',
    'keys/a/b',
  ]
  for (const name of names) {
    const { folder, pack, unpack, target } = await rig(t)
    await pack(textItem(name, 'evil'))
    await assert.rejects(unpack(), refused, name)
    assert.deepEqual(await readdir(target), [], name)
    assert.deepEqual((await readdir(folder)).sort(), ['backup.tar.gz', 'target'])
  }
})

test('nothing is written through a link, and links are only where projects are', async (t) => {
  const through = await rig(t)
  await through.pack(
    { kind: 'link', path: 'projects/shop/out', target: through.folder },
    textItem('projects/shop/out/evil', 'evil'),
  )
  await assert.rejects(through.unpack())
  assert.deepEqual((await readdir(through.folder)).sort(), ['backup.tar.gz', 'target'])
  const database = await rig(t)
  await database.pack({ kind: 'link', path: 'nodepilot.db', target: '/etc/passwd' })
  await assert.rejects(database.unpack(), refused)
})

test('a name that comes twice is refused', async (t) => {
  const { pack, unpack } = await rig(t)
  await pack(textItem('nodepilot.db', 'one'), textItem('nodepilot.db', 'two'))
  await assert.rejects(unpack(), refused)
})
