import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { hello } from '../testing/apps.ts'
import { ask } from '../testing/ask.ts'
import { type CommandLine, commandLine } from '../testing/command-line.ts'
import { assertLive } from '../testing/git-output.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { answered } from '../testing/project.ts'
import { removeDirectory, temporaryDirectory } from '../testing/temporary.ts'
import { until } from '../testing/until.ts'
import { type WorkTree, workTree } from '../testing/work-tree.ts'

/** A second project of the same server is the remote: `origin` holds the code, `shop` is fetched from it. */
describe('a project that is fetched', { timeout: 240_000 }, () => {
  let pilot: Pilot
  let home: string
  let user: CommandLine
  let tree: WorkTree
  let secret = ''
  let url = ''
  let token = ''

  before(async () => {
    home = await temporaryDirectory('home')
    await writeFile(path.join(home, 'nodepilot.json'), '{"allowLocalFetch":true}')
    pilot = await startPilot({ home })
    user = await commandLine()
    await user.login(pilot)
    tree = await workTree(hello('v1'))
    assertLive(await tree.push(pilot.remote('origin')), 1)
    answered(await api('POST', '/api/project/create', { name: 'shop' }), 201)
    url = `${pilot.url}/git/origin.git`
    const made = await api('POST', '/api/auth/tokens', { name: 'fetch', scope: 'read', project: 'origin' })
    token = answered(made, 201).json<{ token: string }>().token
  })
  after(async () => {
    await tree?.remove()
    await user?.remove()
    await pilot?.stop()
    await removeDirectory(home)
  })

  const git = async (...args: string[]) => (await tree.git(...args)).out
  const api = (method: string, at: string, body?: object) => pilot.api(at, { method, ...(body && { body }) })
  const shown = async () =>
    answered(await api('GET', '/api/project/shop')).json<{
      project: { release: number; deployBranch: string }
    }>().project
  const deployments = async () =>
    answered(await api('GET', '/api/project/shop/deployments')).json<{
      deployments: { number: number; status: string; source: { revision: string } }[]
    }>().deployments
  const settled = (number: number) =>
    until('the end of the deployment', async () => {
      const [one] = (await deployments()).filter((found) => found.number === number)
      return one && !['queued', 'running'].includes(one.status) ? one.status : undefined
    })
  const tip = async () => (await git('rev-parse', 'HEAD')).trim()
  const deliver = (payload: object, more: { headers?: Record<string, string>; sign?: string } = {}) => {
    const body = JSON.stringify(payload)
    const signature = createHmac('sha256', more.sign ?? secret)
      .update(body)
      .digest('hex')
    return ask(pilot.url, '/api/hooks/shop', {
      method: 'POST',
      body,
      headers: {
        'content-type': 'application/json',
        'x-github-event': 'push',
        'x-github-delivery': `${Math.random()}`,
        'x-hub-signature-256': `sha256=${signature}`,
        ...more.headers,
      },
    })
  }

  test('a hostile address is refused by its field, and nothing is stored', async () => {
    for (const bad of [
      'ext::sh -c id',
      '--upload-pack=id',
      'file:///etc',
      '/etc',
      'https://a:b@example.org/x',
    ]) {
      const answer = await api('PUT', '/api/project/shop/remote', { url: bad })
      assert.equal(answer.status, 422, bad)
      assert.equal(answer.json<{ errors: { field: string }[] }>().errors[0]?.field, 'url')
    }
    assert.deepEqual(answered(await api('GET', '/api/project/shop/remote')).json(), { remote: null })
    assert.equal((await api('POST', '/api/project/shop/fetch', {})).status, 404)
  })

  test('with a token it is fetched and live, its branch moves, and the token is nowhere to be read', async () => {
    const set = answered(await api('PUT', '/api/project/shop/remote', { url, username: pilot.user, token }))
    const { remote, webhookSecret } = set.json<{
      remote: { publicKey: string; webhookUrl: string }
      webhookSecret: string
    }>()
    secret = webhookSecret
    assert.match(remote.publicKey, /^ssh-ed25519 AAAA\S+ nodepilot-shop$/)
    assert.equal(remote.webhookUrl, `${pilot.url}/api/hooks/shop`)
    const fetched = await user.run(['fetch', '-p', 'shop'])
    assert.equal(fetched.code, 0, fetched.all)
    assert.match(fetched.all, /fetching main of http/)
    assert.equal((await pilot.app('shop')).text, 'v1')
    assert.deepEqual(await shown().then(({ release, deployBranch }) => [release, deployBranch]), [1, 'main'])
    const listed = await git('ls-remote', pilot.remote('shop'))
    assert.match(listed, new RegExp(`^${await tip()}\trefs/heads/main$`, 'm'))
    assert.ok(!listed.includes('refs/nodepilot'))
    const everywhere = [
      answered(await api('GET', '/api/project/shop/remote')).text,
      answered(await api('GET', '/api/project/shop/deployments/1/log')).text,
      answered(await api('GET', '/api/audit')).text,
      pilot.log(),
      await readFile(path.join(home, 'nodepilot.db'), 'latin1'),
      await readFile(path.join(home, 'nodepilot.db-wal'), 'latin1').catch(() => ''),
    ]
    for (const text of everywhere) {
      assert.ok(!text.includes(token))
      assert.ok(!text.includes(secret))
    }
  })

  test('a signed push is deployed behind the answer; a replay is not', async () => {
    await tree.commit(hello('v2'), 'Second')
    assertLive(await tree.push(pilot.remote('origin')), 2)
    const payload = { ref: 'refs/heads/main', after: await tip() }
    const answer = await deliver(payload)
    assert.equal(answer.status, 202, answer.text)
    const { deployment } = answer.json<{ deployment: number }>()
    assert.equal(await settled(deployment), 'live')
    assert.equal((await pilot.app('shop')).text, 'v2')
    const replay = await deliver(payload)
    assert.deepEqual([replay.status, replay.json<{ result: string }>().result], [200, 'ignored'])
    const again = await deliver({ ...payload, pusher: 'ana' })
    assert.deepEqual([again.status, again.json<{ result: string }>().result], [200, 'nothing to do'])
    assert.equal((await deployments()).length, 2)
  })

  test('without the right signature, or too long, nothing is read', async () => {
    const payload = { ref: 'refs/heads/main', after: 'c'.repeat(40) }
    assert.equal((await deliver(payload, { sign: 'guess' })).status, 401)
    const body = JSON.stringify(payload)
    const sha1 = `sha1=${createHmac('sha1', secret).update(body).digest('hex')}`
    assert.equal(
      (await deliver(payload, { headers: { 'x-hub-signature-256': '', 'x-hub-signature': sha1 } })).status,
      401,
    )
    assert.equal((await deliver({ ...payload, filler: 'x'.repeat(26_300_000) })).status, 413)
    const long = { ref: 'refs/heads/other', filler: 'x'.repeat(20_000_000) }
    assert.equal((await deliver(long)).status, 200, 'as long as services send them')
    assert.equal((await ask(pilot.url, '/api/hooks/origin', { method: 'POST', body: '{}' })).status, 404)
    assert.equal((await ask(pilot.url, '/api/hooks/nothing', { method: 'POST', body: '{}' })).status, 404)
    assert.equal((await deployments()).length, 2)
  })

  test('what fails leaves version and branch as they were', async () => {
    const before = await tip()
    await tree.commit({ ...hello('v3'), 'server.js': 'process.exit(1)' }, 'Broken')
    // stored there, not deployed
    await git('push', '-q', pilot.remote('origin'), 'HEAD:next')
    answered(await api('PUT', '/api/project/shop/remote', { url, branch: 'next' }))
    const failed = await user.run(['fetch', '-p', 'shop'])
    assert.equal(failed.code, 1, failed.all)
    assert.match(failed.all, /boot_crashed/)
    assert.equal((await pilot.app('shop')).text, 'v2')
    assert.match(
      await git('ls-remote', pilot.remote('shop')),
      new RegExp(`^${before}\trefs/heads/main$`, 'm'),
    )
    answered(await api('PUT', '/api/project/shop/remote', { url, branch: 'gone' }))
    const missing = await user.run(['fetch', '-p', 'shop'])
    assert.match(missing.all, /fetch_failed: the remote has no branch gone/)
  })

  test('the command line shows, renews and removes it', async () => {
    const remote = (...args: string[]) => user.run(['remote', ...args, '-p', 'shop'])
    const listed = await remote()
    assert.match(listed.out, /^key +ssh-ed25519 /m)
    assert.ok(!listed.all.includes('whsec_'))
    assert.match((await remote('deliveries')).out, /^github +push +main +deployment 2: live/m)
    const renewed = await remote('new-secret')
    assert.match(renewed.out, /^secret +whsec_\S+$/m)
    assert.equal(
      (await deliver({ zen: 'x' }, { headers: { 'x-github-event': 'ping' } })).status,
      401,
      'the old one',
    )
    const key = (text: string) => /^key +(.*)$/m.exec(text)?.[1]
    assert.notEqual(key((await remote('new-key')).out), key(listed.out))
    assert.match((await remote('set', url, '--token-stdin')).all, /token|remote/)
    const ssh = await user.run(
      ['remote', 'set', 'git@example.org:ana/shop.git', '--token-stdin', '-p', 'shop'],
      {
        input: token,
      },
    )
    assert.match(ssh.all, /a token is for an https:\/\/ address[\s\S]*deploy key/)
    assert.notEqual(ssh.code, 0)
    assert.equal((await remote('rm')).code, 0)
    assert.equal((await remote()).code, 4)
  })
})

