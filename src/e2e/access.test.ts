import assert from 'node:assert/strict'
import { request } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { hello } from '../testing/apps.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { answered } from '../testing/project.ts'
import { routesOfServer } from '../testing/routes.ts'
import { workTree } from '../testing/work-tree.ts'

/**
 * Who may do what, asked of the running server: every route × everybody. A route that is not in the table fails
 * the first test.
 *
 * To add a route, add a line to `api` (bearer token or cookie) or `pages` (cookie alone; strangers are led to the
 * login): method and path as the router has them, then who may: `anyone`, `signed-in`, or an action of `allowed`.
 * Every request carries a body that does nothing (`{}` or an empty form) and names nothing that exists but the
 * project `shop`; whoever may is answered anything but 401, 403 and 5xx. A route that ends the project when it is
 * called so goes into `destructive`, one that signs out into `last`.
 */

type Right = 'anyone' | 'signed-in' | keyof typeof allowed

const people = ['outsider', 'viewer', 'deployer', 'owner', 'admin'] as const
const tokens = ['other token', 'read token', 'push token', 'admin token'] as const
const everybody = ['anonymous', ...people, ...tokens] as const
type Name = (typeof everybody)[number]

/** The table of README, written down once more on purpose. The tokens are an admin's; "other" is for another project. */
const allowed = {
  'project.read': ['viewer', 'deployer', 'owner', 'admin', 'read token', 'push token', 'admin token'],
  'project.deploy': ['deployer', 'owner', 'admin', 'push token', 'admin token'],
  'project.operate': ['deployer', 'owner', 'admin', 'admin token'],
  'project.manage': ['owner', 'admin', 'admin token'],
  'project.create': [...people, 'push token', 'admin token'],
  'account.read': [...people, 'read token', 'push token', 'admin token'],
  'account.manage': people,
  'server.read': ['admin', 'read token', 'admin token'],
  'server.manage': ['admin', 'admin token'],
  'users.manage': ['admin'],
} as const satisfies Record<string, readonly Name[]>

