import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { hello } from '../../testing/apps.ts'
import { startBrowser, type TestBrowser, type Visitor } from '../../testing/browser.ts'
import { type Pilot, startPilot } from '../../testing/pilot.ts'
import { answered } from '../../testing/project.ts'
import { workTree } from '../../testing/work-tree.ts'

let pilot: Pilot
let browser: TestBrowser
let admin: Visitor
const ben = { username: 'ben', password: 'ben has a long password' } as const

before(async () => {
  ;[pilot, browser] = await Promise.all([startPilot(), startBrowser()])
  for (const name of ['shop', 'blog']) {
    answered(await pilot.api('/api/project/create', { method: 'POST', body: { name } }), 201)
  }
  admin = await browser.visit(pilot)
})

after(async () => {
  await browser?.close()
  await pilot?.stop()
})

test('a token is shown once, can be copied, pushes, and is refused once it is revoked', async () => {
  const { page } = admin
  await admin.open('/settings/tokens')
  await page.getByLabel('Name', { exact: true }).fill('laptop')
  await page.getByLabel('Project', { exact: true }).selectOption('shop')
  await page.getByRole('button', { name: 'Make token' }).click()
  const token = (await page.locator('#token').innerText()).trim()
  assert.match(token, /^np_\w{20,}$/)
  await page.getByRole('button', { name: 'Copy the token' }).click()
  await page.getByText('Copied', { exact: true }).first().waitFor()
  assert.equal(await page.evaluate('navigator.clipboard.readText()'), token)

  await admin.open('/settings/tokens')
  assert.equal((await page.content()).includes(token), false, 'it was shown a second time')

  const tree = await workTree(hello('by token'))
  assert.equal((await tree.push(pilot.remote('shop', 'any', token))).code, 0)
  await page.getByRole('button', { name: 'Revoke laptop' }).click()
  await page.getByText('The token is revoked.').waitFor()
  await tree.commit()
  assert.notEqual((await tree.push(pilot.remote('shop', 'any', token))).code, 0)
  await tree.remove()
  assert.deepEqual(admin.complaints, [])
})

test('an invited member sees the project it was invited to and nothing else', async () => {
  const { page } = admin
  await admin.open('/settings/users')
  await page.getByLabel('User name').fill(ben.username)
  await page.getByLabel('Password').fill(ben.password)
  await page.getByRole('button', { name: 'Add user' }).click()
  await page.getByText('The user is added.').waitFor()

  await admin.open('/projects/shop/settings')
  await page.getByLabel('User name').fill(ben.username)
  await page.locator('#f-role').selectOption('viewer')
  await page.getByRole('button', { name: 'Invite' }).click()
  await page.getByText('The members are changed.').waitFor()

  const guest = await browser.visit(pilot, { as: ben })
  await guest.open('/')
  await guest.page.getByRole('link', { name: 'shop' }).first().waitFor()
  assert.equal(await guest.page.getByRole('link', { name: 'blog' }).count(), 0)
  assert.equal(await guest.page.getByRole('link', { name: 'Server' }).count(), 0)
  assert.equal(await guest.open('/projects/shop/settings'), 200)
  assert.equal(await guest.page.getByRole('button', { name: 'Delete project' }).count(), 0)
  assert.deepEqual(guest.complaints, [])
  for (const path of ['/projects/blog', '/server', '/settings/users', '/settings/audit']) {
    assert.equal(await guest.open(path), 403, path)
    await guest.page.getByRole('heading', { name: 'Not allowed' }).waitFor()
  }
  await guest.context.close()
})

test('what cannot be undone is asked for by name, and the server checks it', async () => {
  const { page } = admin
  await admin.open('/projects/blog/settings')
  await page.getByLabel('Type blog to confirm').fill('shop')
  const refused = page.waitForResponse((response) => response.request().method() === 'POST')
  await page.getByRole('button', { name: 'Delete project' }).click()
  assert.equal((await refused).status(), 422)
  await page.getByRole('alert').getByText('type blog to confirm').waitFor()
  assert.equal(await page.getByLabel('Type blog to confirm').inputValue(), 'shop')
  admin.complaints.length = 0

  await page.getByLabel('Type blog to confirm').fill('blog')
  await page.getByRole('button', { name: 'Delete project' }).click()
  await page.waitForURL((url) => url.pathname === '/')
  assert.equal((await pilot.api('/api/project/blog')).status, 404)
  assert.deepEqual(admin.complaints, [])
})

