import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { get } from 'node:https'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { app, hello, mirror } from '../testing/apps.ts'
import { type Answer, ask } from '../testing/ask.ts'
import { type Caddy, startCaddy } from '../testing/caddy.ts'
import { command } from '../testing/command.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { removeDirectory, temporaryDirectory } from '../testing/temporary.ts'
import { gitEnvironment, type WorkTree, workTree } from '../testing/work-tree.ts'

const domain = 'pilot.localhost'

describe('behind the real Caddy', { timeout: 240_000 }, () => {
  let pilot: Pilot
  let caddy: Caddy
  let tree: WorkTree

  before(async () => {
    pilot = await startPilot({
      env: { NODEPILOT_BASE_DOMAIN: domain, NODEPILOT_TRUSTED_PROXY: '127.0.0.1' },
    })
    caddy = await startCaddy({ domain, upstream: pilot.url })
    tree = await workTree(mirror())
  })
  after(async () => {
    await tree?.remove()
    await caddy?.stop()
    await pilot?.stop()
  })

  const fetchApp = (name: string, path = '/', headers = {}) =>
    secure(caddy, `${name}.${domain}`, path, headers)
  const remote = (project: string) =>
    `https://admin:${encodeURIComponent(pilot.password)}@${domain}:${caddy.httpsPort}/git/${project}.git`
  // The variable wins over any configuration of the machine.
  const trust = () => ({ GIT_SSL_CAINFO: caddy.authorityFile })
  const resolve = () => `http.curloptResolve=${domain}:${caddy.httpsPort}:127.0.0.1`
  const push = (to: string) => tree.push(to, 'main', { config: [resolve()], env: trust() })

  test('the panel and the API answer over HTTPS at the domain itself', async () => {
    const health = await secure(caddy, domain, '/health')
    assert.equal(health.status, 200, health.text)
    assert.equal(health.json().status, 'ok')
    assert.match(String(health.headers['strict-transport-security']), /max-age=\d+/)
    assert.equal(health.headers.server, undefined)
  })

  test('a push over HTTPS deploys, and the app answers at its own certified name', async () => {
    const pushed = await push(remote('shop'))
    assert.equal(pushed.code, 0, pushed.all)
    assert.match(pushed.all, /success: v1 is live/)
    assert.match(pushed.all, /shop\.pilot\.localhost/)
    assert.equal((await fetchApp('shop')).status, 200)
  })

  test('the app hears that its visitor came by HTTPS, whatever the visitor claims', async () => {
    const claimed = {
      'x-forwarded-proto': 'http',
      'x-forwarded-for': '203.0.113.9',
      'x-forwarded-host': 'evil',
    }
    const seen = (await fetchApp('shop', '/', claimed)).json<{ headers: Record<string, string> }>().headers
    assert.equal(seen['x-forwarded-proto'], 'https')
    assert.equal(seen.host, `shop.${domain}`)
    assert.equal(seen['x-forwarded-host'], `shop.${domain}`)
    assert.equal(seen['x-forwarded-for'], '127.0.0.1')
  })

  test('in maintenance, who is let through comes through Caddy, and nobody who only says so', async () => {
    const change = (body: object) => pilot.api('/api/project/shop', { method: 'PATCH', body })
    const allowed = '127.0.0.2'
    const from = (localAddress: string, headers = {}) =>
      new Promise<number>((resolve, reject) => {
        const host = `shop.${domain}`
        const where = { host: '127.0.0.1', port: caddy.httpsPort, servername: host, ca: caddy.authority }
        get({ ...where, localAddress, agent: false, headers: { host, ...headers } }, (response) => {
          response.resume().once('end', () => resolve(response.statusCode ?? 0))
        }).once('error', reject)
      })
    assert.equal((await change({ maintenance: true, maintenanceAllow: [allowed] })).status, 200)
    assert.equal(await from(allowed), 200)
    assert.equal(await from(allowed, { 'x-forwarded-for': '203.0.113.9' }), 200)
    assert.equal(await from('127.0.0.1'), 503)
    const forged = [
      { 'x-forwarded-for': allowed },
      { 'x-forwarded-for': `203.0.113.9, ${allowed}` },
      { 'x-forwarded-for': [allowed, allowed] },
      { 'x-real-ip': allowed, forwarded: `for=${allowed}`, 'true-client-ip': allowed },
      { 'x-forwarded-for': allowed, connection: 'close, x-forwarded-for' },
    ]
    for (const headers of forged) assert.equal(await from('127.0.0.3', headers), 503, JSON.stringify(headers))
    assert.equal((await change({ maintenance: false, maintenanceAllow: [] })).status, 200)
  })

  test('a name that is no project’s gets no certificate, and nobody outside may ask which are', async () => {
    await assert.rejects(fetchApp('invented'))
    const asked = await secure(caddy, domain, `/tls/ask?domain=shop.${domain}`)
    assert.equal(asked.status, 404)
  })

  test('a domain of the project’s own has a certificate at once, and leads on to the primary one', async () => {
    const add = (name: string) =>
      pilot.api('/api/project/shop/domains', { method: 'POST', body: { domain: name } })
    const www = 'www.shop.example'
    await assert.rejects(secure(caddy, www, '/'))
    assert.equal((await add('WWW.Shop.Example')).status, 201)
    assert.equal((await add('shop.example')).status, 201)
    const seen = (await secure(caddy, www, '/')).json<{ headers: Record<string, string> }>().headers
    assert.deepEqual([seen.host, seen['x-forwarded-proto']], [www, 'https'])
    const changed = await pilot.api(`/api/project/shop/domains/${www}`, {
      method: 'PATCH',
      body: { primary: true, force: true },
    })
    assert.equal(changed.status, 200, changed.text)
    for (const host of ['shop.example', `shop.${domain}`]) {
      const moved = await secure(caddy, host, '/cart?x=1')
      assert.deepEqual([moved.status, moved.headers.location], [308, `https://${www}/cart?x=1`])
    }
    assert.equal((await secure(caddy, www, '/')).status, 200)
    for (const host of [www, 'shop.example']) {
      assert.equal((await pilot.api(`/api/project/shop/domains/${host}`, { method: 'DELETE' })).status, 204)
    }
    assert.equal((await fetchApp('shop')).status, 200)
  })

  test('each name of a wildcard has a certificate of its own, and no other name below', async () => {
    const added = await pilot.api('/api/project/shop/domains', {
      method: 'POST',
      body: { domain: '*.tenants.example' },
    })
    assert.equal(added.status, 201, added.text)
    for (const host of ['ada.tenants.example', 'bob.tenants.example']) {
      const seen = (await secure(caddy, host, '/')).json<{ headers: Record<string, string> }>().headers
      assert.equal(seen.host, host)
    }
    await assert.rejects(secure(caddy, 'a.ada.tenants.example', '/'))
    await assert.rejects(secure(caddy, 'tenants.example', '/'))
    const removed = await pilot.api('/api/project/shop/domains/*.tenants.example', { method: 'DELETE' })
    assert.equal(removed.status, 204, removed.text)
  })

  test('a clone over HTTPS gives back what was pushed', async () => {
    const folder = await temporaryDirectory('clone')
    try {
      const cloned = await command('git', ['-c', resolve(), 'clone', '-q', remote('shop'), 'copy'], {
        cwd: folder,
        env: { ...gitEnvironment, ...trust() },
      })
      assert.equal(cloned.code, 0, cloned.all)
      const copy = join(folder, 'copy')
      const head = await command('git', ['rev-parse', 'HEAD'], { cwd: copy, env: gitEnvironment })
      assert.equal(head.out.trim(), await tree.head())
      assert.equal(await readFile(join(copy, 'server.js'), 'utf8'), mirror()['server.js'])
    } finally {
      await removeDirectory(folder)
    }
  })

  test('a large push streams through', async () => {
    const noise = Buffer.alloc(24 * 1024 * 1024)
    for (let at = 0; at < noise.length; at += 4) noise.writeUInt32LE(Math.random() * 2 ** 32, at)
    await tree.commit({ ...hello('large'), 'noise.bin': noise })
    const pushed = await push(remote('shop'))
    assert.equal(pushed.code, 0, pushed.all)
    assert.equal((await fetchApp('shop')).text, 'large')
  })

  test('a wrong password is refused before any build', async () => {
    const refused = await push(remote('shop').replace(/:[^:@]+@/, ':wrong@'))
    assert.notEqual(refused.code, 0)
    assert.match(refused.all, /Authentication failed|401/)
  })

  test('server-sent events arrive one by one', async () => {
    await tree.commit(
      app(`require('node:http').createServer((q, s) => {
  if (q.url === '/seen') { globalThis.open.end('data: last\\n\\n'); return s.end() }
  if (q.url !== '/events') return s.end('events')
  s.writeHead(200, { 'content-type': 'text/event-stream' })
  s.write('data: first\\n\\n')
  globalThis.open = s
}).listen(process.env.PORT)
`),
    )
    const pushed = await push(remote('shop'))
    assert.equal(pushed.code, 0, pushed.all)
    // the last one is sent only when the first one has come
    const pieces = await eventPieces(caddy, `shop.${domain}`, '/events', () => fetchApp('shop', '/seen'))
    assert.deepEqual(pieces, ['data: first\n\n', 'data: last\n\n'])
  })

  test('plain HTTP is sent on to HTTPS', async () => {
    const answer = await ask(`http://127.0.0.1:${caddy.httpPort}`, '/x?y=1', { host: `shop.${domain}` })
    assert.equal(answer.status, 308)
    assert.equal(answer.headers.location, `https://shop.${domain}/x?y=1`)
  })
})

