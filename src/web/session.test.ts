import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readlinkSync } from 'node:fs'
import { createServer, type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { sign } from 'hono/jwt'
import type { Passwords } from '../engine/passwords.ts'
import { type AccountCases, createAccountCases } from '../engine/use-cases/accounts.ts'
import { createLab, type Lab, revisionOf } from '../testing/engine-lab.ts'
import { until } from '../testing/until.ts'
import { createSockets } from './live/upgrade.ts'
import { paths } from './paths.ts'
import { createWeb } from './server.ts'
import { signSession } from './session.ts'

const jwtKey = 'k'.repeat(64)
const seconds = () => Math.floor(Date.now() / 1000)

const passwords: Passwords = {
  hash: async (password) => `hashed ${password}`,
  verify: async (password, hash) => hash === `hashed ${password}`,
  close: async () => {},
}

interface Rig {
  readonly lab: Lab
  readonly accounts: AccountCases
  readonly sessionId: string
  readonly web: ReturnType<typeof createWeb>
  fetch(to: string, authorization?: string, init?: RequestInit): Promise<Response>
}

async function withWeb(work: (rig: Rig) => Promise<void>): Promise<void> {
  const lab = await createLab()
  try {
    const accounts = createAccountCases({ store: lab.store, passwords, clock: Date.now, audit: () => {} })
    await accounts.ensureAdmin('correct horse')
    const { addresses, limits, report } = lab.deps
    const web = createWeb({
      engine: lab.engine,
      accounts,
      addresses,
      limits,
      report,
      jwtKey,
      uploads: lab.paths.uploads,
      pm2Version: '7',
      version: '0',
      health: async () => ({ database: true }),
    })
    const credentials = { username: 'admin', password: 'correct horse', address: 'x' }
    const { sessionId } = await accounts.login(credentials)
    const fetch = async (to: string, authorization?: string, init: RequestInit = {}) =>
      web.fetch(
        new Request(`http://panel${to}`, {
          ...init,
          headers: authorization === undefined ? {} : { authorization },
        }),
      )
    await work({ lab, accounts, sessionId, web, fetch })
  } finally {
    await lab.close()
  }
}

const claims = (sid: string) => ({ sub: '1', sid, iat: seconds(), exp: seconds() + 60 })

const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')

/** A JWT made by hand, so that its header can lie. */
function forge(header: object, payload: object, key: string | null, digest = 'sha256'): string {
  const text = `${encode(header)}.${encode(payload)}`
  return `${text}.${key === null ? '' : createHmac(digest, key).update(text).digest('base64url')}`
}

test('a session signed by us is accepted', async () => {
  await withWeb(async ({ fetch, sessionId }) => {
    const expiresAt = new Date(Date.now() + 60_000)
    const token = await signSession(jwtKey, { userId: 1, sessionId, expiresAt }, Date.now())
    const answer = await fetch('/api/auth/verify', `Bearer ${token}`)
    assert.equal(answer.status, 200)
    assert.deepEqual(await answer.json(), { user: { id: 1, username: 'admin', role: 'admin' } })
  })
})

const forged: readonly [string, (sid: string) => string | Promise<string>][] = [
  ['alg none', (sid) => forge({ alg: 'none', typ: 'JWT' }, claims(sid), null)],
  ['alg none with our signature', (sid) => forge({ alg: 'none', typ: 'JWT' }, claims(sid), jwtKey)],
  ['a wrong key', (sid) => sign(claims(sid), 'x'.repeat(64), 'HS256')],
  ['an empty key', (sid) => forge({ alg: 'HS256', typ: 'JWT' }, claims(sid), '')],
  ['HS512 with the right key', (sid) => sign(claims(sid), jwtKey, 'HS512')],
  ['HS512 in the header only', (sid) => forge({ alg: 'HS512', typ: 'JWT' }, claims(sid), jwtKey)],
  ['no exp', (sid) => sign({ sub: '1', sid, iat: seconds() }, jwtKey, 'HS256')],
  ['no iat', (sid) => sign({ sub: '1', sid, exp: seconds() + 60 }, jwtKey, 'HS256')],
  ['no session', () => sign({ sub: '1', iat: seconds(), exp: seconds() + 60 }, jwtKey, 'HS256')],
  ['an exp that has passed', (sid) => sign({ ...claims(sid), exp: seconds() - 1 }, jwtKey, 'HS256')],
  [
    'an exp that is text',
    (sid) => forge({ alg: 'HS256', typ: 'JWT' }, { ...claims(sid), exp: 'never' }, jwtKey),
  ],
  ['an unknown session', () => sign(claims('00000000-0000-4000-8000-000000000000'), jwtKey, 'HS256')],
  ["another user's number", (sid) => sign({ ...claims(sid), sub: '2' }, jwtKey, 'HS256')],
  [
    'a changed payload',
    async (sid) => {
      const [head, , signature] = (await sign(claims(sid), jwtKey, 'HS256')).split('.')
      return `${head}.${encode({ ...claims(sid), exp: seconds() + 9_999 })}.${signature}`
    },
  ],
  ['garbage', () => 'a.b.c'],
]

for (const [what, make] of forged) {
  test(`a session with ${what} is 401`, async () => {
    await withWeb(async ({ fetch, sessionId }) => {
      const answer = await fetch('/api/auth/verify', `Bearer ${await make(sessionId)}`)
      assert.equal(answer.status, 401)
      assert.equal(((await answer.json()) as { code: string }).code, 'unauthorized')
      assert.match(answer.headers.get('www-authenticate') ?? '', /^Bearer/)
    })
  })
}

test('signing out and a new password end a session that has not expired', async () => {
  await withWeb(async ({ fetch, accounts, sessionId }) => {
    const token = await sign(claims(sessionId), jwtKey, 'HS256')
    const bearer = `Bearer ${token}`
    assert.equal((await fetch('/api/auth/logout', bearer, { method: 'POST' })).status, 204)
    assert.equal((await fetch('/api/auth/verify', bearer)).status, 401)
    const { sessionId: next } = await accounts.login({
      username: 'admin',
      password: 'correct horse',
      address: 'x',
    })
    const again = `Bearer ${await sign(claims(next), jwtKey, 'HS256')}`
    const actor = accounts.session(next) ?? assert.fail()
    await accounts.changePassword({ ...actor, sessionId: null }, 'correct horse', 'battery staple', 'x')
    assert.equal((await fetch('/api/auth/verify', again)).status, 401)
  })
})

test('every call but sign-in, set-up and health is 401 without credentials, and 401 comes before 404', async () => {
  await withWeb(async ({ fetch }) => {
    // a webhook is known by its signature
    const { setup, login, device, deviceToken, hook } = paths.api
    const open: string[] = [setup, login, device, deviceToken, hook]
    for (const to of Object.values(paths.api)) {
      if (open.includes(to)) continue
      const address = to.replace(/:\w+/g, '1')
      const answers = await Promise.all(
        ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].map((method) => fetch(address, undefined, { method })),
      )
      const statuses = answers.map(({ status }) => status)
      assert.ok(statuses.includes(401), to)
      assert.ok(
        statuses.every((status) => status === 401 || status === 404),
        `${to}: ${statuses}`,
      )
    }
    assert.equal((await fetch('/health')).status, 200)
  })
})

