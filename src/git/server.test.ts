import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { basic, GitRig, gitProcesses, requestHead } from '../testing/git-rig.ts'

describe('the git server', () => {
  let rig: GitRig
  let work: string
  before(async () => {
    rig = await new GitRig().listen()
    work = await rig.work('work', { 'index.js': '1', 'näme.txt': 'ü' })
    await rig.commit(work, { 'index.js': '2' })
  })
  after(() => rig.close())

  test('a push creates the ref, a clone and a fetch bring it back', async () => {
    const push = await rig.git(['push', rig.url(), 'main'], work)
    assert.equal(push.code, 0, push.err)
    const copy = join(rig.root, 'copy')
    const clone = await rig.git(['clone', '-q', rig.url(), copy], rig.root)
    assert.equal(clone.code, 0, clone.err)
    assert.deepEqual(readdirSync(copy).sort(), ['.git', 'index.js', 'näme.txt'])
    const sha = await rig.commit(work, { 'index.js': '3' })
    assert.equal((await rig.git(['push', rig.url(), 'main'], work)).code, 0)
    assert.equal((await rig.git(['fetch', '-q', 'origin'], copy)).code, 0)
    assert.equal((await rig.git(['rev-parse', 'origin/main'], copy)).out.trim(), sha)
  })

  test('a clone speaks protocol version 2, and 0 and 1 where the client wants them', async () => {
    await rig.git(['push', rig.url('versions'), 'main'], work)
    for (const [version, says] of [
      ['2', 'git< version 2'],
      ['1', 'git< version 1'],
      ['0', 'git< # service=git-upload-pack'],
    ] as const) {
      const result = await rig.git(
        ['-c', `protocol.version=${version}`, 'clone', '-q', rig.url('versions'), `v${version}`],
        rig.root,
        { GIT_TRACE_PACKET: '1' },
      )
      assert.equal(result.code, 0, result.err)
      assert.ok(result.err.includes(says), `version ${version}`)
    }
  })

  test('a strange Git-Protocol header is ignored', async () => {
    const headers = { 'Git-Protocol': 'version=2 $(id)' }
    const answer = await rig.raw([
      requestHead('GET /git/shop.git/info/refs?service=git-upload-pack', headers),
    ])
    assert.match(answer, /200 OK[\s\S]*001e# service=git-upload-pack/)
  })

  test('shallow and partial clones work, and a shallow copy can push', async () => {
    await rig.git(['push', rig.url('shallow'), 'main'], work)
    const copy = join(rig.root, 'thin')
    const clone = await rig.git(
      ['clone', '-q', '--depth=1', '--filter=blob:none', rig.url('shallow'), copy],
      rig.root,
    )
    assert.equal(clone.code, 0, clone.err)
    const sha = await rig.commit(copy, { 'more.js': '1' })
    const push = await rig.git(['push', rig.url('from-shallow'), 'main'], copy)
    assert.equal(push.code, 0, push.err)
    assert.equal(await rig.tip('refs/heads/main', 'from-shallow'), sha)
  })

  test('without credentials everything is answered 401, nothing is created and no git starts', async () => {
    const before = rig.authorized.length
    const lines = [
      'GET /git/anon.git/info/refs?service=git-upload-pack',
      'GET /git/anon.git/info/refs?service=git-receive-pack',
      'POST /git/anon.git/git-upload-pack',
      'POST /git/anon.git/git-receive-pack',
      'GET /git/secret.git/info/refs',
      'GET /git/../etc.git/info/refs',
      'DELETE /git/anon.git/info/refs',
      'GET /git/',
    ]
    for (const line of lines) {
      for (const Authorization of [
        null,
        'Basic',
        'Basic !!!',
        'Basic Og==',
        'Bearer abc',
        basic('ana', 'no'),
        'Basic /w==',
      ]) {
        const headers: Record<string, string> = Authorization ? { Authorization } : {}
        const answer = await rig.raw([requestHead(line, { ...headers, 'Content-Length': 4 }, null), '0000'])
        assert.match(answer, /^HTTP\/1\.1 401 /, `${line} ${Authorization}`)
        assert.match(answer, /\r\nWWW-Authenticate: Basic realm="NodePilot"\r\n/)
      }
    }
    assert.equal(rig.authorized.length, before)
    assert.ok(!readdirSync(join(rig.root, 'repositories')).includes('anon.git'))
  })

  test('a raw push without credentials creates no ref', async () => {
    const sha = (await rig.git(['rev-parse', 'main'], work)).out.trim()
    const pack = await rig.git(['rev-parse', '--git-dir'], work)
    assert.equal(pack.code, 0)
    const line = `${'0'.repeat(40)} ${sha} refs/heads/evil\0report-status`
    const body = `${(line.length + 4).toString(16).padStart(4, '0')}${line}0000`
    const headers = {
      'Content-Type': 'application/x-git-receive-pack-request',
      'Content-Length': body.length,
    }
    const answer = await rig.raw([requestHead('POST /git/shop.git/git-receive-pack', headers, null), body])
    assert.match(answer, /^HTTP\/1\.1 401 /)
    assert.equal(await rig.tip('refs/heads/evil'), '')
  })

  test('the client is told why it is refused, with the status of the refusal', async () => {
    const push = await rig.git(['push', rig.url('shop', 'bob:pw'), 'main'], work)
    assert.notEqual(push.code, 0)
    assert.match(push.err, /remote: error: forbidden: bob may not push\s+remote: hint: ask the owner/)
    assert.match(push.err, /403/)
    assert.match((await rig.git(['ls-remote', rig.url('secret')], work)).err, /not found|error: not_found/)
    const busy = await rig.raw([
      requestHead(
        'GET /git/shop.git/info/refs?service=git-upload-pack',
        { Authorization: basic('max') },
        null,
      ),
    ])
    assert.match(busy, /^HTTP\/1\.1 429 [\s\S]*\r\nRetry-After: 7\r\n/)
  })

  test('a fault of the server is answered 500 with an id that is in the log, and nothing else', async () => {
    const answer = await rig.raw([
      requestHead(
        'GET /git/shop.git/info/refs?service=git-upload-pack',
        { Authorization: basic('fault') },
        null,
      ),
    ])
    const id = /^HTTP\/1\.1 500 [\s\S]*internal error \(request ([0-9a-f]+)\)/.exec(answer)?.[1] ?? 'none'
    assert.ok(rig.log.some((line) => line.includes(id) && line.includes('the database is gone')))
    assert.ok(!answer.includes('database'))
  })

  test('answers may not be cached', async () => {
    const answer = await rig.raw([requestHead('GET /git/shop.git/info/refs?service=git-upload-pack', {})])
    assert.match(answer, /\r\nCache-Control: no-cache, max-age=0, must-revalidate\r\n/)
    assert.match(answer, /\r\nContent-Type: application\/x-git-upload-pack-advertisement\r\n/)
  })

  test('hostile repository names are not found, and neither access nor git hears of them', async () => {
    const before = rig.authorized.length
    const names = [
      '..',
      '.',
      '%2e%2e',
      '..%2f..%2fetc',
      '%2fetc',
      '/etc',
      '//etc/passwd',
      'a%00b',
      'shop%2egit',
      'Shop',
      '-shop',
      'shop-',
      'a',
      '1shop',
      'sh op',
      'sh+op',
      '$(id)',
      '`id`',
      ';id',
      'x'.repeat(41),
      'shop.git/..',
      'shop/../shop',
      '--upload-pack=id',
      'shop\\x',
      '%73hop',
      'shop%',
      '@{u}',
      '~root',
      'ext::sh',
      'sh\u00f6p',
    ]
    for (const name of names) {
      for (const page of ['info/refs?service=git-upload-pack', 'info/refs?service=git-receive-pack']) {
        const head = requestHead(
          'GET /git/NAME.git/PAGE'.replace('PAGE', page).replace('NAME', () => name),
          {},
        )
        const answer = await rig.raw([Buffer.from(head, 'latin1')])
        // These the HTTP parser itself refuses.
        assert.match(answer, /[^!-~]/.test(name) ? /^HTTP\/1\.1 400 / : /^HTTP\/1\.1 404 /, name)
      }
    }
    assert.equal(rig.authorized.length, before)
    assert.deepEqual(gitProcesses(rig.root), [])
  })

  test('only the three pages of the protocol exist', async () => {
    const cases: [string, number][] = [
      ['GET /git/shop.git/HEAD', 404],
      ['GET /git/shop.git/config', 404],
      ['GET /git/shop.git/objects/info/packs', 404],
      ['GET /git/shop.git', 404],
      ['GET /git/shop/info/refs?service=git-upload-pack', 404],
      ['GET /git/shop.git/info/refs/', 404],
      ['GET /git//shop.git/info/refs?service=git-upload-pack', 404],
      ['GET /git/shop.git/info/refs', 403],
      ['GET /git/shop.git/info/refs?service=git-upload-archive', 403],
      ['GET /git/shop.git/info/refs?service=git-upload-pack&service=git-receive-pack', 403],
      ['HEAD /git/shop.git/info/refs?service=git-upload-pack', 405],
      ['POST /git/shop.git/info/refs?service=git-upload-pack', 405],
      ['GET /git/shop.git/git-upload-pack', 405],
      ['PUT /git/shop.git/git-receive-pack', 405],
      ['OPTIONS /git/shop.git/git-receive-pack', 405],
      ['POST /git/shop.git/git-receive-pack?x=1', 404],
      ['POST /git/shop.git/git-receive-pack', 415],
      ['POST /git/shop.git/git-upload-pack', 415],
    ]
    for (const [line, status] of cases) {
      const answer = await rig.raw([requestHead(line, {})])
      assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `), line)
    }
  })

  test('compressed requests are read, whichever name the compression has', async () => {
    const want = '0014command=ls-refs\n00010000'
    for (const [encoding, body] of [
      ['gzip', gzipSync(want)],
      ['x-gzip', gzipSync(want)],
      ['identity', Buffer.from(want)],
    ] as const) {
      const headers = {
        'Content-Type': 'application/x-git-upload-pack-request',
        'Content-Encoding': encoding,
        'Content-Length': body.length,
        'Git-Protocol': 'version=2',
      }
      const answer = await rig.raw([requestHead('POST /git/shop.git/git-upload-pack', headers), body])
      assert.match(answer, /^HTTP\/1\.1 200 [\s\S]*refs\/heads\/main/, encoding)
    }
  })

  test('a password never reaches the log', () => {
    assert.ok(!rig.log.join('\n').includes(basic('fault').slice(6)))
    assert.ok(!rig.log.join('\n').includes('"pw"'))
  })
})
