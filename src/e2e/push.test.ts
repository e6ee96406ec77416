import assert from 'node:assert/strict'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { app, hello } from '../testing/apps.ts'
import { command } from '../testing/command.ts'
import { assertLive, assertRejected, remoteLines } from '../testing/git-output.ts'
import { nothingLeft } from '../testing/leftovers.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { answered, deploymentsOf, projectOf } from '../testing/project.ts'
import { removeDirectory, temporaryDirectory } from '../testing/temporary.ts'
import { until } from '../testing/until.ts'
import { gitEnvironment, type WorkTree, workTree } from '../testing/work-tree.ts'

/** Waits with its build until the file is there, so that a test can look at a deployment under way. */
const waitsFor = (file: string, body: string) => ({
  ...hello(body),
  'package.json': JSON.stringify({
    name: 'app',
    version: '1.0.0',
    scripts: { build: `while [ ! -e ${file} ]; do sleep 0.05; done`, start: 'node server.js' },
  }),
})

describe('pushing', { timeout: 240_000 }, () => {
  let pilot: Pilot
  let folder: string
  const trees: WorkTree[] = []
  const tree = async (files: Parameters<typeof workTree>[0]) => {
    const made = await workTree(files)
    trees.push(made)
    return made
  }
  const token = async (body: object) =>
    answered(await pilot.api('/api/auth/tokens', { method: 'POST', body }), 201).json<{ token: string }>()
      .token
  const refsOf = async (name: string) => {
    const listed = await command('git', ['ls-remote', pilot.remote(name)], { env: gitEnvironment })
    return listed.out.split('\n').map((line) => line.split('\t'))
  }
  const refOf = async (name: string, ref: string) =>
    (await refsOf(name)).find(([, seen]) => seen === ref)?.[0]

  before(async () => {
    folder = await temporaryDirectory('push')
    pilot = await startPilot()
  })
  after(async () => {
    await pilot?.stop()
    for (const made of trees) await made.remove()
    await removeDirectory(folder)
  })

  test('a project that begins with master deploys master from then on', async () => {
    const work = await tree(hello('from master'))
    await work.git('branch', '-m', 'main', 'master')
    assertLive(await work.push(pilot.remote('old-style'), 'master'), 1)
    assert.equal((await projectOf(pilot, 'old-style')).deployBranch, 'master')
    const other = await work.push(pilot.remote('old-style'), 'master:main')
    assert.equal(other.code, 0, other.all)
    assert.match(other.all, /hint: only master is deployed/)
    assert.equal((await projectOf(pilot, 'old-style')).release, 1)
  })

  test('other branches and tags are stored, and a hint says what deploys', async () => {
    const work = await tree(hello('stored'))
    assertLive(await work.push(pilot.remote('stored')), 1)
    const branch = await work.push(pilot.remote('stored'), 'HEAD:refs/heads/feature')
    assert.equal(branch.code, 0, branch.all)
    assert.match(branch.all, /hint: only main is deployed: git push nodepilot HEAD:main/)
    await work.git('tag', '-a', 'v1.0', '-m', 'one')
    const tag = await work.push(pilot.remote('stored'), 'v1.0')
    assert.equal(tag.code, 0, tag.all)
    assert.equal((await projectOf(pilot, 'stored')).release, 1)
    assert.equal(await refOf('stored', 'refs/tags/v1.0^{}'), await work.head())
    assert.equal(await refOf('stored', 'refs/heads/feature'), await work.head())
    const byTag = await pilot.api('/api/project/stored/deploy', { method: 'POST', body: { ref: 'v1.0' } })
    assert.equal(byTag.status, 200, byTag.text)
  })

  test('a stored branch can be deleted, the deploy branch cannot', async () => {
    const work = await tree(hello('kept'))
    await work.push(pilot.remote('kept'))
    await work.push(pilot.remote('kept'), 'HEAD:refs/heads/feature')
    assert.equal((await work.push(pilot.remote('kept'), ':feature')).code, 0)
    assert.equal(await refOf('kept', 'refs/heads/feature'), undefined)
    const gone = await work.push(pilot.remote('kept'), ':main')
    assertRejected(gone, 'forbidden')
    assert.equal(await refOf('kept', 'refs/heads/main'), await work.head())
    assert.equal((await pilot.app('kept')).text, 'kept')
  })

  test('several refs in one push: the deploy branch is deployed, the others are stored', async () => {
    const work = await tree(hello('many'))
    await work.git('branch', 'side')
    await work.git('tag', 'mark')
    const refs = ['push', pilot.remote('many'), 'main', 'side', 'mark']
    const pushed = await command('git', refs, { cwd: work.directory, env: gitEnvironment })
    assertLive(pushed, 1)
    assert.equal(await refOf('many', 'refs/heads/side'), await work.head())
    assert.equal(await refOf('many', 'refs/tags/mark'), await work.head())
  })

  test('-o message names the deployment, -o no-cache is accepted', async () => {
    const work = await tree(hello('named'))
    const remote = pilot.remote('named')
    const flags = ['-o', 'message=The "big" one; $(touch /tmp/never)', '-o', 'no-cache']
    assertLive(await work.push(remote, 'main', { flags }), 1)
    const [newest] = await deploymentsOf(pilot, 'named')
    assert.equal(newest?.source.message, 'The "big" one; $(touch /tmp/never)')
  })

  test('a wrong password creates nothing, and git hears about it', async () => {
    const work = await tree(hello())
    const pushed = await work.push(pilot.remote('unwanted', 'admin', 'not the password'))
    assert.notEqual(pushed.code, 0)
    assert.match(pushed.all, /Authentication failed|could not read/)
    assert.equal((await pilot.api('/api/project/unwanted')).status, 404)
    await assert.rejects(stat(join(pilot.home, 'repositories', 'unwanted.git')))
    await assert.rejects(stat(join(pilot.home, 'projects', 'unwanted')))
  })

  test('a push token is a password for its project, and for no other', async () => {
    const work = await tree(hello('by token'))
    assertLive(await work.push(pilot.remote('tokened')), 1)
    const other = await tree(hello('other'))
    await other.push(pilot.remote('other'))
    const { id } = await projectOf(pilot, 'tokened')
    const secret = await token({ name: 'ci', scope: 'push', project: id })
    await work.commit(hello('by token 2'))
    assertLive(await work.push(pilot.remote('tokened', 'anybody', secret)), 2)
    await other.commit(hello('stolen'))
    const denied = await other.push(pilot.remote('other', 'anybody', secret))
    assert.notEqual(denied.code, 0)
    assert.match(denied.all, /403/)
    assert.equal((await pilot.app('other')).text, 'other')
    const created = await other.push(pilot.remote('brand-new', 'anybody', secret))
    assert.notEqual(created.code, 0)
    assert.equal((await pilot.api('/api/project/brand-new')).status, 404)
  })

  test('a read token can clone and cannot push; a removed one can do nothing', async () => {
    const work = await tree(hello('readable'))
    await work.push(pilot.remote('readable'))
    const made = answered(
      await pilot.api('/api/auth/tokens', { method: 'POST', body: { name: 'viewer', scope: 'read' } }),
      201,
    ).json<{ id: number; token: string }>()
    const remote = pilot.remote('readable', 'x', made.token)
    const into = join(folder, 'readable')
    const cloned = await command('git', ['clone', '-q', remote, into], { env: gitEnvironment })
    assert.equal(cloned.code, 0, cloned.all)
    assert.equal(await readFile(join(into, 'server.js'), 'utf8'), hello('readable')['server.js'])
    await work.commit(hello('written'))
    const denied = await work.push(remote)
    assert.notEqual(denied.code, 0)
    assert.match(denied.all, /403/)
    answered(await pilot.api(`/api/auth/tokens/${made.id}`, { method: 'DELETE' }), 204)
    const gone = await command('git', ['ls-remote', remote], { env: gitEnvironment })
    assert.notEqual(gone.code, 0)
  })

  test('what is cloned equals what was pushed, by protocol v2 and v0, deep and shallow', async () => {
    const work = await tree(hello('cloned'))
    await work.commit({ 'notes/ünïcode file.txt': 'two\n' }, 'second')
    assertLive(await work.push(pilot.remote('cloned')))
    for (const [version, depth] of [
      [2, []],
      [0, []],
      [2, ['--depth', '1']],
    ] as const) {
      const into = join(folder, `cloned-${version}-${depth.length}`)
      const clone = [
        '-c',
        `protocol.version=${version}`,
        'clone',
        '-q',
        ...depth,
        pilot.remote('cloned'),
        into,
      ]
      const trace = { ...gitEnvironment, GIT_TRACE_PACKET: '1' }
      const cloned = await command('git', clone, { env: trace })
      assert.equal(cloned.code, 0, cloned.all)
      assert.equal(/version 2/.test(cloned.all), version === 2)
      const head = await command('git', ['rev-parse', 'HEAD'], { cwd: into, env: gitEnvironment })
      assert.equal(head.out.trim(), await work.head())
      assert.equal(await readFile(join(into, 'notes', 'ünïcode file.txt'), 'utf8'), 'two\n')
    }
  })

  test('a fetch of a project that does not exist is refused and creates nothing', async () => {
    const asked = await command('git', ['ls-remote', pilot.remote('nowhere')], { env: gitEnvironment })
    assert.notEqual(asked.code, 0)
    assert.match(asked.all, /not found/i)
    assert.equal((await pilot.api('/api/project/nowhere')).status, 404)
  })

  test('names no project can have are refused and reach no file', async () => {
    const work = await tree(hello())
    for (const name of [
      '..%2f..%2fetc',
      '%2e%2e',
      'Upper',
      'a',
      '-rf',
      'a%00b',
      'x'.repeat(41),
      'api',
      'git',
    ]) {
      const pushed = await work.push(pilot.remote(name))
      assert.notEqual(pushed.code, 0, `${name}: ${pushed.all}`)
    }
    await assert.rejects(stat(join(pilot.home, 'repositories', 'a.git')))
    await nothingLeft(pilot.home)
  })

  test('a push while another deploys waits; when the branch has moved meanwhile it is superseded', async () => {
    const gate = join(folder, 'gate-1')
    const work = await tree(hello('base'))
    assertLive(await work.push(pilot.remote('queue')), 1)
    await work.commit(waitsFor(gate, 'slow'))
    const slowHead = await work.head()
    const slow = work.push(pilot.remote('queue'))
    await until('the first deployment to run', async () => (await projectOf(pilot, 'queue')).deploying)
    await work.git('reset', '-q', '--hard', 'HEAD~1')
    await work.commit(hello('late'))
    let said = ''
    const late = work.push(pilot.remote('queue'), 'main', {
      onOutput: (text) => {
        said += text
      },
    })
    await until('the second push to wait', () => /waiting for another deployment/.test(said))
    await command('touch', [gate])
    assertLive(await slow, 2)
    assertRejected(await late, 'superseded')
    assert.equal(await refOf('queue', 'refs/heads/main'), slowHead)
    assert.equal((await pilot.app('queue')).text, 'slow')
    await nothingLeft(pilot.home)
  })

  test('a push that waited behind a failure is deployed', async () => {
    const gate = join(folder, 'gate-2')
    const work = await tree(hello('base'))
    assertLive(await work.push(pilot.remote('behind')), 1)
    await work.commit({ ...waitsFor(gate, 'x'), 'server.js': 'process.exit(1)' })
    const failing = work.push(pilot.remote('behind'))
    await until('the first deployment to run', async () => (await projectOf(pilot, 'behind')).deploying)
    await work.git('reset', '-q', '--hard', 'HEAD~1')
    await work.commit(hello('second try'))
    let said = ''
    const next = work.push(pilot.remote('behind'), 'main', {
      onOutput: (text) => {
        said += text
      },
    })
    await until('the second push to wait', () => /waiting for another deployment/.test(said))
    await command('touch', [gate])
    assertRejected(await failing, 'boot_crashed')
    assertLive(await next, 2)
    assert.equal((await pilot.app('behind')).text, 'second try')
  })

  test('two pushes at the same moment: one is accepted, and it is the one that serves', async () => {
    const a = await tree(hello('base'))
    assertLive(await a.push(pilot.remote('race')), 1)
    const b = await tree(hello('base'))
    await b.git('fetch', '-q', pilot.remote('race'), 'main')
    await b.git('reset', '-q', '--hard', 'FETCH_HEAD')
    await a.commit(hello('A'))
    await b.commit(hello('B'))
    const [first, second] = await Promise.all([a.push(pilot.remote('race')), b.push(pilot.remote('race'))])
    assert.equal([first, second].filter(({ code }) => code === 0).length, 1, `${first.all}\n${second.all}`)
    const winner = first.code === 0 ? a : b
    assert.equal(await refOf('race', 'refs/heads/main'), await winner.head())
    assert.equal((await pilot.app('race')).text, first.code === 0 ? 'A' : 'B')
    await nothingLeft(pilot.home)
  })

  test('the first push of a project, twice at once: one project, one release', async () => {
    const a = await tree(hello('same'))
    // a commit of its own: one that is there already would be no push at all, once the other one is done
    const b = await tree({ ...hello('same'), 'note.txt': 'b' })
    const pushed = await Promise.all([a.push(pilot.remote('twins')), b.push(pilot.remote('twins'))])
    assert.equal(pushed.filter(({ code }) => code === 0).length, 1, pushed.map(({ all }) => all).join('\n'))
    assert.equal((await projectOf(pilot, 'twins')).release, 1)
    await nothingLeft(pilot.home)
  })

  test('an amended commit needs --force, and then it deploys', async () => {
    const work = await tree(hello('first'))
    await work.push(pilot.remote('amended'))
    await work.write(hello('amended'))
    await work.git('commit', '-qam', 'other', '--amend')
    const plain = await work.push(pilot.remote('amended'))
    assert.notEqual(plain.code, 0)
    assert.equal((await pilot.app('amended')).text, 'first')
    assertLive(await work.push(pilot.remote('amended'), 'main', { flags: ['--force'] }), 2)
    assert.equal((await pilot.app('amended')).text, 'amended')
    assert.equal(await refOf('amended', 'refs/heads/main'), await work.head())
  })

  test('the same commit can be pushed again after a failure, and deploys when the cause is gone', async () => {
    const work = await tree(
      app(`if (process.env.READY !== 'yes') throw new Error('not ready')\n${hello('ready')['server.js']}`),
    )
    assertRejected(await work.push(pilot.remote('again')), 'boot_crashed')
    assert.equal(await refOf('again', 'refs/heads/main'), undefined)
    answered(await pilot.api('/api/project/again/env', { method: 'PATCH', body: { READY: 'yes' } }))
    assertLive(await work.push(pilot.remote('again')), 1)
    assert.equal((await pilot.app('again')).text, 'ready')
  })

  test('Ctrl-C during a build cancels it and leaves no process', async () => {
    const work = await tree(hello('base'))
    assertLive(await work.push(pilot.remote('stopped')), 1)
    const before = await work.head()
    await work.commit(waitsFor(join(folder, 'never'), 'never'))
    let interrupted = false
    const cut = await work.push(pilot.remote('stopped'), 'main', {
      onOutput: (text, child) => {
        if (interrupted || !text.includes('Install')) return
        interrupted = true
        process.kill(-(child.pid ?? 0), 'SIGINT')
      },
    })
    assert.notEqual(cut.code, 0)
    await nothingLeft(pilot.home)
    const [newest] = await deploymentsOf(pilot, 'stopped')
    assert.equal(newest?.status, 'cancelled')
    assert.equal(await refOf('stopped', 'refs/heads/main'), before)
    assert.equal((await pilot.app('stopped')).text, 'base')
  })

  test('hooks, filters and attributes in the repository do nothing; files arrive byte for byte', async () => {
    const canary = join(folder, 'canary')
    const odd = 'a\r\nb\nÿ\u0000$Id$\n'
    const work = await tree({
      ...app(`const fs = require('node:fs')
require('node:http').createServer((q, s) => s.end(fs.readFileSync('odd.txt'))).listen(process.env.PORT)`),
      'odd.txt': odd,
      '.gitattributes': '* text=auto ident eol=crlf filter=evil export-ignore\n',
      'hooks/pre-receive': `#!/bin/sh\ntouch ${canary}\n`,
      '.githooks/post-checkout': `#!/bin/sh\ntouch ${canary}\n`,
    })
    // committed as it is: the attributes must not have changed it on our side either
    await work.git('config', 'core.attributesFile', '/dev/null')
    const blob = await work.git('hash-object', '-w', '--no-filters', 'odd.txt')
    await work.git('update-index', '--cacheinfo', `100644,${blob.out.trim()},odd.txt`)
    await work.git('commit', '-q', '-m', 'odd')
    assertLive(await work.push(pilot.remote('bytes')))
    assert.equal((await pilot.app('bytes')).text, odd)
    await assert.rejects(stat(canary))
  })

  test('a commit message and file names with escapes reach the terminal without them', async () => {
    const work = await tree({
      ...hello('clean'),
      'package.json': JSON.stringify({
        name: 'app',
        version: '1.0.0',
        scripts: { build: `printf 'plain \\033[31mred\\033]0;title\\007 end\\n'`, start: 'node server.js' },
      }),
    })
    await work.commit({}, 'evil \u001b[2J\u001b]0;owned\u0007 message')
    const pushed = await work.push(pilot.remote('clean'))
    assertLive(pushed)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the promise is that there are none
    for (const line of remoteLines(pushed)) assert.doesNotMatch(line, /[\u0000-\u0008\u000b-\u001f\u009b]/)
    assert.match(pushed.all, /plain red end/)
  })
})
