import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import { app, hello } from '../../testing/apps.ts'
import { zip } from '../../testing/archives.ts'
import { startBrowser, type TestBrowser, type Visitor } from '../../testing/browser.ts'
import { type Pilot, startPilot } from '../../testing/pilot.ts'
import { until } from '../../testing/until.ts'
import { type WorkTree, workTree } from '../../testing/work-tree.ts'

let pilot: Pilot
let browser: TestBrowser
let admin: Visitor
let tree: WorkTree

before(async () => {
  ;[pilot, browser, tree] = await Promise.all([startPilot(), startBrowser(), workTree(hello('v1'))])
  admin = await browser.visit(pilot)
})

after(async () => {
  await browser?.close()
  await tree?.remove()
  await pilot?.stop()
})

test('an upload shows how far it is, and can be cancelled without a trace', async () => {
  const { page } = admin
  await admin.open('/new')
  const devtools = await admin.context.newCDPSession(page)
  await devtools.send('Network.enable')
  const slow = { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 1_000_000 }
  await devtools.send('Network.emulateNetworkConditions', slow)
  const files = { ...hello('from a ZIP'), 'big.bin': randomBytes(12_000_000) }
  const buffer = zip(
    Object.entries(files).map(([name, data]) => ({
      name,
      data: typeof data === 'string' ? data : Buffer.from(data),
    })),
  )
  const choose = () =>
    page.getByLabel('Archive').setInputFiles({ name: 'big.zip', mimeType: 'application/zip', buffer })
  await choose()
  await page.getByRole('button', { name: 'Upload and deploy' }).click()
  const bar = page.getByRole('progressbar', { name: 'Upload' })
  await bar.waitFor()
  const seen = new Set<number>()
  await until('three different states of the progress bar', async () => {
    seen.add(await bar.evaluate((one) => (one as unknown as { value: number }).value))
    return seen.size >= 3
  })
  await page.getByRole('button', { name: 'Cancel' }).click()
  await page.getByText('Upload cancelled').waitFor({ state: 'attached' })
  await bar.waitFor({ state: 'hidden' })
  assert.equal(new URL(page.url()).pathname, '/new')
  assert.deepEqual((await pilot.api('/api/project/list')).json(), { projects: [] })

  await devtools.send('Network.emulateNetworkConditions', { ...slow, uploadThroughput: -1 })
  await choose()
  await page.getByRole('button', { name: 'Upload and deploy' }).click()
  await page.waitForURL((url) => url.pathname.startsWith('/projects/big'), { timeout: 60_000 })
  await page.getByText('Live', { exact: true }).first().waitFor()
  assert.equal((await pilot.app('big')).text, 'from a ZIP')
  assert.deepEqual(admin.complaints, [])
})

test('an archive that is refused says why in place, and what was typed stays', async () => {
  const { page } = admin
  await admin.open('/new')
  const buffer = Buffer.from('this is no archive')
  await page.getByLabel('Archive').setInputFiles({ name: 'fake.zip', mimeType: 'application/zip', buffer })
  await page.getByRole('button', { name: 'Upload and deploy' }).click()
  await page
    .getByRole('alert')
    .getByText(/archive|ZIP/i)
    .first()
    .waitFor()
  assert.equal(await page.locator('#up-name').inputValue(), 'fake')
  admin.complaints.length = 0
})

test('the output of a running deploy streams into its page, with colours, to its end', async () => {
  const { page } = admin
  const lines = `for (let n = 1; n <= 5; n++) setTimeout(() => console.log('\\x1b[32mcompiled\\x1b[0m part ' + n), n * 300)`
  await tree.commit(
    {
      ...app(`require('node:http').createServer((q, s) => s.end('ok')).listen(process.env.PORT)\n`, {
        scripts: { start: 'node server.js', build: 'node build.js' },
      }),
      'build.js': lines,
    },
    'Build slowly',
  )
  const pushed = tree.push(pilot.remote('slow'))
  await until('the deployment has begun', async () => {
    const { status } = await pilot.api('/api/project/slow/deployments/1')
    return status === 200
  })
  await admin.open('/projects/slow/deploys/1')
  const log = page.getByRole('log', { name: 'Output' })
  await log.getByText('compiled part 5').waitFor()
  await log.getByText('success: v1 is live').waitFor()
  await page.getByText('ended: live').waitFor()
  assert.equal((await pushed).code, 0)
  for (let n = 1; n <= 5; n++) assert.equal(await log.getByText(`compiled part ${n}`).count(), 1)
  assert.ok((await log.locator('.a-fg-green').count()) >= 1, 'colours are kept')
  const text = await log.innerText()
  assert.ok(!text.includes('\x1b') && !text.includes('[32m'))
  const ids: string[] = await log
    .locator('[id^=L]')
    .evaluateAll((rows) => rows.map((row) => (row as { id: string }).id))
  assert.deepEqual(
    ids,
    ids.map((_, index) => `L${index + 1}`),
    'every line has its number, once and in order',
  )
  assert.deepEqual(admin.complaints, [])
})