describe('the Caddyfile alone', { timeout: 60_000 }, () => {
  test('a name the ask address refuses gets no certificate', async () => {
    const asked: string[] = []
    const upstream = await listen((url) => {
      const name = url.searchParams.get('domain')
      if (name) asked.push(name)
      return name?.startsWith('unknown.') ? 404 : 200
    })
    const caddy = await startCaddy({ domain, upstream: upstream.url })
    try {
      assert.equal((await secure(caddy, `known.${domain}`, '/')).status, 200)
      await assert.rejects(secure(caddy, `unknown.${domain}`, '/'))
      assert.deepEqual(asked, [`known.${domain}`, `unknown.${domain}`])
    } finally {
      await caddy.stop()
      await upstream.close()
    }
  })

  test('requests wait while the front door is restarted', async () => {
    const first = await listen(() => 200)
    const caddy = await startCaddy({ domain, upstream: first.url })
    let second: Upstream | undefined
    try {
      assert.equal((await secure(caddy, domain, '/')).status, 200)
      await first.close()
      const waiting = secure(caddy, domain, '/')
      second = await listen(() => 204, first.port)
      assert.equal((await waiting).status, 204)
    } finally {
      await caddy.stop()
      await second?.close()
    }
  })
})

/** Over TLS to Caddy, the name sent as SNI and Host, nothing but Caddy's own authority trusted. */
function secure(caddy: Caddy, host: string, path: string, headers = {}): Promise<Answer> {
  return ask(`https://127.0.0.1:${caddy.httpsPort}`, path, { host, headers, ca: caddy.authority })
}

