import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { hello } from '../../testing/apps.ts'
import { startBrowser, type TestBrowser } from '../../testing/browser.ts'
import { type Pilot, startPilot } from '../../testing/pilot.ts'
import { until } from '../../testing/until.ts'
import { type WorkTree, workTree } from '../../testing/work-tree.ts'

let pilot: Pilot
let browser: TestBrowser
let tree: WorkTree

before(async () => {
  ;[pilot, browser, tree] = await Promise.all([
    startPilot({ admin: false }),
    startBrowser(),
    workTree(hello('my first app')),
  ])
})

after(async () => {
  await browser?.close()
  await tree?.remove()
  await pilot?.stop()
})

test('from the one-time link to the first push that is live, without one request too many', async () => {
  const { page, open, complaints } = await browser.visit(pilot, { as: null })
  const link = new URL((await readFile(join(pilot.home, 'run', 'setup'), 'utf8')).trim())
  await open('/')
  assert.equal(new URL(page.url()).pathname, '/setup', 'the first page of a new server leads to the set-up')
  await open(link.pathname + link.hash)
  const code = page.getByLabel('Code')
  await until('the code is filled in', async () => (await code.inputValue()) === link.hash.slice(1))
  await page.getByLabel('User name').fill('ana')
  await page.getByLabel('Password', { exact: true }).fill('short')
  await page.getByRole('button', { name: 'Create and continue' }).click()
  assert.equal(new URL(page.url()).pathname, '/setup', 'a password that is too short is not sent')
  await page.getByLabel('Password', { exact: true }).fill('a long and winding road')
  await page.getByRole('button', { name: 'Create and continue' }).click()

  await page.getByText('Waiting for the first push').waitFor()
  await page.getByLabel('Name of the project').fill('first-app')
  await page.getByRole('button', { name: 'Make a push token' }).click()
  await page.getByText('It is shown only now').waitFor()
  const commands = await page.locator('#cmd').innerText()
  const remote = /http:\/\/\S+\/git\/first-app\.git/.exec(commands)?.[0]
  assert.ok(remote, commands)
  const pushed = tree.push(remote)
  await page.waitForURL((url) => /^\/projects\/first-app(\/deploys\/1)?$/.test(url.pathname), {
    timeout: 60_000,
  })
  assert.equal((await pushed).code, 0, (await pushed).all)
  await page.getByText('Live', { exact: true }).first().waitFor()
  assert.equal((await pilot.app('first-app')).text, 'my first app')
  assert.deepEqual(complaints, [])
})

test('the link works once, and says so', async () => {
  const { page, open } = await browser.visit(pilot, { as: null })
  await open('/setup')
  await page.getByRole('heading', { name: 'NodePilot is set up' }).waitFor()
  assert.equal(await page.getByLabel('Code').count(), 0)
})
