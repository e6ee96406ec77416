import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect as connectHttp2 } from 'node:http2'
import { request } from 'node:https'
import { after, before, describe, test } from 'node:test'
import { connect } from 'node:tls'
import { app } from '../testing/apps.ts'
import { ask } from '../testing/ask.ts'
import { type Caddy, startCaddy } from '../testing/caddy.ts'
import { assertLive } from '../testing/git-output.ts'
import { startHttp3Browser } from '../testing/http3.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { type WorkTree, workTree } from '../testing/work-tree.ts'

const domain = 'pilot.localhost'
const host = `shop.${domain}`
const uploadBytes = 300_000_000

/** Counts an upload at /up, echoes at any upgrade, answers with much text else. */
const server = `const server = require('node:http').createServer((q, s) => {
  if (q.url !== '/up') { s.setHeader('content-type', 'text/plain'); return s.end('x'.repeat(20000)) }
  let bytes = 0
  q.on('data', (piece) => { bytes += piece.length })
  q.on('end', () => s.end(String(bytes)))
})
server.on('upgrade', (q, socket) => {
  socket.write('HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\n\\r\\n')
  socket.pipe(socket)
})
server.listen(process.env.PORT)
`

describe('what the Caddyfile speaks', { timeout: 240_000 }, () => {
  let pilot: Pilot
  let caddy: Caddy
  let tree: WorkTree

  before(async () => {
    pilot = await startPilot({
      env: { NODEPILOT_BASE_DOMAIN: domain, NODEPILOT_TRUSTED_PROXY: '127.0.0.1' },
    })
    caddy = await startCaddy({ domain, upstream: pilot.url })
    tree = await workTree(app(server))
    const remote = `${pilot.url.replace('//', `//admin:${encodeURIComponent(pilot.password)}@`)}/git/shop.git`
    assertLive(await tree.push(remote), 1)
  })
  after(async () => {
    await tree?.remove()
    await caddy?.stop()
    await pilot?.stop()
  })

  const visit = (name: string, path: string, headers: Record<string, string> = {}) =>
    ask(`https://127.0.0.1:${caddy.httpsPort}`, path, { host: name, headers, ca: caddy.authority })
  const secure = (servername: string) => ({
    host: '127.0.0.1',
    port: caddy.httpsPort,
    servername,
    ca: caddy.authority,
  })

  test('HTTP/2 is spoken, and HTTP/3 offered', async () => {
    const session = connectHttp2(`https://${host}:${caddy.httpsPort}`, {
      createConnection: () => connect({ ...secure(host), ALPNProtocols: ['h2'] }),
    })
    try {
      const stream = session.request({ ':path': '/', ':authority': host })
      const [headers] = (await once(stream, 'response')) as [Record<string, unknown>]
      assert.equal(headers[':status'], 200)
      assert.match(String(headers['alt-svc']), /h3=/)
      stream.close()
    } finally {
      session.destroy()
    }
  })

  test('HTTP/3 is spoken with a browser: a page of a project, 5 MB sent to it, the panel and its sign-in', async () => {
    const browser = await startHttp3Browser(caddy, [host, domain])
    try {
      const page = await browser.newPage()
      await page.goto(`https://${host}:${caddy.httpsPort}/`)
      assert.equal(await page.evaluate(send, 5_000_000), '5000000')
      const shop = await page.evaluate<Spoken>(spoken)
      assert.deepEqual([shop['/'], shop['/up']], ['h3', 'h3'])
      await page.goto(`https://${domain}:${caddy.httpsPort}/login`)
      await page.getByLabel('User name').fill(pilot.user)
      await page.getByLabel('Password', { exact: true }).fill(pilot.password)
      await page.getByRole('button', { name: 'Sign in' }).click()
      await page.getByRole('link', { name: 'shop', exact: true }).waitFor()
      const panel = await page.evaluate<Spoken>(spoken)
      // the page, its style and its script at least
      assert.ok(Object.keys(panel).length >= 3, Object.keys(panel).join(' '))
      assert.deepEqual([...new Set(Object.values(panel))], ['h3'])
    } finally {
      await browser.close()
    }
  })

  test('a name is the same in any case, by HTTPS and at the front door', async () => {
    const [shop, panel] = ['ShOp.PILOT.localHOST', 'Pilot.LocalHost']
    assert.match((await visit(shop, '/')).text, /^x{20000}$/)
    assert.match((await visit(panel, '/login')).text, /Sign in/)
    assert.match((await ask(pilot.url, '/', { host: shop })).text, /^x{20000}$/)
    assert.match((await ask(pilot.url, '/login', { host: panel })).text, /Sign in/)
  })

  test('text is compressed for who can read it', async () => {
    const headers = { 'accept-encoding': 'gzip', authorization: `Bearer ${pilot.token}` }
    for (const [name, path] of [
      [host, '/'],
      [domain, '/login'],
      [domain, '/api/openapi.json'],
    ] as const) {
      const answer = await visit(name, path, headers)
      assert.equal(answer.headers['content-encoding'], 'gzip', `${name}${path}`)
      assert.match(String(answer.headers.vary), /accept-encoding/i)
    }
    assert.equal((await visit(host, '/')).headers['content-encoding'], undefined)
  })

  test('the panel has the headers that protect it', async () => {
    const { headers } = await visit(domain, '/login')
    assert.match(String(headers['strict-transport-security']), /max-age=\d{7,}/)
    assert.match(String(headers['content-security-policy']), /default-src/)
    assert.equal(headers['x-content-type-options'], 'nosniff')
    assert.match(
      String(headers['x-frame-options'] ?? headers['content-security-policy']),
      /deny|frame-ancestors/i,
    )
    assert.equal(headers.server, undefined)
  })

  test('a WebSocket goes both ways', async () => {
    const sent = request({
      ...secure(host),
      path: '/socket',
      headers: { host, connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' },
    })
    sent.end()
    const [, socket] = (await once(sent, 'upgrade')) as [unknown, import('node:net').Socket]
    socket.write('hello through Caddy')
    const [echo] = (await once(socket, 'data')) as [Buffer]
    assert.equal(echo.toString(), 'hello through Caddy')
    socket.destroy()
  })

  test('300 MB stream through, and neither Caddy nor the front door keeps them', async () => {
    const { processes } = (await pilot.api('/api/system/processes')).json<{
      processes: { kind: string; pid: number }[]
    }>()
    const router = processes.find(({ kind }) => kind === 'router')?.pid ?? assert.fail('no router')
    const before = { caddy: residentMb(caddy.pid), router: residentMb(router) }
    const highest = { ...before }
    const sent = request({
      ...secure(host),
      path: '/up',
      method: 'POST',
      headers: { host, 'content-length': uploadBytes },
    })
    const answered = once(sent, 'response')
    const piece = Buffer.alloc(1_000_000, 7)
    for (let bytes = 0; bytes < uploadBytes; bytes += piece.length) {
      if (!sent.write(piece)) await once(sent, 'drain')
      highest.caddy = Math.max(highest.caddy, residentMb(caddy.pid))
      highest.router = Math.max(highest.router, residentMb(router))
    }
    sent.end()
    const [response] = (await answered) as [AsyncIterable<Buffer>]
    const parts: Buffer[] = []
    for await (const part of response) parts.push(part)
    assert.equal(Buffer.concat(parts).toString(), String(uploadBytes))
    for (const name of ['caddy', 'router'] as const) {
      const grown = highest[name] - before[name]
      assert.ok(grown < 60, `${name} grew by ${grown.toFixed(0)} MB`)
    }
  })

  test('nobody reaches the panel under the name of a project', async () => {
    const other = { headers: { host: '127.0.0.1' } }
    for (const path of ['/', '/tls/ask?domain=shop.pilot.localhost']) {
      const sent = request({ ...secure(host), path, ...other })
      sent.end()
      const [response] = (await once(sent, 'response')) as [import('node:http').IncomingMessage]
      response.resume()
      assert.equal(response.statusCode, 421, path)
    }
  })

  test('asking which names are known is quick, and for this machine alone', async () => {
    const times: number[] = []
    for (let n = 0; n < 200; n++) {
      const name = n % 2 === 0 ? host : `none${n}.${domain}`
      const began = performance.now()
      const { status } = await ask(pilot.url, `/tls/ask?domain=${name}`, { host: '127.0.0.1' })
      times.push(performance.now() - began)
      assert.equal(status, n % 2 === 0 ? 200 : 404)
    }
    const median = times.sort((a, b) => a - b)[100] ?? 0
    assert.ok(median < 50, `half of the answers took ${median.toFixed(1)} ms`)
    const foreign = await ask(pilot.url, `/tls/ask?domain=${host}`, {
      host: '127.0.0.1',
      // as the proxy in front says it of somebody from outside
      headers: { 'x-forwarded-for': '203.0.113.9' },
    })
    assert.equal(foreign.status, 404)
  })
})

/** By which protocol each path came: the page, and everything it has asked for. */
type Spoken = Readonly<Record<string, string>>

/** Runs in the browser. */
const spoken = `Object.fromEntries(performance.getEntries()
  .filter(({ entryType }) => entryType === 'navigation' || entryType === 'resource')
  .map(({ name, nextHopProtocol }) => [new URL(name).pathname, nextHopProtocol]))`

/** Runs in the browser too. */
async function send(bytes: number): Promise<string> {
  const answer = await fetch('/up', { method: 'POST', body: new Uint8Array(bytes) })
  return answer.text()
}

function residentMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}
