import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { app, hello } from '../../testing/apps.ts'
import { zip } from '../../testing/archives.ts'
import { startBrowser, type TestBrowser, type Visitor } from '../../testing/browser.ts'
import { type Pilot, startPilot } from '../../testing/pilot.ts'
import { until } from '../../testing/until.ts'
import { type WorkTree, workTree } from '../../testing/work-tree.ts'

/** A whole day's work in a browser with JavaScript turned off. */

interface Project {
  readonly healthPath: string | null
  readonly maintenance: boolean
  readonly maintenancePage: string | null
  readonly graceMs: number | null
  readonly sticky: boolean
  readonly processes: Readonly<Record<string, number>>
}

type Vars = Readonly<Record<string, string>>

let pilot: Pilot
let browser: TestBrowser
let admin: Visitor
let tree: WorkTree

before(async () => {
  ;[pilot, browser, tree] = await Promise.all([startPilot(), startBrowser(), workTree(hello('v1'))])
  const echo = `require('node:http').createServer((q, s) => s.end(String(process.env.GREETING))).listen(process.env.PORT)\n`
  assert.equal((await tree.push(pilot.remote('shop'))).code, 0)
  await tree.commit(app(echo), 'Greet')
  assert.equal((await tree.push(pilot.remote('shop'))).code, 0)
  admin = await browser.visit(pilot, { javaScript: false })
})

after(async () => {
  await browser?.close()
  await tree?.remove()
  await pilot?.stop()
})

test('deploys, logs and metrics are there to read', async () => {
  const { page } = admin
  await admin.open('/')
  await page.getByRole('link', { name: 'shop' }).click()
  await page.getByRole('navigation', { name: 'Project' }).getByRole('link', { name: 'Deploys' }).click()
  await page.getByRole('link', { name: '#2' }).click()
  await page.getByRole('log', { name: 'Output' }).getByText('success: v2 is live').waitFor()
  await admin.open('/projects/shop/logs')
  await page.getByRole('link', { name: 'Refresh' }).waitFor()
  await admin.open('/projects/shop/metrics')
  await page.getByRole('heading', { name: 'In numbers' }).waitFor()
  assert.deepEqual(admin.complaints, [])
})

test('a config var is set, and a release rolled back', async () => {
  const { page } = admin
  await admin.open('/projects/shop/env')
  await page.getByLabel('Name', { exact: true }).fill('GREETING')
  await page.locator('#var-value').fill('hello without script')
  await page.getByRole('button', { name: 'Save and apply' }).first().click()
  const said = async () => (await pilot.app('shop')).text
  await until('the new config var is live', async () => (await said()) === 'hello without script', 60_000)
  await admin.open('/projects/shop/deploys')
  await page.getByRole('link', { name: 'Roll back to v1' }).click()
  await page.getByRole('button', { name: 'Roll back to v1' }).click()
  await until('v1 answers again', async () => (await said()) === 'v1', 60_000)
})