const api: Readonly<Record<string, Right>> = {
  'GET /health': 'anyone',
  'GET /tls/ask': 'anyone',
  'GET /metrics': 'server.read',
  'GET /api/openapi.json': 'signed-in',
  'POST /api/setup': 'anyone',
  'POST /api/auth/login': 'anyone',
  'POST /api/auth/device': 'anyone',
  'POST /api/auth/device/token': 'anyone',
  'GET /api/auth/verify': 'signed-in',
  'POST /api/auth/logout': 'signed-in',
  'POST /api/auth/change-password': 'account.manage',
  'GET /api/auth/sessions': 'account.read',
  'DELETE /api/auth/sessions/:session': 'account.manage',
  'GET /api/auth/tokens': 'account.read',
  'POST /api/auth/tokens': 'account.manage',
  'DELETE /api/auth/tokens/:token': 'account.manage',
  'GET /api/users': 'server.read',
  'POST /api/users': 'users.manage',
  'PATCH /api/users/:user': 'users.manage',
  'DELETE /api/users/:user': 'users.manage',
  'GET /api/audit': 'server.read',
  'GET /api/system/info': 'server.read',
  'GET /api/system/metrics': 'server.read',
  'GET /api/system/processes': 'server.read',
  'GET /api/system/disk': 'server.read',
  'POST /api/system/disk/clean': 'server.manage',
  'GET /api/system/backups': 'server.read',
  'POST /api/system/keys/rotate': 'server.manage',
  'POST /api/system/backup': 'server.manage',
  'GET /api/system/backups/:backup/download': 'server.manage',
  'DELETE /api/system/backups/:backup': 'server.manage',
  'GET /api/deployments': 'signed-in',
  'POST /api/project/create': 'project.create',
  'GET /api/project/list': 'signed-in',
  'GET /api/project/:id': 'project.read',
  'PATCH /api/project/:id': 'project.manage',
  'DELETE /api/project/:id': 'project.manage',
  'POST /api/project/:id/start': 'project.operate',
  'POST /api/project/:id/stop': 'project.operate',
  'POST /api/project/:id/restart': 'project.operate',
  'POST /api/project/:id/scale': 'project.operate',
  'POST /api/project/:id/run': 'project.operate',
  'POST /api/project/:id/run/:run/input': 'project.operate',
  'POST /api/hooks/:project': 'anyone',
  'GET /api/project/:id/remote': 'project.read',
  'PUT /api/project/:id/remote': 'project.manage',
  'DELETE /api/project/:id/remote': 'project.manage',
  'POST /api/project/:id/remote/secret': 'project.manage',
  'POST /api/project/:id/remote/key': 'project.manage',
  'GET /api/project/:id/remote/deliveries': 'project.read',
  'POST /api/project/:id/fetch': 'project.deploy',
  'GET /api/project/:id/cron': 'project.read',
  'POST /api/project/:id/cron/:job/run': 'project.operate',
  'GET /api/project/:id/cron/runs': 'project.read',
  'GET /api/project/:id/cron/runs/:run': 'project.read',
  'GET /api/project/:id/cron/runs/:run/output': 'project.read',
  'POST /api/project/:id/cron/runs/:run/cancel': 'project.operate',
  'POST /api/project/:id/deploy': 'project.deploy',
  'POST /api/project/:id/rollback': 'project.deploy',
  'GET /api/project/:id/releases': 'project.read',
  'GET /api/project/:id/deployments': 'project.read',
  'GET /api/project/:id/deployments/:number': 'project.read',
  'GET /api/project/:id/deployments/:number/changes': 'project.read',
  'GET /api/project/:id/deployments/:number/log': 'project.read',
  'POST /api/project/:id/deployments/:number/cancel': 'project.deploy',
  'GET /api/project/:id/env': 'project.operate',
  'PUT /api/project/:id/env': 'project.operate',
  'PATCH /api/project/:id/env': 'project.operate',
  'GET /api/project/:id/previews': 'project.read',
  'GET /api/project/:id/domains': 'project.read',
  'POST /api/project/:id/domains': 'project.manage',
  'PATCH /api/project/:id/domains/:domain': 'project.manage',
  'DELETE /api/project/:id/domains/:domain': 'project.manage',
  'POST /api/project/:id/domains/:domain/check': 'project.read',
  'GET /api/project/:id/members': 'project.read',
  'PUT /api/project/:id/members/:username': 'project.manage',
  'DELETE /api/project/:id/members/:username': 'project.manage',
  'GET /api/project/:id/logs': 'project.read',
  'GET /api/project/:id/logs/download': 'project.read',
  'GET /api/project/:id/logs/stream': 'project.read',
  'GET /api/project/:id/metrics': 'project.read',
  'GET /api/project/:id/traffic': 'project.read',
}

