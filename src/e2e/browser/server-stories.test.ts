import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { hello } from '../../testing/apps.ts'
import { zip } from '../../testing/archives.ts'
import { startBrowser, type TestBrowser, type Visitor } from '../../testing/browser.ts'
import { type Pilot, startPilot } from '../../testing/pilot.ts'
import { projectOf } from '../../testing/project.ts'

let pilot: Pilot
let browser: TestBrowser
let admin: Visitor

before(async () => {
  ;[pilot, browser] = await Promise.all([startPilot(), startBrowser()])
  admin = await browser.visit(pilot)
})

after(async () => {
  await browser?.close()
  await pilot?.stop()
})

test('a ZIP that is chosen in the browser goes live', async () => {
  const { page } = admin
  await admin.open('/new')
  const files = Object.entries(hello('from a ZIP'))
  const buffer = zip(files.map(([name, data]) => ({ name, data: String(data) })))
  await page.getByLabel('Archive').setInputFiles({ name: 'shelf.zip', mimeType: 'application/zip', buffer })
  assert.equal(await page.locator('#up-name').inputValue(), 'shelf')
  await page.getByRole('button', { name: 'Upload and deploy' }).click()
  await page.waitForURL((url) => url.pathname.startsWith('/projects/shelf'), { timeout: 60_000 })
  await page.getByText('Live', { exact: true }).first().waitFor({ timeout: 60_000 })
  assert.equal((await pilot.app('shelf')).text, 'from a ZIP')
  assert.deepEqual(admin.complaints, [])
})

test('a project is scaled by typing a number', async () => {
  const { page } = admin
  await admin.open('/projects/shelf/settings')
  await page.getByLabel('web', { exact: true }).fill('2')
  await page.getByRole('button', { name: 'Scale' }).click()
  await page.getByText('The processes run as asked.').waitFor({ timeout: 60_000 })
  assert.equal((await projectOf(pilot, 'shelf')).instances.length, 2)
  assert.deepEqual(admin.complaints, [])
})

test('a backup is made, proved, downloaded and removed on the page of the server', async () => {
  const { page } = admin
  await admin.open('/server')
  await page.getByRole('button', { name: 'Back up now' }).click()
  await page.getByText('a restore on trial has proved it').waitFor({ timeout: 60_000 })
  const backups = page.getByRole('region', { name: 'Backups' })
  await backups.getByText('Restored on trial').waitFor()
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    backups.getByRole('link', { name: /^Download/ }).click(),
  ])
  assert.match(download.suggestedFilename(), /^nodepilot-.*\.tar\.gz$/)
  await backups.getByRole('button', { name: /^Delete/ }).click()
  await page.getByText('The backup is removed.').waitFor()
  assert.deepEqual(admin.complaints, [])
})
