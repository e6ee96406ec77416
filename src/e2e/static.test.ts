import assert from 'node:assert/strict'
import { rm, symlink } from 'node:fs/promises'
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { createRouterClient } from '../engine/drivers/router.ts'
import { app, hello } from '../testing/apps.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { appProcesses } from '../testing/processes.ts'
import { until } from '../testing/until.ts'
import { type WorkTree, workTree } from '../testing/work-tree.ts'

const page = `<!doctype html><title>v1</title>${'<p>All work and no play.</p>'.repeat(200)}`
const files = {
  'index.html': page,
  'app.js': `console.log(${JSON.stringify('x'.repeat(3000))})`,
  'data.bin': '0123456789',
  '404.html': '<h1>Nothing</h1>',
  'about.html': 'about',
  'docs/index.html': 'docs',
  'docs/.secret': 'no',
  '.env': 'SECRET=1',
  '.well-known/security.txt': 'Contact: mailto:a@b.example',
  'nodepilot.json': '{"static":"."}',
}

interface Raw {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** A path exactly as it is written, and the bytes exactly as they come. */
function raw(pilot: Pilot, path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Raw> {
  return new Promise((resolve, reject) => {
    const target = { host: '127.0.0.1', port: pilot.port, path, method, agent: false as const }
    const request = httpRequest(
      { ...target, headers: { host: 'site.localhost', ...headers } },
      (response) => {
        const parts: Buffer[] = []
        response.on('data', (part: Buffer) => parts.push(part))
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(parts),
          }),
        )
      },
    )
    request.on('error', reject)
    request.end()
  })
}