test('a form that was left open writes nothing back that others have changed', async () => {
  const { page } = admin
  const set = (path: string, body: object, method = 'PATCH') =>
    pilot.api(`/api/project/shop${path}`, { method, body })
  const shop = async () => (await pilot.api('/api/project/shop')).json<{ project: Project }>().project
  const clash = (name: string, now: string) =>
    page.getByText(`since this page was loaded: ${name} (${now})`).waitFor()

  await admin.open('/projects/shop/settings')
  await set('', { maintenance: true, maintenancePage: '\n<h1>Soon</h1>\n', graceMs: 2_000, sticky: true })
  await page.getByLabel('Health path').fill('/up')
  await page.getByRole('button', { name: 'Save settings' }).click()
  await page.getByText('Saved.').waitFor()
  const { maintenance, maintenancePage, graceMs, sticky, healthPath } = await shop()
  assert.deepEqual(
    { maintenance, maintenancePage, graceMs, sticky, healthPath },
    {
      maintenance: true,
      maintenancePage: '\n<h1>Soon</h1>\n',
      graceMs: 2_000,
      sticky: true,
      healthPath: '/up',
    },
  )

  await set('', { healthPath: '/theirs', maintenance: false })
  await page.getByLabel('Health path').fill('/mine')
  await page.getByLabel('Grace period').fill('3')
  await page.getByRole('button', { name: 'Save settings' }).click()
  await clash('healthPath', 'it is /theirs now')
  assert.deepEqual(
    [(await shop()).healthPath, (await shop()).graceMs],
    ['/theirs', 2_000],
    'nothing is saved',
  )
  await page.getByRole('button', { name: 'Save settings' }).click()
  await page.getByText('Saved.').waitFor()
  const after = await shop()
  assert.deepEqual([after.healthPath, after.graceMs, after.maintenance], ['/mine', 3_000, false])
  await set('', { healthPath: null, maintenancePage: null })

  await admin.open('/projects/shop')
  await set('/scale', { web: 2 }, 'POST')
  await page.getByLabel('web', { exact: true }).fill('3')
  await page.getByRole('button', { name: 'Scale' }).click()
  await clash('web', 'it is 2 now')
  assert.equal((await shop()).processes.web, 2)
  await set('/scale', { web: 1 }, 'POST')
  await page.getByRole('button', { name: 'Scale' }).click()
  await page.getByText('The processes run as asked').waitFor()
  assert.equal((await shop()).processes.web, 1)

  await set('/env?apply=false', { SECRET: 'first', OTHER: 'x' })
  await admin.open('/projects/shop/env/vars/SECRET')
  await set('/env?apply=false', { envVars: { SECRET: 'theirs' }, scopes: { SECRET: 'run' } })
  await page.locator('#edit-value').fill('mine')
  await page.getByRole('button', { name: 'Save for later' }).first().click()
  await clash('value', 'it is another text now')
  await page.getByRole('button', { name: 'Save for later' }).first().click()
  await page.getByRole('heading', { name: 'Add one' }).waitFor()
  const { envVars, scopes } = (await pilot.api('/api/project/shop/env')).json<{
    envVars: Vars
    scopes: Vars
  }>()
  assert.deepEqual([envVars.SECRET, envVars.OTHER, scopes], ['mine', 'x', { SECRET: 'run' }])
  await set('/env?apply=false', { SECRET: null, OTHER: null })
  assert.equal(admin.complaints.filter((one) => !/409/.test(one)).length, 0, admin.complaints.join())
  admin.complaints.length = 0
})

test('an archive is uploaded', async () => {
  const { page } = admin
  await admin.open('/new')
  const files = Object.entries(hello('plain form'))
  const buffer = zip(files.map(([name, data]) => ({ name, data: String(data) })))
  await page.getByLabel('Name', { exact: true }).fill('plain')
  await page.getByLabel('Archive').setInputFiles({ name: 'plain.zip', mimeType: 'application/zip', buffer })
  await page.getByRole('button', { name: 'Upload and deploy' }).click()
  await page.waitForURL((url) => url.pathname.startsWith('/projects/plain'))
  await until('it is live', async () => (await pilot.app('plain')).text === 'plain form', 60_000)
})

test('stopping asks on a page of its own, and deleting wants the name typed', async () => {
  const { page } = admin
  await admin.open('/projects/plain')
  await page.getByRole('link', { name: 'Stop' }).click()
  await page.getByRole('button', { name: /^Stop/ }).click()
  await until('it is stopped', async () => (await pilot.app('plain')).status === 503)
  await page.getByRole('button', { name: 'Start' }).click()
  await until('it runs again', async () => (await pilot.app('plain')).status === 200)
  await admin.open('/projects/plain/settings')
  await page.getByLabel(/Type .*plain/).fill('shop')
  await page.getByRole('button', { name: /Delete/ }).click()
  await page.getByRole('alert').waitFor()
  assert.equal((await pilot.api('/api/project/plain')).status, 200, 'another name deletes nothing')
  await page.getByLabel(/Type .*plain/).fill('plain')
  await page.getByRole('button', { name: /Delete/ }).click()
  await until('it is gone', async () => (await pilot.api('/api/project/plain')).status === 404)
  await page.goto('/')
  await page.locator('summary').filter({ hasText: 'admin' }).click()
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.waitForURL((url) => url.pathname === '/login')
})