const pages: Readonly<Record<string, Right>> = {
  'GET /setup': 'anyone',
  'POST /setup': 'anyone',
  'GET /login': 'anyone',
  'POST /login': 'anyone',
  'POST /logout': 'anyone',
  'POST /theme': 'anyone',
  'GET /favicon.ico': 'anyone',
  'GET /assets/:file': 'anyone',
  'GET /': 'signed-in',
  'GET /device': 'signed-in',
  'POST /device': 'signed-in',
  'GET /projects/:id': 'project.read',
  'GET /projects/:id/logs': 'project.read',
  'GET /projects/:id/deploys/:number': 'project.read',
  'GET /deploys': 'signed-in',
  'GET /projects/:id/deploys': 'project.read',
  'GET /projects/:id/deploys/:number/output': 'project.read',
  'GET /projects/:id/env': 'project.read',
  'GET /projects/:id/deploys/:number/cancel': 'project.deploy',
  'POST /projects/:id/deploys/:number/cancel': 'project.deploy',
  'GET /projects/:id/rollback/:release': 'project.deploy',
  'POST /projects/:id/rollback/:release': 'project.deploy',
  'POST /projects/:id/redeploy': 'project.deploy',
  'POST /projects/:id/upload': 'project.deploy',
  'GET /projects/:id/env/export': 'project.operate',
  'GET /projects/:id/env/vars/:name': 'project.operate',
  'GET /projects/:id/env/vars/:name/remove': 'project.operate',
  'GET /projects/:id/env/vars/:name/value': 'project.operate',
  'POST /projects/:id/env': 'project.operate',
  'POST /projects/:id/env/apply': 'project.operate',
  'POST /projects/:id/env/vars/:name/remove': 'project.operate',
  'GET /projects/:id/stop': 'project.operate',
  'POST /projects/:id/start': 'project.operate',
  'POST /projects/:id/stop': 'project.operate',
  'POST /projects/:id/restart': 'project.operate',
  'POST /projects/:id/maintenance': 'project.manage',
  'GET /new': 'project.create',
  'GET /new/first-push': 'project.create',
  'POST /new/sample': 'project.create',
  'POST /new/token': 'project.create',
  'POST /new/upload': 'project.create',
  'GET /projects/:id/domains': 'project.read',
  'GET /projects/:id/metrics': 'project.read',
  'GET /projects/:id/settings': 'project.read',
  'GET /projects/:id/remote': 'project.read',
  'POST /projects/:id/remote': 'project.manage',
  'POST /projects/:id/remote/secret': 'project.manage',
  'POST /projects/:id/remote/key': 'project.manage',
  'POST /projects/:id/remote/remove': 'project.manage',
  'POST /projects/:id/fetch': 'project.deploy',
  'GET /projects/:id/jobs': 'project.read',
  'POST /projects/:id/jobs/:job/run': 'project.operate',
  'GET /projects/:id/jobs/runs/:run': 'project.read',
  'GET /projects/:id/jobs/runs/:run/output': 'project.read',
  'POST /projects/:id/jobs/runs/:run/cancel': 'project.operate',
  'POST /projects/:id/scale': 'project.operate',
  'GET /projects/:id/domains/:domain/remove': 'project.manage',
  'POST /projects/:id/domains': 'project.manage',
  'POST /projects/:id/domains/:domain/check': 'project.manage',
  'POST /projects/:id/domains/:domain/primary': 'project.manage',
  'POST /projects/:id/domains/:domain/remove': 'project.manage',
  'POST /projects/:id/settings': 'project.manage',
  'POST /projects/:id/settings/delete': 'project.manage',
  'POST /projects/:id/settings/members': 'project.manage',
  'POST /projects/:id/settings/members/:username/remove': 'project.manage',
  'GET /server': 'server.read',
  'POST /server/backups': 'server.manage',
  'POST /server/disk/clean': 'server.manage',
  'POST /server/backups/:backup/remove': 'server.manage',
  'GET /api/docs': 'signed-in',
  'GET /settings': 'account.read',
  'POST /settings/password': 'account.manage',
  'POST /settings/sessions/:session/end': 'account.manage',
  'GET /settings/tokens': 'account.read',
  'POST /settings/tokens': 'account.manage',
  'POST /settings/tokens/:token/revoke': 'account.manage',
  'GET /settings/users': 'users.manage',
  'POST /settings/users': 'users.manage',
  'GET /settings/users/:user': 'users.manage',
  'POST /settings/users/:user/password': 'users.manage',
  'POST /settings/users/:user/remove': 'users.manage',
  'POST /settings/users/:user/role': 'users.manage',
  'GET /settings/audit': 'server.read',
}

/** The project is made again before each of these. */
const destructive: ReadonlySet<string> = new Set(['DELETE /api/project/:id'])
/** Sessions end with these. */
const last = ['POST /api/auth/logout', 'POST /logout']

const may = (name: Name, right: Right): boolean => {
  if (right === 'anyone') return true
  if (right === 'signed-in') return name !== 'anonymous'
  const names: readonly Name[] = allowed[right]
  return names.includes(name)
}

/** `shop` is there; nobody and nothing else is. */
const fill = (path: string) =>
  path
    .replace(':id', 'shop')
    .replace(':username', 'nobody')
    .replace(':domain', 'nothing.example')
    .replace(/:\w+/g, '999999')