test('settings keep what was typed when something is wrong, and take effect when it is right', async () => {
  const { page } = admin
  await admin.open('/projects/shop/settings')
  await page.getByLabel('Display name').fill('The shop')
  await page.getByLabel('Health path').fill('//evil.example')
  await page.getByRole('button', { name: 'Save settings' }).click()
  await page.getByRole('alert').waitFor()
  assert.equal(await page.getByLabel('Display name').inputValue(), 'The shop')
  assert.equal(await page.getByLabel('Health path').getAttribute('aria-invalid'), 'true')
  admin.complaints.length = 0

  await page.getByLabel('Health path').fill('/')
  await page.getByLabel('Boot timeout in seconds').fill('30')
  await page.getByRole('button', { name: 'Save settings' }).click()
  await page.getByText('Saved.').waitFor()
  const { project } = answered(await pilot.api('/api/project/shop')).json<{ project: object }>()
  const { displayName, healthPath, bootTimeoutMs } = project as Record<string, unknown>
  assert.deepEqual(
    { displayName, healthPath, bootTimeoutMs },
    { displayName: 'The shop', healthPath: '/', bootTimeoutMs: 30_000 },
  )
  assert.deepEqual(admin.complaints, [])
})

test('a domain is added with the record to set, and removed after one question', async () => {
  const { page } = admin
  await admin.open('/projects/shop/domains')
  await page.getByLabel('Host name').fill('localhost')
  await page.getByRole('button', { name: 'Add domain' }).click()
  await page.getByRole('alert').waitFor()
  admin.complaints.length = 0
  await page.getByLabel('Host name').fill('Shop.Example.COM')
  await page.getByRole('button', { name: 'Add domain' }).click()
  await page.getByRole('heading', { name: 'shop.example.com' }).waitFor()
  await page.getByRole('button', { name: 'Copy the value' }).waitFor()
  await page.getByRole('link', { name: 'Remove shop.example.com' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Remove domain' }).click()
  await page.getByText('The domain is removed.').waitFor()
  assert.deepEqual(admin.complaints, [])
})

test('a session that is ended elsewhere is over at once, and signing out leads to sign-in', async () => {
  const other = await browser.visit(pilot, { as: ben })
  await other.open('/settings')
  const sessions = other.page.getByRole('region', { name: 'Sessions' })
  await sessions.getByText('this one').waitFor()
  const third = await browser.visit(pilot, { as: ben })
  await other.open('/settings')
  for (;;) {
    const ends = sessions.getByRole('button', { name: /^End / })
    const left = await ends.count()
    if (left === 0) break
    await ends.first().click()
    await other.page.getByText('The session has ended.').waitFor()
    await other.open('/settings')
  }
  await third.open('/settings')
  assert.equal(new URL(third.page.url()).pathname, '/login')

  await other.page.getByText(ben.username).first().click()
  await other.page.getByRole('button', { name: 'Sign out' }).first().click()
  await other.page.waitForURL((url) => url.pathname === '/login')
  await other.open('/settings')
  assert.equal(new URL(other.page.url()).pathname, '/login')
  await Promise.all([other.context.close(), third.context.close()])
})

test('without JavaScript account, tokens, users and project settings work as well', async () => {
  const plain = await browser.visit(pilot, { javaScript: false })
  const { page } = plain
  await plain.open('/settings/tokens')
  await page.getByLabel('Name', { exact: true }).fill('plain')
  await page.getByRole('button', { name: 'Make token' }).click()
  assert.match(await page.locator('#token').innerText(), /^np_/)
  assert.equal(await page.getByRole('button', { name: 'Copy the token' }).isVisible(), false)
  await plain.open('/projects/shop/settings')
  await page.getByLabel('Releases to keep').fill('3')
  await page.getByRole('button', { name: 'Save settings' }).click()
  await page.getByText('Saved.').waitFor()
  await plain.open('/projects/shop/metrics?range=24h')
  await page.getByRole('heading', { name: 'In numbers' }).waitFor()
  await plain.context.close()
})

test('the audit log tells what was done, by whom, and never a password', async () => {
  await admin.open('/settings/audit?user=admin')
  const log = admin.page.getByRole('region', { name: 'Audit log' })
  for (const action of ['user.create', 'token.create', 'member.add', 'project.remove']) {
    await log.getByText(action, { exact: true }).first().waitFor()
  }
  assert.equal((await admin.page.content()).includes(ben.password), false)
})