describe('static sites', { timeout: 240_000 }, () => {
  let pilot: Pilot
  let tree: WorkTree

  before(async () => {
    pilot = await startPilot()
    tree = await workTree(files)
    const pushed = await tree.push(pilot.remote('site'))
    assert.equal(pushed.code, 0, pushed.all)
    assert.match(pushed.all, /web files of \. \(nodepilot\.json\)/)
    assert.match(pushed.all, /\[4\/5\] Start {5}static files: 7, /)
    assert.match(pushed.all, /\[5\/5\] Health {4}GET \/ -> 200/)
  })
  after(async () => {
    await tree?.remove()
    await pilot?.stop()
  })

  const text = async (path: string, headers?: Record<string, string>) => {
    const { status, body } = await raw(pilot, path, headers)
    return [status, body.toString()] as const
  }

  test('types, ETag, 304, HEAD, and no method but those that read', async () => {
    const first = await raw(pilot, '/')
    assert.deepEqual([first.status, first.body.toString()], [200, page])
    assert.equal(first.headers['content-type'], 'text/html; charset=utf-8')
    assert.equal(first.headers['cache-control'], 'public, max-age=0, must-revalidate')
    assert.equal(first.headers['x-content-type-options'], 'nosniff')
    assert.match((await raw(pilot, '/app.js')).headers['content-type'] ?? '', /^text\/javascript/)
    const etag = first.headers.etag ?? ''
    assert.match(etag, /^"[\w-]{32}"$/)
    const again = await raw(pilot, '/', { 'if-none-match': etag })
    assert.deepEqual([again.status, again.body.length, again.headers.etag], [304, 0, etag])
    const head = await raw(pilot, '/', {}, 'HEAD')
    assert.deepEqual(
      [head.status, head.headers['content-length'], head.body.length],
      [200, String(page.length), 0],
    )
    const post = await raw(pilot, '/', {}, 'POST')
    assert.deepEqual([post.status, post.headers.allow], [405, 'GET, HEAD'])
  })

  test('ranges: a part, the end, one that does not fit, and a stale If-Range', async () => {
    const part = await raw(pilot, '/data.bin', { range: 'bytes=2-4' })
    assert.deepEqual(
      [part.status, part.body.toString(), part.headers['content-range']],
      [206, '234', 'bytes 2-4/10'],
    )
    assert.deepEqual(await text('/data.bin', { range: 'bytes=-3' }), [206, '789'])
    const beyond = await raw(pilot, '/data.bin', { range: 'bytes=20-' })
    assert.deepEqual([beyond.status, beyond.headers['content-range']], [416, 'bytes */10'])
    const stale = { range: 'bytes=0-1', 'if-range': '"other"' }
    assert.deepEqual(await text('/data.bin', stale), [200, '0123456789'])
    const fresh = { range: 'bytes=0-1', 'if-range': part.headers.etag ?? '' }
    assert.deepEqual(await text('/data.bin', fresh), [206, '01'])
  })

  test('brotli before gzip before nothing, each with an ETag of its own', async () => {
    const br = await raw(pilot, '/', { 'accept-encoding': 'gzip, deflate, br' })
    const gz = await raw(pilot, '/', { 'accept-encoding': 'gzip;q=0.5, br;q=0' })
    const plain = await raw(pilot, '/', { 'accept-encoding': 'identity' })
    assert.deepEqual([br.headers['content-encoding'], gz.headers['content-encoding']], ['br', 'gzip'])
    assert.equal(plain.headers['content-encoding'], undefined)
    assert.equal(brotliDecompressSync(br.body).toString(), page)
    assert.equal(gunzipSync(gz.body).toString(), page)
    assert.ok(br.body.length < page.length / 10, `${br.body.length}`)
    for (const { headers } of [br, gz, plain]) assert.equal(headers.vary, 'Accept-Encoding')
    assert.equal(new Set([br, gz, plain].map(({ headers }) => headers.etag)).size, 3)
    const again = await raw(pilot, '/', { 'accept-encoding': 'br', 'if-none-match': br.headers.etag ?? '' })
    assert.equal(again.status, 304)
    const part = await raw(pilot, '/', { 'accept-encoding': 'br', range: 'bytes=0-8' })
    assert.deepEqual([part.status, part.body.toString()], [206, '<!doctype'])
  })

  test('a folder is its index, a page may leave out .html, and 404.html answers the rest', async () => {
    assert.deepEqual(await text('/docs/'), [200, 'docs'])
    const moved = await raw(pilot, '/docs?x=1')
    assert.deepEqual([moved.status, moved.headers.location], [301, '/docs/?x=1'])
    assert.deepEqual(await text('/about'), [200, 'about'])
    assert.deepEqual(await text('/.well-known/security.txt'), [200, 'Contact: mailto:a@b.example'])
    const missing = await raw(pilot, '/nope', { range: 'bytes=0-2' })
    assert.deepEqual([missing.status, missing.body.toString()], [404, '<h1>Nothing</h1>'])
    assert.deepEqual([missing.headers.etag, missing.headers['cache-control']], [undefined, 'no-store'])
  })

  test('nothing outside of the folder and nothing hidden is ever served', async () => {
    for (const path of [
      '/.env',
      '/docs/.secret',
      '/nodepilot.json',
      '/.nodepilot-static/list.json',
      '/../../../../keys/token',
      '/..%2f..%2f..%2f..%2fnodepilot.db',
      '/%2e%2e/%2e%2e/%2e%2e/nodepilot.db',
      '/%252e%252e%252fnodepilot.db',
      '/docs/..%5c..%5cnodepilot.db',
      '//etc/passwd',
      '/%2fetc%2fpasswd',
      '/index.html%00.png',
      '/__proto__',
    ]) {
      assert.deepEqual(await text(path), [404, '<h1>Nothing</h1>'], path)
    }
    assert.equal((await raw(pilot, '/%zz')).status, 400)
  })

  test('there is no process, the project runs, and web cannot be scaled', async () => {
    const { project } = (await pilot.api('/api/project/site')).json<{ project: Record<string, unknown> }>()
    assert.deepEqual([project.status, project.instances, project.processes], ['running', [], {}])
    assert.equal(project.static, true)
    assert.deepEqual(await appProcesses(pilot.home, 'site'), [])
    const scaled = await pilot.api('/api/project/site/scale', { method: 'POST', body: { web: 2 } })
    assert.equal(scaled.status, 422)
    assert.match(scaled.text, /static files, which the front door serves/)
  })

  test('a restart of router and server changes nothing, and a stop is a 503', async () => {
    await pilot.api('/api/project/site/restart', { method: 'POST' })
    pilot.signal('SIGKILL')
    await pilot.exited()
    assert.equal((await text('/'))[0], 200)
    await pilot.start()
    assert.equal((await text('/'))[0], 200)
    await pilot.api('/api/project/site/stop', { method: 'POST' })
    assert.equal((await text('/'))[0], 503)
    await pilot.api('/api/project/site/start', { method: 'POST' })
    assert.equal((await text('/'))[0], 200)
  })

  test('a killed front door serves the files again, and a link that was bent since then leads nowhere', async () => {
    const router = createRouterClient({ controlSocket: join(pilot.home, 'run/router.sock') })
    process.kill((await router.status()).pid, 'SIGKILL')
    await until('the files are back', async () => (await text('/').catch(() => [0]))[0] === 200)
    const about = join(pilot.home, 'projects/site/releases/1/about.html')
    await rm(about)
    await symlink('/etc/passwd', about)
    assert.equal((await text('/about'))[0], 404)
  })

  test('from files to a process and back, and by rollback, without a lost request', async () => {
    const load = pilot.load('site', { rate: 100, timeoutMs: 30_000 })
    try {
      await load.answered(20)
      await tree.git('rm', '-q', 'nodepilot.json', 'index.html')
      await tree.commit(hello('node'), 'a process')
      assert.equal((await tree.push(pilot.remote('site'))).code, 0)
      assert.equal((await text('/'))[1], 'node')
      await load.answered(50)
      const back = await pilot.api('/api/project/site/rollback', { method: 'POST', body: {} })
      assert.equal(back.status, 200, back.text)
      assert.equal((await text('/'))[1], page)
      await until('no process is left', async () => (await appProcesses(pilot.home, 'site')).length === 0)
      const forth = await pilot.api('/api/project/site/rollback', { method: 'POST', body: { release: 2 } })
      assert.equal(forth.status, 200, forth.text)
      assert.equal((await text('/'))[1], 'node')
      await load.answered(50)
    } finally {
      const report = await load.stop()
      assert.deepEqual(report.lost, {})
    }
  })

  test('what a build makes is served as a single page, also beside a worker', async () => {
    const built = await workTree({
      'index.html': 'the source',
      'build.mjs':
        "import fs from 'node:fs'; fs.mkdirSync('dist'); fs.writeFileSync('dist/index.html', 'built'); fs.symlinkSync('/etc/passwd', 'dist/passwd')",
      'package.json': JSON.stringify({ name: 'x', version: '1.0.0', scripts: { build: 'node build.mjs' } }),
      'nodepilot.json': '{"spa":true}',
      Procfile: "worker: node -e 'setInterval(() => {}, 1000)'\n",
    })
    try {
      const pushed = await built.push(pilot.remote('spa'))
      assert.equal(pushed.code, 0, pushed.all)
      assert.match(pushed.all, /warning: passwd leads out of the folder/)
      assert.match(pushed.all, /Start {5}static files of dist\/: 1, 5 B/)
      const get = async (path: string, accept = '*/*') => {
        const { status, text: body } = await pilot.app('spa', path, { headers: { accept } })
        return [status, body]
      }
      assert.deepEqual(await get('/'), [200, 'built'])
      assert.deepEqual(await get('/orders/7'), [200, 'built'])
      assert.deepEqual(await get('/users/a.b', 'text/html'), [200, 'built'])
      assert.equal((await get('/assets/gone.js'))[0], 404)
      assert.equal((await get('/passwd.txt'))[0], 404)
      const { project } = (await pilot.api('/api/project/spa')).json<{ project: Record<string, unknown> }>()
      assert.deepEqual(project.processes, { worker: 1 })
      const off = await pilot.api('/api/project/spa', { method: 'PATCH', body: { spa: false } })
      assert.equal(off.status, 200)
      assert.equal((await get('/orders/7'))[0], 200, 'what runs stays as it is')
      const again = await pilot.api('/api/project/spa/deploy', { method: 'POST', body: {} })
      assert.equal(again.status, 200, again.text)
      assert.equal((await get('/orders/7'))[0], 404)
    } finally {
      await built.remove()
    }
  })

  test('a folder that is not there, or that a build let lead out, is refused by name', async () => {
    const wrong = await workTree({ ...app(''), 'nodepilot.json': '{"static":"public"}' })
    try {
      const pushed = await wrong.push(pilot.remote('wrong'))
      assert.equal(pushed.code, 1)
      assert.match(pushed.all, /error: rejected_tree: static: there is no folder public/)
      await wrong.commit({ 'nodepilot.json': '{"static":"public","build":"ln -s /etc public"}' })
      const out = await wrong.push(pilot.remote('wrong'))
      assert.equal(out.code, 1)
      assert.match(out.all, /error: rejected_tree: static: public leads out of the app/)
    } finally {
      await wrong.remove()
    }
  })
})
