import assert from 'node:assert/strict'
import { stat } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { hello } from '../testing/apps.ts'
import type { Answer } from '../testing/ask.ts'
import { assertLive } from '../testing/git-output.ts'
import { type ApiQuestion, type Pilot, startPilot } from '../testing/pilot.ts'
import { answered, deploymentsOf, form, projectOf, type ShownProblem } from '../testing/project.ts'
import { removeDirectory, temporaryDirectory } from '../testing/temporary.ts'
import { workTree } from '../testing/work-tree.ts'

describe('the API', { timeout: 180_000 }, () => {
  let pilot: Pilot
  let folder: string
  let canary: string

  before(async () => {
    folder = await temporaryDirectory('api')
    canary = join(folder, 'canary')
    pilot = await startPilot()
    const work = await workTree(hello('shop'))
    assertLive(await work.push(pilot.remote('shop')), 1)
    for (let i = 2; i <= 4; i++) {
      await work.commit(hello(`shop ${i}`))
      assertLive(await work.push(pilot.remote('shop')), i)
    }
    await work.remove()
  })
  after(async () => {
    await pilot?.stop()
    await removeDirectory(folder)
  })

  const send = (method: string, path: string, body?: ApiQuestion['body'], more: ApiQuestion = {}) =>
    pilot.api(path, { method, ...(body === undefined ? {} : { body }), ...more })
  /** Every error is a problem document that says the same as its status line. */
  const problem = (answer: Answer, status: number, code?: string): ShownProblem => {
    assert.equal(answer.status, status, answer.text)
    assert.match(String(answer.headers['content-type']), /^application\/problem\+json/)
    const shown = answer.json<unknown>() as ShownProblem
    assert.equal(shown.status, status)
    assert.ok(shown.detail.length > 0)
    if (code) assert.equal(shown.code, code, answer.text)
    return shown
  }
  const fieldsOf = (answer: Answer) => (problem(answer, 422).errors ?? []).map(({ field }) => field).sort()

  test('nothing answers without a sign-in but health, login and set-up', async () => {
    for (const [method, path] of [
      ['GET', '/api/project/list'],
      ['GET', '/api/auth/verify'],
      ['GET', '/api/auth/tokens'],
      ['POST', '/api/auth/tokens'],
      ['POST', '/api/project/create'],
      ['GET', '/api/project/shop'],
      ['PATCH', '/api/project/shop'],
      ['DELETE', '/api/project/shop'],
      ['POST', '/api/project/shop/stop'],
      ['POST', '/api/project/shop/deploy'],
      ['GET', '/api/project/shop/deployments/1/log'],
      ['GET', '/api/project/shop/deployments/1/log?follow=1'],
      ['POST', '/api/project/shop/deployments/1/cancel'],
      ['POST', '/api/project/shop/rollback'],
      ['GET', '/api/project/shop/env'],
      ['PUT', '/api/project/shop/env'],
      ['GET', '/api/project/shop/logs'],
      ['GET', '/api/project/no-such-project'],
    ] as const) {
      for (const authorization of [
        undefined,
        'Bearer x.y.z',
        'Bearer np_0',
        'Basic YWRtaW46eA==',
        'Bearer ',
      ]) {
        const headers = authorization === undefined ? {} : { authorization }
        const answer = await pilot.api(path, { method, token: null, headers })
        problem(answer, 401, 'unauthorized')
      }
    }
    assert.equal((await pilot.api('/health', { token: null })).status, 200)
    assert.equal((await projectOf(pilot, 'shop')).status, 'running')
  })

  test('a session is a token signed by this server, and by no other algorithm', async () => {
    const [head, body, signature] = pilot.token.split('.')
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const claims = JSON.parse(Buffer.from(body ?? '', 'base64url').toString()) as Record<string, unknown>
    for (const forged of [
      `${part({ alg: 'none', typ: 'JWT' })}.${body}.`,
      `${part({ alg: 'HS512', typ: 'JWT' })}.${body}.${signature}`,
      `${head}.${part({ ...claims, exp: undefined })}.${signature}`,
      `${head}.${part({ ...claims, sub: '2' })}.${signature}`,
      `${head}.${body}.${'A'.repeat(43)}`,
    ]) {
      problem(await pilot.api('/api/auth/verify', { token: forged }), 401)
    }
    assert.equal((await pilot.api('/api/auth/verify')).status, 200)
  })

  test('a session ends with its logout', async () => {
    const body = { username: pilot.user, password: pilot.password }
    const { token } = answered(await send('POST', '/api/auth/login', body, { token: null })).json<{
      token: string
    }>()
    answered(await send('POST', '/api/auth/logout', undefined, { token }), 204)
    problem(await pilot.api('/api/auth/verify', { token }), 401)
  })

  test('a token is kept as a hash, does what its scope says, and only for its project', async () => {
    await send('POST', '/api/project/create', { name: 'other' })
    const make = async (body: object) =>
      answered(await send('POST', '/api/auth/tokens', body), 201).json<{ id: number; token: string }>()
    const read = await make({ name: 'r', scope: 'read' })
    const push = await make({ name: 'p', scope: 'push', project: 'shop' })
    assert.match(read.token, /^np_/)
    const list = await pilot.api('/api/auth/tokens')
    assert.ok(!list.text.includes(read.token))
    assert.equal((await pilot.api('/api/project/shop', { token: read.token })).status, 200)
    problem(await send('POST', '/api/project/shop/restart', undefined, { token: read.token }), 403)
    problem(await send('POST', '/api/project/shop/rollback', {}, { token: read.token }), 403)
    problem(await pilot.api('/api/project/shop/env', { token: read.token }), 403)
    problem(
      await send('POST', '/api/auth/tokens', { name: 'more', scope: 'admin' }, { token: read.token }),
      403,
    )
    problem(await pilot.api('/api/project/other', { token: push.token }), 403)
    problem(await send('DELETE', '/api/project/shop', undefined, { token: push.token }), 403)
    problem(await send('POST', '/api/project/create', { name: 'third' }, { token: push.token }), 403)
    const visible = answered(await pilot.api('/api/project/list', { token: push.token })).text
    assert.match(visible, /"shop"/)
    assert.doesNotMatch(visible, /"other"/)
    answered(await send('DELETE', `/api/auth/tokens/${read.id}`), 204)
    problem(await pilot.api('/api/project/shop', { token: read.token }), 401)
    problem(await send('DELETE', `/api/auth/tokens/${read.id}`), 404)
  })

  test('wrong input is refused with the name of every field that is wrong', async () => {
    const create = '/api/project/create'
    const shop = '/api/project/shop'
    const tokens = '/api/auth/tokens'
    const long = 'x'.repeat(50_000)
    for (const [method, path, body, fields] of [
      ['POST', create, {}, ['name']],
      ['POST', create, { name: '' }, ['name']],
      ['POST', create, { name: 7 }, ['name']],
      ['POST', create, { name: '***' }, ['name']],
      ['POST', create, { name: 'www' }, ['name']],
      ['POST', create, { name: long }, ['name']],
      ['POST', create, { name: 'fine', port: 80 }, ['port']],
      ['POST', create, { name: 'fine', port: 70_000 }, ['port']],
      ['POST', create, { name: 'fine', port: 'many' }, ['port']],
      ['POST', create, { name: 'fine', startCommand: 'a\nb' }, ['startCommand']],
      ['POST', create, { name: 'fine', startCommand: long }, ['startCommand']],
      ['POST', create, { name: 'fine', displayName: 'a\u0007b' }, ['displayName']],
      ['POST', create, { name: 'fine', envVars: ['a'] }, ['envVars']],
      ['POST', create, { name: 'fine', envVars: { PORT: '1' } }, ['envVars.PORT']],
      ['POST', create, { name: 'fine', colour: 'red', size: 1 }, ['colour', 'size']],
      ['POST', create, { name: 'fine', port: 1, startCommand: 'a\rb' }, ['port', 'startCommand']],
      ['PATCH', shop, { bootTimeoutMs: 1 }, ['bootTimeoutMs']],
      ['PATCH', shop, { bootTimeoutMs: '60000' }, ['bootTimeoutMs']],
      ['PATCH', shop, { healthPath: 'no-slash' }, ['healthPath']],
      ['PATCH', shop, { healthPath: '//evil' }, ['healthPath']],
      ['PATCH', shop, { healthPath: '/a b' }, ['healthPath']],
      ['PATCH', shop, { healthPath: '/a\r\nX: y' }, ['healthPath']],
      ['PATCH', shop, { deployBranch: '--exec=id' }, ['deployBranch']],
      ['PATCH', shop, { deployBranch: 'a..b' }, ['deployBranch']],
      ['PATCH', shop, { keepReleases: 0 }, ['keepReleases']],
      ['PATCH', shop, { memoryLimitMb: 1 }, ['memoryLimitMb']],
      ['PATCH', shop, { name: 'renamed' }, ['name']],
      ['PATCH', shop, { id: 2, status: 'stopped' }, ['id', 'status']],
      ['PATCH', shop, [1], ['body']],
      ['POST', `${shop}/rollback`, { release: 'v1' }, ['release']],
      ['POST', `${shop}/rollback`, { release: -1 }, ['release']],
      ['POST', `${shop}/rollback`, { restoreEnv: 'yes' }, ['restoreEnv']],
      ['POST', `${shop}/deploy`, { ref: '' }, ['ref']],
      ['POST', `${shop}/deploy`, { ref: 7 }, ['ref']],
      ['POST', tokens, { name: 'x', scope: 'root' }, ['scope']],
      ['POST', tokens, { scope: 'read', expiresInDays: 0 }, ['expiresInDays', 'name']],
      ['POST', '/api/auth/login', { username: 'admin' }, ['password']],
    ] as const) {
      const answer = await send(method, path, body)
      assert.deepEqual(
        fieldsOf(answer),
        [...fields].sort(),
        `${method} ${path} ${JSON.stringify(body).slice(0, 100)}: ${answer.text}`,
      )
    }
    for (const [path, fields] of [
      [`${shop}/deployments?limit=0`, ['limit']],
      [`${shop}/deployments?limit=x&before=-1`, ['before', 'limit']],
      [`${shop}/logs?lines=99999`, ['lines']],
      [`${shop}/logs?since=yesterday&stream=both`, ['since', 'stream']],
      [`${shop}/env?apply=maybe`, null],
    ] as const) {
      const answer = await pilot.api(path)
      if (fields) assert.deepEqual(fieldsOf(answer), fields, answer.text)
    }
  })

  test('shell metacharacters in any field run nothing', async () => {
    const evil = [
      `$(touch ${canary})`,
      `\`touch ${canary}\``,
      `;touch ${canary};`,
      `|touch ${canary}`,
      `'; touch ${canary} #`,
      `--upload-pack=touch ${canary}`,
    ]
    for (const text of evil) {
      await send('POST', '/api/project/create', { name: text })
      await send('POST', '/api/project/create', form({ name: text, envVars: text }))
      await send('PATCH', '/api/project/shop', { deployBranch: text })
      await send('PATCH', '/api/project/shop', { healthPath: text })
      await send('POST', '/api/project/shop/deploy', { ref: text })
      await send('POST', '/api/project/shop/rollback', { release: text })
      await send('POST', '/api/auth/tokens', { name: 'x', scope: 'read', project: text })
      await pilot.api(`/api/project/${encodeURIComponent(text)}`)
      await pilot.api(`/api/project/shop/logs?q=${encodeURIComponent(text)}&type=${encodeURIComponent(text)}`)
    }
    await assert.rejects(stat(canary))
  })

  test('what is no JSON, not JSON at all, too large or unknown gets its own status', async () => {
    const json = { 'content-type': 'application/json' }
    problem(await send('PATCH', '/api/project/shop', '{"a":', { headers: json }), 400, 'malformed')
    problem(
      await send('PATCH', '/api/project/shop', 'a=1', { headers: { 'content-type': 'text/plain' } }),
      415,
    )
    problem(
      await send('POST', '/api/project/create', 'name=a', {
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      }),
      415,
    )
    problem(await send('PATCH', '/api/project/shop', '"text"', { headers: json }), 422)
    problem(await send('PATCH', '/api/project/shop', 'null', { headers: json }), 422)
    problem(
      await send('POST', '/api/project/create', 'x', { headers: { 'content-type': 'multipart/form-data' } }),
      400,
    )
    problem(await pilot.api('/api/project/nobody'), 404, 'not_found')
    problem(await pilot.api('/api/project/99999'), 404)
    problem(await pilot.api('/api/project/shop/deployments/99'), 404)
    problem(await pilot.api('/api/project/shop/deployments/abc'), 422)
    problem(await pilot.api('/api/nothing/here'), 404)
    problem(await send('POST', '/api/project/shop/deploy', { ref: 'no-such-branch' }), 404)
    problem(await send('POST', '/api/project/shop/rollback', { release: 99 }), 404)
    problem(await send('POST', '/api/project/create', { name: 'shop' }), 409, 'conflict')
    problem(await send('POST', '/api/project/create', { name: 'Shop!' }), 409, 'conflict')
    problem(await send('POST', '/api/project/shop/deployments/1/cancel'), 409)
  })

  test('two megabytes of JSON are refused as too large, declared or chunked', async () => {
    const big = JSON.stringify({ name: 'x'.repeat(2_000_000) })
    problem(
      await send('POST', '/api/project/create', big, { headers: { 'content-type': 'application/json' } }),
      413,
    )
    assert.equal(await chunked('/api/project/create', big), 413)
    problem(
      await send('POST', '/api/auth/login', big, {
        token: null,
        headers: { 'content-type': 'application/json' },
      }),
      413,
    )
  })

  test('a deeply nested or prototype-poisoning body changes nothing', async () => {
    const headers = { 'content-type': 'application/json' }
    problem(
      await send('PATCH', '/api/project/shop', `${'['.repeat(100_000)}${']'.repeat(100_000)}`, { headers }),
      422,
    )
    await send(
      'PATCH',
      '/api/project/shop',
      '{"__proto__":{"polluted":true},"constructor":{"prototype":{}}}',
      { headers },
    )
    assert.doesNotMatch((await pilot.api('/api/project/shop')).text, /polluted/)
    assert.equal((await pilot.api('/health')).status, 200)
  })

  test('an empty project is made, shown by number and name, changed and deleted', async () => {
    const made = answered(
      await send('POST', '/api/project/create', { name: 'My First Shop!', envVars: { A: '1' }, port: null }),
      201,
    )
    const { project } = made.json<{
      project: { id: number; name: string; displayName: string; release: null }
    }>()
    assert.equal(project.name, 'my-first-shop')
    assert.equal(project.displayName, 'My First Shop!')
    assert.equal(project.release, null)
    assert.deepEqual((await projectOf(pilot, String(project.id))).name, 'my-first-shop')
    assert.equal((await pilot.app('my-first-shop')).status, 503)
    problem(await send('POST', '/api/project/my-first-shop/restart'), 409)
    problem(await send('POST', '/api/project/my-first-shop/rollback', {}), 409)
    problem(await send('POST', '/api/project/my-first-shop/deploy', {}), 409)
    answered(await send('DELETE', '/api/project/my-first-shop'), 204)
    problem(await send('DELETE', '/api/project/my-first-shop'), 404)
  })

  test('deployments come newest first, page by page', async () => {
    const all = await deploymentsOf(pilot, 'shop')
    assert.deepEqual(
      all.map(({ number }) => number),
      [4, 3, 2, 1],
    )
    const page = async (query: string) =>
      answered(await pilot.api(`/api/project/shop/deployments?${query}`))
        .json<{ deployments: { number: number }[] }>()
        .deployments.map(({ number }) => number)
    assert.deepEqual(await page('limit=2'), [4, 3])
    assert.deepEqual(await page('limit=2&before=3'), [2, 1])
    assert.deepEqual(await page('before=1'), [])
  })

  test('a shown deployment tells its source, steps and times', async () => {
    const [newest] = await deploymentsOf(pilot, 'shop')
    assert.equal(newest?.status, 'live')
    assert.match(newest?.source.revision ?? '', /^[0-9a-f]{40}$/)
    assert.deepEqual(
      newest?.steps.map(({ name }) => name),
      ['Receive', 'Install', 'Build', 'Start', 'Health'],
    )
    assert.match(newest?.finishedAt ?? '', /^\d{4}-\d\d-\d\dT.*Z$/)
  })

  test('eleven wrong logins are throttled, whatever address they claim; the right password still works', async () => {
    let last: Answer | undefined
    for (let i = 0; i < 12; i++) {
      last = await send(
        'POST',
        '/api/auth/login',
        { username: 'nobody-here', password: `wrong ${i}` },
        { token: null, headers: { 'x-forwarded-for': `203.0.113.${i}` } },
      )
      if (last.status === 429) break
      problem(last, 401)
    }
    assert.equal(last?.status, 429)
    assert.ok(Number(last?.headers['retry-after']) > 0)
    assert.equal((await pilot.api('/api/auth/verify')).status, 200)
  })

  function chunked(path: string, body: string): Promise<number> {
    return new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${pilot.token}`, 'content-type': 'application/json' }
      const sent = request(
        { host: '127.0.0.1', port: pilot.port, path, method: 'POST', headers },
        (response) => {
          response.resume()
          resolve(response.statusCode ?? 0)
        },
      )
      sent.on('error', reject)
      for (let at = 0; at < body.length; at += 100_000) sent.write(body.slice(at, at + 100_000))
      sent.end()
    })
  }
})