describe('what is in the repository already', { timeout: 240_000 }, () => {
  let pilot: Pilot
  let tree: WorkTree

  before(async () => {
    pilot = await startPilot()
    tree = await workTree(hello('v1'))
    assertLive(await tree.push(pilot.remote('shop')), 1)
    await tree.git('tag', 'v1.0')
    await tree.commit(hello('v2'), 'Second')
    await tree.git('push', '-q', pilot.remote('shop'), 'HEAD:refs/heads/next', 'v1.0')
  })
  after(async () => {
    await tree?.remove()
    await pilot?.stop()
  })

  const git = async (...args: string[]) => (await tree.git(...args)).out
  const deploy = (body: object) => pilot.api('/api/project/shop/deploy', { method: 'POST', body })

  test('a branch, a tag, a commit and the beginning of one are deployed', async () => {
    const second = (await git('rev-parse', 'HEAD')).trim()
    for (const [ref, text] of [
      ['next', 'v2'],
      ['v1.0', 'v1'],
      [second, 'v2'],
      [(await git('rev-parse', 'v1.0')).slice(0, 8), 'v1'],
    ] as const) {
      answered(await deploy({ ref }))
      assert.equal((await pilot.app('shop')).text, text, ref)
    }
  })

  test('a name that is a branch and a tag means the branch', async () => {
    await git('push', '-q', pilot.remote('shop'), 'v1.0:refs/heads/both', 'HEAD:refs/tags/both')
    answered(await deploy({ ref: 'both' }))
    assert.equal((await pilot.app('shop')).text, 'v1')
  })

  test('hostile names are refused, and none of them is run', async () => {
    for (const ref of [
      '--exec=id',
      '-x',
      'main..next',
      'main^{/x}',
      '@{-1}',
      'main:server.js',
      '../../etc',
      'a b',
      'x'.repeat(300),
      'refs/heads/main;id',
      '',
      '0000',
      'nope',
    ]) {
      const answer = await deploy({ ref })
      assert.ok(answer.status === 404 || answer.status === 422, `${ref}: ${answer.status} ${answer.text}`)
    }
    assert.equal((await pilot.app('shop')).text, 'v1')
  })

  test('the current source is deployed again, a commit built anew', async () => {
    const { deployment } = answered(await deploy({})).json<{
      deployment: { source: { kind: string }; steps: { name: string; status: string }[] }
    }>()
    assert.equal(deployment.source.kind, 'git')
    assert.ok(deployment.steps.some(({ name, status }) => name === 'Install' && status === 'done'))
    assert.equal((await pilot.app('shop')).text, 'v1')
  })
})
