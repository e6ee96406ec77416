import assert from 'node:assert/strict'
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { command } from '../../testing/command.ts'
import { removeDirectory, temporaryDirectory } from '../../testing/temporary.ts'
import { maintenancePageOf } from './maintenance-page.ts'

test('the page is that of the setting, else of the live release in its folder, else none', async () => {
  const slug = await temporaryDirectory('slug')
  await mkdir(path.join(slug, 'apps/web'), { recursive: true })
  await writeFile(path.join(slug, 'maintenance.html'), 'top')
  await writeFile(path.join(slug, 'apps/web/maintenance.html'), 'web ü')
  const live = (rootDir: string) => ({ slug, plan: { rootDir } })
  assert.deepEqual(maintenancePageOf('mine', live('')), { from: 'setting', html: 'mine' })
  assert.deepEqual(maintenancePageOf(null, live('')), { from: 'app', html: 'top' })
  assert.deepEqual(maintenancePageOf(null, live('apps/web')), { from: 'app', html: 'web ü' })
  const none = { from: 'front door', html: null, problem: null }
  assert.deepEqual(maintenancePageOf(null, live('elsewhere')), none)
  assert.deepEqual(maintenancePageOf(null, null), none)
  await removeDirectory(slug)
})

test('a file that is none of the app, or no page, is not shown, and it is said why', async () => {
  const root = await temporaryDirectory('slug')
  const slug = path.join(root, 'slug')
  const file = path.join(slug, 'maintenance.html')
  await mkdir(path.join(slug, 'public'), { recursive: true })
  await writeFile(path.join(root, 'secret'), 'secret')
  await writeFile(path.join(slug, 'public/page.html'), 'linked')
  const problemWith = async (make: () => Promise<unknown>) => {
    await rm(file, { recursive: true, force: true })
    await make()
    const found = maintenancePageOf(null, { slug, plan: { rootDir: '' } })
    return found.from === 'front door' ? found.problem : found.html
  }
  assert.equal(await problemWith(() => symlink('public/page.html', file)), 'linked')
  assert.equal(await problemWith(() => symlink('../secret', file)), 'leads out of the app')
  assert.equal(await problemWith(() => symlink('/etc/hostname', file)), 'leads out of the app')
  assert.equal(await problemWith(() => symlink('maintenance.html', file)), 'cannot be read (ELOOP)')
  assert.equal(await problemWith(() => mkdir(file)), 'is no regular file')
  assert.equal(await problemWith(() => command('mkfifo', [file])), 'is no regular file')
  assert.equal(await problemWith(() => writeFile(file, 'x'.repeat(65_537))), 'is larger than 64 KiB')
  assert.equal(await problemWith(() => writeFile(file, '\n')), 'is empty')
  assert.equal(await problemWith(() => writeFile(file, 'x'.repeat(65_536))), 'x'.repeat(65_536))
  await removeDirectory(root)
})