test('a token for one project is 403 for another, a read token is 403 for a change, a revoked one 401', async () => {
  await withWeb(async ({ fetch, lab, accounts, sessionId }) => {
    const shop = await lab.project('shop')
    await lab.project('blog')
    const actor = accounts.session(sessionId) ?? assert.fail()
    const base = { name: 'ci', scope: 'read' as const, expiresInDays: null }
    const { id, token } = accounts.createToken(actor, { ...base, projectId: shop.id }, 'x')
    const bearer = `Bearer ${token}`
    assert.equal((await fetch('/api/project/shop', bearer)).status, 200)
    assert.equal((await fetch('/api/project/blog', bearer)).status, 403)
    const list = (await (await fetch('/api/project/list', bearer)).json()) as { projects: { name: string }[] }
    assert.deepEqual(
      list.projects.map(({ name }) => name),
      ['shop'],
    )
    for (const to of ['/api/project/shop/stop', '/api/project/shop/rollback', '/api/auth/tokens']) {
      assert.equal((await fetch(to, bearer, { method: 'POST' })).status, 403, to)
    }
    assert.equal((await fetch('/api/project/shop', bearer, { method: 'DELETE' })).status, 403)
    assert.equal((await fetch('/api/project/shop/env', bearer)).status, 403)
    accounts.removeToken(actor, id, 'x')
    assert.equal((await fetch('/api/project/shop', bearer)).status, 401)
  })
})

