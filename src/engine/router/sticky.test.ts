import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import type { RouteEndpoint } from '../ports.ts'
import { type App, get, type RouterProcess, startApp, startRouterProcess } from './process.suite.ts'

test('a client comes back to the instance that answered first, others are spread', async (t) => {
  const { router, apps } = await stickyShop(t)
  const cookies = new Map<string, string>()
  for (let n = 0; n < 40; n++) {
    const { body, cookie } = await ask(router)
    assert.match(cookie ?? '', /^nodepilot_instance=tag-[0-2]; Path=\/; HttpOnly; SameSite=Lax$/)
    cookies.set(body, cookie ?? '')
  }
  assert.deepEqual([...cookies.keys()].sort(), ['app 0', 'app 1', 'app 2'])
  for (const [name, cookie] of cookies) {
    for (let n = 0; n < 10; n++) {
      const again = await ask(router, `a=b; ${cookie.split(';')[0]}; c=d`)
      assert.deepEqual([again.body, again.cookie], [name, undefined])
    }
  }
  assert.equal(apps.length, 3)
})

test('a cookie says nothing about the machine, and one that nobody knows is replaced', async (t) => {
  const { router, apps } = await stickyShop(t)
  for (const cookie of [
    'nodepilot_instance=tag-9',
    'nodepilot_instance=',
    'nodepilot_instance',
    'x=tag-1',
    ';;=;',
  ]) {
    const got = await ask(router, cookie)
    assert.match(got.cookie ?? '', /^nodepilot_instance=tag-[0-2];/, cookie)
    for (const { port } of apps) assert.ok(!got.cookie?.includes(String(port)))
  }
})

test('a client whose instance is away is served by another one and stays there', async (t) => {
  const { router, apps } = await stickyShop(t)
  await (apps[1] as App).close()
  const first = await ask(router, 'nodepilot_instance=tag-1')
  assert.match(first.body, /^app [02]$/)
  const cookie = first.cookie?.split(';')[0] ?? ''
  assert.notEqual(cookie, 'nodepilot_instance=tag-1')
  for (let n = 0; n < 5; n++) assert.equal((await ask(router, cookie)).body, first.body)
})

test('a cookie survives another release and more or fewer instances', async (t) => {
  const { router, apps, endpoints } = await stickyShop(t)
  const next = await startApp(t, (_, response) => response.end('new 1'))
  const released = [endpoints[0], { host: next.host, port: next.port, tag: 'tag-1' }] as RouteEndpoint[]
  await router.routes({ release: 2, endpoints: released, sticky: true })
  const moved = await ask(router, 'nodepilot_instance=tag-1')
  assert.deepEqual([moved.body, moved.cookie], ['new 1', undefined])
  const gone = await ask(router, 'nodepilot_instance=tag-2')
  assert.match(gone.cookie ?? '', /tag-[01];/)
  // One instance alone needs no cookie; without the setting nobody gets one, nor is one heard.
  await router.routes({ endpoints: endpoints.slice(0, 1), sticky: true })
  assert.equal((await ask(router)).cookie, undefined)
  await router.routes({ endpoints })
  const bodies = new Set<string>()
  for (let n = 0; n < 40; n++) bodies.add((await ask(router, 'nodepilot_instance=tag-2')).body)
  assert.equal(bodies.size, apps.length)
})

test('behind https the cookie is for https alone', async (t) => {
  const { router } = await stickyShop(t, '127.0.0.1')
  const headers = { 'x-forwarded-proto': 'https' }
  const got = await get(router.port, { headers })
  assert.match(String(got.headers['set-cookie']), /; SameSite=Lax; Secure$/)
})

test('a WebSocket goes to the instance of its client', async (t) => {
  const { router, apps } = await stickyShop(t)
  for (const [n, { server }] of apps.entries()) {
    new WebSocketServer({ server }).on('connection', (socket) => socket.send(`socket ${n}`))
  }
  for (let n = 0; n < 9; n++) {
    const headers = { host: 'shop.localhost', cookie: `nodepilot_instance=tag-${n % 3}` }
    const socket = new WebSocket(`ws://127.0.0.1:${router.port}/`, { headers })
    const heard = await new Promise((resolve) => socket.once('message', (data) => resolve(String(data))))
    assert.equal(heard, `socket ${n % 3}`)
    socket.terminate()
  }
})

async function stickyShop(t: TestContext, trustedProxy?: string) {
  const router = await startRouterProcess(t, trustedProxy === undefined ? {} : { trustedProxy })
  const apps: App[] = []
  for (const n of [0, 1, 2]) apps.push(await startApp(t, (_, response) => response.end(`app ${n}`)))
  const endpoints: RouteEndpoint[] = apps.map(({ host, port }, n) => ({ host, port, tag: `tag-${n}` }))
  await router.routes({ endpoints, sticky: true })
  return { router, apps, endpoints }
}

async function ask({ port }: RouterProcess, cookie?: string) {
  const { body, headers } = await get(port, cookie === undefined ? {} : { headers: { cookie } })
  return { body, cookie: headers['set-cookie']?.[0] }
}
