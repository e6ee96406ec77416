import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type Answer, ask } from '../testing/ask.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { answered } from '../testing/project.ts'

const formType = 'application/x-www-form-urlencoded'

/** How a browser behaves: its cookies, and what it says about where a request comes from. */
describe('signing in with a browser', { timeout: 120_000 }, () => {
  let pilot: Pilot
  before(async () => {
    pilot = await startPilot()
    answered(await pilot.api('/api/project/create', { method: 'POST', body: { name: 'shop' } }), 201)
  })
  after(() => pilot?.stop())

  const own = { 'sec-fetch-site': 'same-origin' }
  const post = (path: string, fields: Record<string, string>, headers: Record<string, string> = own) =>
    ask(pilot.url, path, {
      method: 'POST',
      headers: { 'content-type': formType, ...headers },
      body: new URLSearchParams(fields).toString(),
    })
  const cookieOf = ({ headers }: Answer) => {
    const [set = ''] = headers['set-cookie'] ?? []
    return { set, cookie: set.split(';')[0] ?? '' }
  }
  const signIn = async (next = '/') => {
    const answer = await post('/login', { username: pilot.user, password: pilot.password, next })
    assert.equal(answer.status, 303, answer.text)
    return { ...cookieOf(answer), location: answer.headers.location }
  }

  test('the login gives a cookie that no script reads, and leads to where one wanted to go', async () => {
    const asked = await ask(pilot.url, '/projects/shop?tab=1')
    assert.equal(asked.status, 303)
    assert.equal(asked.headers.location, '/login?next=%2Fprojects%2Fshop%3Ftab%3D1')
    const form = await ask(pilot.url, asked.headers.location ?? '')
    assert.match(form.text, /name="next" value="\/projects\/shop\?tab=1"/)
    const { set, cookie, location } = await signIn('/projects/shop?tab=1')
    assert.equal(location, '/projects/shop?tab=1')
    assert.match(set, /^nodepilot=[\w.-]+; /)
    for (const flag of [/; HttpOnly/i, /; SameSite=Lax/i, /; Path=\//i]) assert.match(set, flag)
    assert.doesNotMatch(set, /Secure|Domain/i)
    assert.equal((await ask(pilot.url, '/projects/shop', { headers: { cookie } })).status, 200)
    assert.equal(
      (await ask(pilot.url, '/login?next=/server', { headers: { cookie } })).headers.location,
      '/server',
    )
  })

  for (const next of [
    '//evil.example',
    '/\\evil.example',
    'https://evil.example',
    'javascript:alert(1)',
    '/a\r\nx: y',
    '',
  ]) {
    test(`next=${JSON.stringify(next)} leads to /`, async () => {
      assert.equal((await signIn(next)).location, '/')
      const { cookie } = await signIn()
      const again = await ask(pilot.url, `/login?next=${encodeURIComponent(next)}`, { headers: { cookie } })
      assert.equal(again.headers.location, '/')
    })
  }

  test('a wrong password shows the form again with the name and without the password', async () => {
    const answer = await post('/login', { username: 'ana"><b>', password: 'hunter2-wrong' })
    assert.equal(answer.status, 401)
    assert.match(answer.text, /the user name or the password is wrong/)
    assert.match(answer.text, /value="ana&quot;&gt;&lt;b&gt;"/)
    assert.doesNotMatch(answer.text, /hunter2/)
    assert.equal(answer.headers['set-cookie'], undefined)
  })

  test('signing out ends the session, and the cookie is worthless even where somebody kept it', async () => {
    const { cookie } = await signIn()
    const out = await post('/logout', {}, { ...own, cookie })
    assert.equal(out.headers.location, '/login')
    assert.match(out.headers['set-cookie']?.[0] ?? '', /^nodepilot=;.*Max-Age=0/)
    assert.equal((await ask(pilot.url, '/', { headers: { cookie } })).status, 303)
  })

  test('signing in again ends the session of this browser before', async () => {
    const { cookie } = await signIn()
    const again = await post('/login', { username: pilot.user, password: pilot.password }, { ...own, cookie })
    assert.equal(again.status, 303)
    assert.equal((await ask(pilot.url, '/', { headers: { cookie } })).status, 303)
    assert.equal((await ask(pilot.url, '/', { headers: { cookie: cookieOf(again).cookie } })).status, 200)
  })

  const foreign: readonly Record<string, string>[] = [
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'none' },
    { origin: 'https://evil.example' },
    { origin: 'http://shop.localhost' },
    { origin: 'null' },
    {},
  ]
  const bodies: readonly [string, string][] = [
    ['application/json', '{"displayName":"taken over"}'],
    [formType, 'displayName=taken+over'],
    ['text/plain', '{"displayName":"taken over"}'],
    [
      'multipart/form-data; boundary=x',
      '--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nx\r\n--x--\r\n',
    ],
  ]
  for (const headers of foreign) {
    test(`with a cookie and ${JSON.stringify(headers)} nothing changes, by any method or content type`, async () => {
      const { cookie } = await signIn()
      const before = (await pilot.api('/api/project/shop')).text
      const send = (method: string, path: string, type: string, body: string) =>
        ask(pilot.url, path, { method, headers: { cookie, 'content-type': type, ...headers }, body })
      for (const [type, body] of bodies) {
        for (const [method, path] of [
          ['PATCH', '/api/project/shop'],
          ['DELETE', '/api/project/shop'],
          ['PUT', '/api/project/shop/env'],
          ['POST', '/api/project/shop/stop'],
          ['POST', '/api/project/create'],
          ['POST', '/logout'],
          ['POST', '/device'],
        ] as const) {
          const answer = await send(method, path, type, body)
          assert.equal(answer.status, 403, `${method} ${path} ${type}: ${answer.text}`)
        }
      }
      assert.equal((await pilot.api('/api/project/shop')).text, before)
      assert.equal((await ask(pilot.url, '/', { headers: { cookie } })).status, 200, 'still signed in')
    })
  }

  test('no foreign page signs anybody in', async () => {
    for (const headers of foreign.filter((one) => Object.keys(one).length > 0)) {
      const answer = await post('/login', { username: pilot.user, password: pilot.password }, headers)
      assert.equal(answer.status, 403, JSON.stringify(headers))
      assert.equal(answer.headers['set-cookie'], undefined)
    }
  })

  test('a page of our own may: by Fetch Metadata, or by the Origin where a browser sends none', async () => {
    const { cookie } = await signIn()
    for (const headers of [own, { origin: pilot.url }]) {
      const answer = await ask(pilot.url, '/api/project/shop', {
        method: 'PATCH',
        headers: { cookie, ...headers },
        body: { displayName: 'Shop' },
      })
      assert.equal(answer.status, 200, JSON.stringify(headers))
    }
  })

  test('beside an Authorization header a cookie does not count, so a foreign page gains nothing by one', async () => {
    const { cookie } = await signIn()
    for (const authorization of ['Basic YWRtaW46eA==', 'Bearer x.y.z', 'Bearer np_0', '']) {
      const answer = await ask(pilot.url, '/api/project/shop', {
        method: 'DELETE',
        headers: { cookie, authorization, 'sec-fetch-site': 'cross-site' },
      })
      assert.ok(answer.status === 401 || answer.status === 403, `${authorization}: ${answer.status}`)
      for (const path of ['/logout', '/settings/tokens', '/projects/shop/settings/delete', '/new/sample']) {
        const headers = { cookie, authorization, 'sec-fetch-site': 'cross-site' }
        const { status } = await post(path, { confirm: 'shop', name: 'x', scope: 'admin' }, headers)
        assert.equal(status, 403, `${path} beside "${authorization}"`)
      }
    }
    assert.equal((await pilot.api('/api/project/shop')).status, 200)
    assert.equal((await ask(pilot.url, '/', { headers: { cookie } })).status, 200, 'still signed in')
  })

  test('sessions are listed by number, never by what they are made of, and end one by one', async () => {
    const { cookie } = await signIn()
    const sid = JSON.parse(Buffer.from(cookie.split('.')[1] ?? '', 'base64url').toString()).sid as string
    const list = await ask(pilot.url, '/api/auth/sessions', { headers: { cookie, 'user-agent': 'Browser' } })
    assert.ok(!list.text.includes(sid))
    const { sessions } = list.json<{
      sessions: { id: number; kind: string; current: boolean; address: string }[]
    }>()
    const [mine] = sessions.filter(({ current }) => current)
    assert.deepEqual([mine?.kind, mine?.address], ['browser', '127.0.0.1'])
    answered(await pilot.api(`/api/auth/sessions/${mine?.id}`, { method: 'DELETE' }), 204)
    assert.equal((await ask(pilot.url, '/', { headers: { cookie } })).status, 303)
    assert.equal((await pilot.api(`/api/auth/sessions/${mine?.id}`, { method: 'DELETE' })).status, 404)
  })

  test('a command line is let in by somebody who is signed in, once, and shows up as a session', async () => {
    const begin = async () =>
      answered(
        await ask(pilot.url, '/api/auth/device', {
          method: 'POST',
          body: { name: 'laptop <b>' },
          headers: { 'user-agent': 'nodepilot/1' },
        }),
      ).json<{ deviceCode: string; userCode: string; url: string }>()
    const poll = (deviceCode: string) =>
      ask(pilot.url, '/api/auth/device/token', { method: 'POST', body: { deviceCode } })
    const { deviceCode, userCode, url } = await begin()
    const page = `/device?code=${userCode}`
    assert.equal(new URL(url).pathname + new URL(url).search, page)
    const pending = await poll(deviceCode)
    assert.equal(`${pending.status} ${pending.text}`, '202 {"status":"pending"}')

    const stranger = await ask(pilot.url, page)
    assert.equal(stranger.headers.location, `/login?next=${encodeURIComponent(page)}`)
    const { cookie } = await signIn()
    const shown = await ask(pilot.url, page, { headers: { cookie } })
    for (const fact of [userCode, 'laptop &lt;b&gt;', '127.0.0.1', 'nodepilot/1']) {
      assert.ok(shown.text.includes(fact), fact)
    }
    assert.equal((await poll(deviceCode)).status, 202, 'looking lets nobody in')
    const approve = await post(
      '/device',
      { code: userCode.toLowerCase(), answer: 'approve' },
      { ...own, cookie },
    )
    assert.equal(approve.status, 200, approve.text)
    const { token, user } = answered(await poll(deviceCode)).json<{
      token: string
      user: { username: string }
    }>()
    assert.equal(user.username, pilot.user)
    assert.equal((await pilot.api('/api/auth/verify', { token })).status, 200)
    assert.equal((await poll(deviceCode)).status, 404, 'handed out once')
    const { sessions } = (await pilot.api('/api/auth/sessions')).json<{
      sessions: { kind: string; name: string }[]
    }>()
    assert.ok(sessions.some(({ kind, name }) => kind === 'cli' && name === 'laptop <b>'))

    const other = await begin()
    await post('/device', { code: other.userCode, answer: 'deny' }, { ...own, cookie })
    assert.equal((await poll(other.deviceCode)).status, 403)
    assert.equal((await poll('np_unknown')).status, 404)
  })

  test('what was done stands in the audit log, without a secret', async () => {
    const secret = 'a-value-nobody-may-see'
    await pilot.api('/api/project/shop/env', { method: 'PUT', body: { API_KEY: secret } })
    await pilot.api('/api/users', {
      method: 'POST',
      body: { username: 'zoe', password: `${secret}-password` },
    })
    const answer = answered(await pilot.api('/api/audit?limit=500'))
    const { entries } = answer.json<{
      entries: { action: string; who: string; project: string | null; address: string; after: unknown }[]
    }>()
    const actions = new Set(entries.map(({ action }) => action))
    for (const action of [
      'server.set-up',
      'session.begin',
      'session.end',
      'session.refuse',
      'session.approve',
      'session.deny',
      'project.create',
      'project.change',
      'config-vars.change',
      'user.create',
    ]) {
      assert.ok(actions.has(action), `${action} of ${[...actions]}`)
    }
    assert.ok(!answer.text.includes(secret))
    const change = entries.find(({ action }) => action === 'config-vars.change')
    assert.deepEqual(
      [change?.who, change?.project, change?.address, change?.after],
      ['admin', 'shop', '127.0.0.1', { added: ['API_KEY'], changed: [], removed: [] }],
    )
    const older = answered(await pilot.api('/api/audit?limit=1&project=shop')).json<{
      entries: { id: number }[]
    }>()
    const next = answered(await pilot.api(`/api/audit?limit=1&project=shop&before=${older.entries[0]?.id}`))
    assert.notDeepEqual(next.json<{ entries: { id: number }[] }>().entries[0]?.id, older.entries[0]?.id)
    assert.equal((await pilot.api('/api/audit?user=nobody')).text, '{"entries":[]}')
  })
})

describe('behind a proxy with https', { timeout: 60_000 }, () => {
  let pilot: Pilot
  before(async () => {
    pilot = await startPilot({ env: { NODEPILOT_TRUSTED_PROXY: '127.0.0.1' } })
  })
  after(() => pilot?.stop())

  test('the cookie is __Host- and Secure, and a plain one, which a project could set, is not read', async () => {
    const https = { 'x-forwarded-proto': 'https', 'sec-fetch-site': 'same-origin', 'content-type': formType }
    const answer = await ask(pilot.url, '/login', {
      method: 'POST',
      headers: https,
      body: new URLSearchParams({ username: pilot.user, password: pilot.password }).toString(),
    })
    const [set = ''] = answer.headers['set-cookie'] ?? []
    assert.match(set, /^__Host-nodepilot=/)
    assert.match(set, /; Secure/)
    assert.match(set, /; Path=\/(;|$)/)
    const cookie = set.split(';')[0] ?? ''
    const verify = (given: string) =>
      ask(pilot.url, '/api/auth/verify', { headers: { ...https, cookie: given } })
    assert.equal((await verify(cookie)).status, 200)
    assert.equal((await verify(cookie.replace('__Host-', ''))).status, 401)
  })
})