describe('who may do what', { timeout: 240_000 }, () => {
  let pilot: Pilot
  const secrets = new Map<Name, string>()
  const passwords = new Map<Name, string>()

  const ask = (path: string, body?: object, method = 'POST') =>
    pilot.api(path, { method, ...(body && { body }) })

  const makeShop = async () => {
    const created = await ask('/api/project/create', { name: 'shop' })
    assert.ok(created.status === 201 || created.status === 409, created.text)
    for (const role of ['viewer', 'deployer', 'owner']) {
      answered(await ask(`/api/project/shop/members/${role}`, { role }, 'PUT'))
    }
  }

  before(async () => {
    pilot = await startPilot()
    passwords.set('admin', pilot.password)
    for (const username of people.slice(0, 4)) {
      const password = `the password of ${username}`
      passwords.set(username, password)
      answered(await ask('/api/users', { username, password }), 201)
    }
    for (const username of people) {
      const body = { username, password: passwords.get(username) ?? '' }
      secrets.set(username, answered(await ask('/api/auth/login', body)).json<{ token: string }>().token)
    }
    await makeShop()
    answered(await ask('/api/project/create', { name: 'other' }), 201)
    const make = async (name: Name, scope: string, project?: string) => {
      const made = answered(await ask('/api/auth/tokens', { name, scope, project }), 201)
      secrets.set(name, made.json<{ token: string }>().token)
    }
    await make('other token', 'admin', 'other')
    await make('read token', 'read')
    await make('push token', 'push')
    await make('admin token', 'admin')
  })
  after(() => pilot?.stop())

  /** The status, as soon as there is one: some answers never end. */
  const statusOf = (route: string, headers: Record<string, string>) =>
    new Promise<{ status: number; location: string }>((resolve, reject) => {
      const [method = '', path = ''] = route.split(' ')
      const unsafe = method !== 'GET'
      const isForm = unsafe && !path.startsWith('/api/')
      const body = unsafe && !isForm ? '{}' : ''
      const type = {
        'content-type': isForm ? 'application/x-www-form-urlencoded' : 'application/json',
        'content-length': String(body.length),
      }
      const asked = request(new URL(fill(path), pilot.url), {
        method,
        agent: false,
        headers: { ...(unsafe && type), ...headers },
        timeout: 30_000,
      })
      const done = (status: number, location = '') => {
        resolve({ status, location })
        asked.destroy()
      }
      asked.on('response', ({ statusCode = 0, headers: { location } }) => done(statusCode, location))
      asked.on('upgrade', (_, socket) => {
        done(101)
        socket.destroy()
      })
      asked.on('error', reject)
      asked.on('timeout', () => asked.destroy(new Error(`${route} does not answer`)))
      asked.end(body)
    })

  const bearer = (name: Name): Record<string, string> =>
    name === 'anonymous' ? {} : { authorization: `Bearer ${secrets.get(name)}` }
  const cookie = (name: Name) => ({
    cookie: `nodepilot=${secrets.get(name)}`,
    'sec-fetch-site': 'same-origin',
  })
  const isPerson = (name: Name) => (people as readonly Name[]).includes(name)

  const check = (what: string, status: number, name: Name, right: Right) => {
    const told = `${what} by ${name}: ${status}`
    assert.ok(status < 500, told)
    if (may(name, right)) assert.ok(status !== 403 && status !== 401, told)
    else assert.equal(status, name === 'anonymous' ? 401 : 403, told)
  }

  test('every route of the server is in the table, and the table has no others', async () => {
    assert.deepEqual(await routesOfServer(), [...Object.keys(api), ...Object.keys(pages)].sort())
  })

  const inOrder = (table: Readonly<Record<string, Right>>) =>
    Object.entries(table).filter(([route]) => !last.includes(route))

  for (const [route, right] of inOrder(api)) {
    test(`${route}: ${right}`, async () => {
      for (const name of everybody) {
        if (destructive.has(route)) await makeShop()
        check(route, (await statusOf(route, bearer(name))).status, name, right)
        if (!isPerson(name)) continue
        if (destructive.has(route)) await makeShop()
        check(`${route} with a cookie`, (await statusOf(route, cookie(name))).status, name, right)
      }
      if (destructive.has(route)) await makeShop()
    })
  }

  for (const [route, right] of inOrder(pages)) {
    test(`${route}, a page: ${right}`, async () => {
      for (const name of everybody) {
        if (destructive.has(route)) await makeShop()
        const { status, location } = await statusOf(route, isPerson(name) ? cookie(name) : bearer(name))
        if (right === 'anyone' || isPerson(name)) check(route, status, name, right)
        else assert.match(`${status} ${location}`, /^303 \/login(\?|$)/, `${route} by ${name}`)
      }
      if (destructive.has(route)) await makeShop()
    })
  }

  test('a part of a page tells the script of a signed-out browser where to go', async () => {
    const { status } = await statusOf('GET /projects/:id', { 'hx-request': 'true' })
    assert.equal(status, 401)
  })

  const basic = (name: Name): Record<string, string> => {
    if (name === 'anonymous') return {}
    const credentials = isPerson(name) ? `${name}:${passwords.get(name)}` : `any:${secrets.get(name)}`
    return { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` }
  }

  for (const [service, right] of [
    ['git-upload-pack', 'project.read'],
    ['git-receive-pack', 'project.deploy'],
  ] as const) {
    test(`${service}: ${right}`, async () => {
      for (const name of everybody) {
        const { status } = await statusOf(`GET /git/shop.git/info/refs?service=${service}`, basic(name))
        check(service, status, name, right)
        if (may(name, right)) assert.equal(status, 200, `${service} by ${name}`)
      }
    })
  }

  test('a first push asks for project.create, and what is not there is fetched by nobody', async () => {
    for (const name of everybody) {
      const push = await statusOf('GET /git/newcomer.git/info/refs?service=git-receive-pack', basic(name))
      check('a first push', push.status, name, 'project.create')
      const fetch = await statusOf('GET /git/newcomer.git/info/refs?service=git-upload-pack', basic(name))
      assert.equal(fetch.status, name === 'anonymous' ? 401 : 404, name)
    }
  })

  test('the logs as a WebSocket: project.read', async () => {
    for (const name of everybody) {
      for (const credentials of isPerson(name) ? [bearer(name), cookie(name)] : [bearer(name)]) {
        const upgrade = {
          connection: 'Upgrade',
          upgrade: 'websocket',
          'sec-websocket-version': '13',
          'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
        }
        const route = 'GET /api/project/:id/logs/stream'
        const { status } = await statusOf(route, { ...credentials, ...upgrade })
        check('the WebSocket', status, name, 'project.read')
      }
    }
  })

  test('the first push of a member makes a project that is the member’s own, and seen by no other', async () => {
    const tree = await workTree(hello('mine'))
    const pushed = await tree.push(pilot.remote('mine', 'outsider', passwords.get('outsider')))
    await tree.remove()
    assert.equal(pushed.code, 0, pushed.all)
    const listed = async (name: Name) => {
      const answer = answered(await pilot.api('/api/project/list', { token: secrets.get(name) ?? '' }))
      return answer.json<{ projects: { name: string }[] }>().projects.map((project) => project.name)
    }
    for (const name of [...people, ...tokens.filter((token) => token !== 'other token')]) {
      const sees = name === 'outsider' || name.startsWith('admin') || name.endsWith('token')
      assert.equal((await listed(name)).includes('mine'), sees, name)
      const inShop = name !== 'outsider'
      assert.equal((await listed(name)).includes('shop'), inShop, name)
    }
    assert.deepEqual(await listed('other token'), ['other'])
    const { members } = (await ask('/api/project/mine/members', undefined, 'GET')).json<{
      members: { username: string; role: string }[]
    }>()
    assert.deepEqual(
      members.map(({ username, role }) => `${username} ${role}`),
      ['outsider owner'],
    )
  })

  for (const route of last) {
    test(`${route} ends the session at once`, async () => {
      const body = { username: 'viewer', password: passwords.get('viewer') ?? '' }
      const login = answered(await ask('/api/auth/login', body)).json<{ token: string }>()
      secrets.set('viewer', login.token)
      assert.equal((await statusOf('GET /api/auth/verify', cookie('viewer'))).status, 200)
      assert.ok((await statusOf(route, cookie('viewer'))).status < 400)
      assert.equal((await statusOf('GET /api/auth/verify', cookie('viewer'))).status, 401)
      assert.equal((await statusOf('GET /api/auth/verify', bearer('viewer'))).status, 401)
    })
  }
})