test('every answer carries the headers that keep a browser in its place', async () => {
  await withWeb(async ({ fetch }) => {
    for (const to of ['/health', '/api/auth/verify', '/no/such/page']) {
      const { headers } = await fetch(to)
      const csp = headers.get('content-security-policy') ?? ''
      for (const rule of [
        "default-src 'none'",
        "script-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
      ])
        assert.ok(csp.includes(rule), `${to}: ${rule}`)
      assert.equal(headers.get('x-content-type-options'), 'nosniff', to)
      assert.equal(headers.get('referrer-policy'), 'no-referrer', to)
    }
  })
})

test('what is shown to somebody is kept by no cache', async () => {
  await withWeb(async ({ fetch, lab, sessionId }) => {
    await lab.project('shop')
    const bearer = `Bearer ${await sign(claims(sessionId), jwtKey, 'HS256')}`
    for (const to of ['/api/project/shop/env', '/api/auth/tokens', '/api/auth/sessions', '/api/users']) {
      assert.equal((await fetch(to, bearer)).headers.get('cache-control'), 'no-store', to)
    }
    assert.match((await fetch('/api/project/list', bearer)).headers.get('cache-control') ?? '', /private/)
    assert.equal((await fetch('/assets/panel.css')).headers.get('cache-control'), 'no-cache')
  })
})

test('an answer that nobody reads leaves no file open: HEAD, and a WebSocket where there is none', async () => {
  await withWeb(async ({ fetch, lab, sessionId, web }) => {
    const project = await lab.project('shop')
    await lab.deploy(project, lab.commit(revisionOf('a')))
    const authorization = `Bearer ${await sign(claims(sessionId), jwtKey, 'HS256')}`
    const log = '/api/project/shop/deployments/1/log'
    const server = createServer().listen(0, '127.0.0.1')
    server.on('upgrade', createSockets(web, lab.deps.report).handle)
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const upgrade = async (path: string) => {
      const headers = { authorization, connection: 'upgrade', upgrade: 'websocket' }
      const asked = request({ port, host: '127.0.0.1', path, headers, agent: false }).end()
      const [answer] = (await once(asked, 'response')) as [IncomingMessage]
      answer.resume()
      return answer.statusCode
    }
    try {
      for (let n = 0; n < 3; n++) {
        assert.equal((await fetch(log, authorization, { method: 'HEAD' })).status, 200)
        assert.equal(await upgrade(log), 404)
      }
      await until('closed files', () => openFiles(lab.paths.logs).length === 0)
    } finally {
      server.close()
    }
  })
})

/** Which files below a directory this process holds open. */
function openFiles(directory: string): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const file = readlinkSync(`/proc/self/fd/${fd}`)
      return file.startsWith(directory) ? [file] : []
    } catch {
      return []
    }
  })
}

test('a fault of ours is "internal error" with a number; the cause stands in the log alone', async () => {
  await withWeb(async ({ fetch, lab, sessionId }) => {
    await lab.project('shop')
    lab.db.exec('ALTER TABLE instances RENAME TO hidden')
    const bearer = `Bearer ${await sign(claims(sessionId), jwtKey, 'HS256')}`
    const answer = await fetch('/api/project/shop', bearer)
    lab.db.exec('ALTER TABLE hidden RENAME TO instances')
    assert.equal(answer.status, 500)
    const problem = (await answer.json()) as { detail: string; hint: string }
    assert.equal(problem.detail, 'internal error')
    const id = /request (\S+)$/.exec(problem.hint)?.[1]
    assert.ok(id && lab.reports.some((line) => line.includes(id) && line.includes('instances')))
  })
})

test('a project and a deployment that do not exist are 404, in the same shape', async () => {
  await withWeb(async ({ fetch, lab, sessionId }) => {
    const project = await lab.project('shop')
    await lab.deploy(project, lab.commit(revisionOf('a')))
    const bearer = `Bearer ${await sign(claims(sessionId), jwtKey, 'HS256')}`
    assert.equal((await fetch('/api/project/shop/deployments/1', bearer)).status, 200)
    for (const to of ['/api/project/nobody', '/api/project/99', '/api/project/shop/deployments/7']) {
      const answer = await fetch(to, bearer)
      assert.equal(answer.status, 404, to)
      assert.equal(answer.headers.get('content-type'), 'application/problem+json')
    }
  })
})
