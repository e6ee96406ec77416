import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { app, hello } from '../../testing/apps.ts'
import { startBrowser, type TestBrowser, type Visitor } from '../../testing/browser.ts'
import { type Pilot, startPilot } from '../../testing/pilot.ts'
import { until } from '../../testing/until.ts'
import { type WorkTree, workTree } from '../../testing/work-tree.ts'

let pilot: Pilot
let browser: TestBrowser
let admin: Visitor
let shop: WorkTree

before(async () => {
  ;[pilot, browser, shop] = await Promise.all([startPilot(), startBrowser(), workTree(hello('v1'))])
  admin = await browser.visit(pilot)
})

after(async () => {
  await browser?.close()
  await shop?.remove()
  await pilot?.stop()
})

test('an empty server shows what to push, and the first push turns the page into the deploy', async () => {
  const { page } = admin
  await admin.open('/')
  await page.getByText('git remote add nodepilot').waitFor()
  const pushed = shop.push(pilot.remote('shop'))
  await page.waitForURL((url) => /^\/projects\/shop(\/deploys\/1)?$/.test(url.pathname), { timeout: 60_000 })
  assert.equal((await pushed).code, 0)
  await page.getByText('Live', { exact: true }).first().waitFor()
  assert.deepEqual(admin.complaints, [])
})

test('a failing deploy is one click from its cause, and says what is still live', async () => {
  const { page } = admin
  const build = `node -e "console.error('src/search.ts(12,7): error TS2322');process.exit(2)"`
  await shop.commit(app('', { scripts: { start: 'node server.js', build } }), 'Add search')
  assert.notEqual((await shop.push(pilot.remote('shop'))).code, 0)
  await admin.open('/')
  await page.getByRole('link', { name: 'Last deploy failed' }).click()
  await page.getByText('src/search.ts(12,7): error TS2322').first().waitFor()
  await page.getByText('v1 is still').first().waitFor()
  assert.equal((await pilot.app('shop')).text, 'v1')
  assert.deepEqual(admin.complaints, [])
})

test('a config var is changed, shown as not applied, and applied', async () => {
  const { page } = admin
  const echo = `require('node:http').createServer((q, s) => s.end(String(process.env.GREETING))).listen(process.env.PORT)\n`
  await shop.commit(app(echo, { scripts: { start: 'node server.js' } }), 'Greet')
  assert.equal((await shop.push(pilot.remote('shop'))).code, 0)
  await admin.open('/projects/shop/env')
  await page.getByLabel('Name', { exact: true }).fill('GREETING')
  await page.locator('#var-value').fill('good morning')
  await page.getByRole('button', { name: 'Save for later' }).first().click()
  await page.getByText('1 change not applied').waitFor()
  assert.equal((await pilot.app('shop')).text, 'undefined')
  await page.getByRole('button', { name: 'Restart and apply' }).click()
  await page.getByText('Applied').waitFor()
  assert.equal((await pilot.app('shop')).text, 'good morning')
  assert.deepEqual(admin.complaints, [])
})

test('rolling back takes one question', async () => {
  const { page } = admin
  await admin.open('/projects/shop/rollback/1')
  await page.getByRole('button', { name: 'Roll back to v1' }).click()
  await page.waitForURL((url) => /^\/projects\/shop(\/deploys\/\d+)?$/.test(url.pathname))
  await page.getByText('Live', { exact: true }).first().waitFor()
  assert.equal((await pilot.app('shop')).text, 'v1')
})

test('one click keeps visitors out and one lets them in again, and every page says which', async () => {
  const { page } = admin
  await admin.open('/projects/shop')
  await page.getByRole('button', { name: 'Maintenance', exact: true }).click()
  await page.getByText('In maintenance: visitors get a 503 page').waitFor()
  await page.getByRole('heading', { name: 'In maintenance' }).waitFor()
  await page.getByText('Nobody is let through').waitFor()
  assert.match((await pilot.app('shop')).text, /^shop is in maintenance/)
  await page.getByRole('link', { name: 'add your address' }).click()
  await page.getByLabel('Maintenance page').fill('<h1>Soon</h1>\n<p>At 9')
  await page.getByLabel('Let through in maintenance').fill('203.0.113.7\nnowhere')
  await page.getByRole('button', { name: 'Save settings' }).click()
  await page.getByText('entry 2: it is no address and no range').waitFor()
  admin.complaints.length = 0
  await page.getByLabel('Let through in maintenance').fill('203.0.113.7\n2001:db8::/32')
  await page.getByRole('button', { name: 'Save settings' }).click()
  await page.getByText('Saved.').waitFor()
  const asBrowser = { headers: { accept: 'text/html' } }
  assert.equal((await pilot.app('shop', '/', asBrowser)).text, '<h1>Soon</h1>\n<p>At 9')
  await admin.open('/')
  await page.getByRole('row', { name: /shop.*Maintenance/ }).waitFor()
  await admin.open('/projects/shop')
  await page.getByText('2001:db8::/32').waitFor()
  await page.getByRole('button', { name: 'End maintenance' }).click()
  await page.getByText('Maintenance has ended').waitFor()
  assert.equal(await page.getByRole('heading', { name: 'In maintenance' }).count(), 0)
  assert.equal((await pilot.app('shop')).text, 'v1')
  assert.deepEqual(admin.complaints, [])
})

test('shortcuts lead where they say, and can be turned off', async () => {
  const { page } = admin
  await admin.open('/projects/shop')
  await page.keyboard.press('g')
  await page.keyboard.press('l')
  await page.waitForURL((url) => url.pathname === '/projects/shop/logs')
  await page.keyboard.press('?')
  await page.getByRole('dialog').getByLabel('Keyboard shortcuts are on').uncheck()
  await page.keyboard.press('Escape')
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  await page.keyboard.press('?')
  assert.equal(await page.getByRole('dialog').count(), 0)
})

test('the first view of a page is below 60 kB', async () => {
  for (const path of ['/', '/projects/shop']) {
    const fresh = await browser.visit(pilot)
    const devtools = await fresh.context.newCDPSession(fresh.page)
    await devtools.send('Network.enable')
    await devtools.send('Network.setCacheDisabled', { cacheDisabled: true })
    let bytes = 0
    devtools.on('Network.loadingFinished', ({ encodedDataLength }) => {
      bytes += encodedDataLength
    })
    await fresh.open(path)
    await fresh.page.getByRole('heading', { level: 1 }).waitFor()
    await until(`all of ${path} to be counted`, () => bytes > 5_000)
    assert.ok(bytes < 60_000, `${path}: ${bytes} bytes`)
    await fresh.context.close()
  }
})
