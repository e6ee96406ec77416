import assert from 'node:assert/strict'
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { command } from '../../testing/command.ts'
import { removeDirectory, temporaryDirectory } from '../../testing/temporary.ts'
import { releasePlan } from '../domain/release-plan.ts'
import { projectSettings } from '../domain/settings.ts'
import { maintenancePageOf } from './maintenance-page.ts'

/** `rootDir` null: nothing is live. */
function pageIn(slug: string, rootDir: string | null, maintenancePage: string | null = null) {
  const project = { name: 'shop', settings: projectSettings.parse({ maintenancePage }) }
  const live = rootDir === null ? undefined : { slug: 1, plan: releasePlan.parse({ rootDir }) }
  return maintenancePageOf({ release: () => slug }, project, live)
}

test('the page is that of the setting, else of the live release in its folder, else none', async () => {
  const slug = await temporaryDirectory('slug')
  await mkdir(path.join(slug, 'apps/web'), { recursive: true })
  await writeFile(path.join(slug, 'maintenance.html'), 'top')
  await writeFile(path.join(slug, 'apps/web/maintenance.html'), 'web ü')
  assert.deepEqual(pageIn(slug, '', 'mine'), { from: 'setting', html: 'mine' })
  assert.deepEqual(pageIn(slug, ''), { from: 'app', html: 'top' })
  assert.deepEqual(pageIn(slug, 'apps/web'), { from: 'app', html: 'web ü' })
  const none = { from: 'front door', html: null, problem: null }
  assert.deepEqual(pageIn(slug, 'elsewhere'), none)
  assert.deepEqual(pageIn(slug, null), none)
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
    const found = pageIn(slug, '')
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
  assert.equal(await problemWith(() => writeFile(file, 'grüße', 'latin1')), 'is not in UTF-8')
  assert.equal(await problemWith(() => writeFile(file, 'x'.repeat(65_536))), 'x'.repeat(65_536))
  await removeDirectory(root)
})