/** The pieces of a streamed answer; `onFirst` is called when the first one has come. */
function eventPieces(
  caddy: Caddy,
  host: string,
  path: string,
  onFirst: () => Promise<unknown>,
): Promise<string[]> {
  const where = {
    host: '127.0.0.1',
    port: caddy.httpsPort,
    servername: host,
    ca: caddy.authority,
    agent: false,
  }
  return new Promise((resolve, reject) => {
    const pieces: string[] = []
    get({ ...where, path, headers: { host }, timeout: 30_000 }, (response) => {
      response.setEncoding('utf8').on('data', (text: string) => {
        if (pieces.push(text) === 1) onFirst().catch(reject)
      })
      response.on('end', () => resolve(pieces))
      response.on('error', reject)
    })
      .on('timeout', () => reject(new Error('no event comes')))
      .on('error', reject)
  })
}

interface Upstream {
  readonly url: string
  readonly port: number
  close(): Promise<void>
}

async function listen(answer: (url: URL) => number, port = 0): Promise<Upstream> {
  const server: Server = createServer((request, response) => {
    response.writeHead(answer(new URL(request.url ?? '/', 'http://upstream'))).end()
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const taken = typeof address === 'object' && address ? address.port : 0
  return {
    url: `http://127.0.0.1:${taken}`,
    port: taken,
    async close() {
      server.closeAllConnections()
      await once(server.close(), 'close')
    },
  }
}
