import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { app, hello } from '../testing/apps.ts'
import { assertLive, assertRejected } from '../testing/git-output.ts'
import { leftovers, nothingLeft, runningApps } from '../testing/leftovers.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { answered, deploymentsOf, projectOf } from '../testing/project.ts'
import { removeDirectory, temporaryDirectory } from '../testing/temporary.ts'
import { type Files, type WorkTree, workTree } from '../testing/work-tree.ts'

/** Every test pushes to this one project; whatever happens, this is what it goes on serving. */
const good = 'still here'
const name = 'shop'
const listen = (where: string, answer = `s.end('x')`) =>
  app(`require('node:http').createServer((q, s) => { ${answer} }).listen(${where})\n`)
const withBuild = (build: string, more: Files = {}): Files => ({
  ...hello('built'),
  'package.json': JSON.stringify({
    name: 'app',
    version: '1.0.0',
    scripts: { build, start: 'node server.js' },
  }),
  ...more,
})
const needing = (range: string): Files => app(`require('left-pad')`, { dependencies: { 'left-pad': range } })

describe('every way a deployment fails', { timeout: 300_000 }, () => {
  let pilot: Pilot
  let home: string
  let work: WorkTree
  let firstCommit: string
  let registry: Server

  before(async () => {
    registry = createServer((_q, s) => {
      s.setHeader('content-type', 'application/json')
      s.end(
        JSON.stringify({
          name: 'left-pad',
          'dist-tags': { latest: '1.0.0' },
          versions: {
            '1.0.0': { name: 'left-pad', version: '1.0.0', dist: { tarball: 'http://127.0.0.1:9/x.tgz' } },
          },
        }),
      )
    }).listen(0, '127.0.0.1')
    await once(registry, 'listening')
    const { port } = registry.address() as AddressInfo
    home = await temporaryDirectory('fail')
    const settings = {
      buildTimeoutSeconds: 10,
      buildOutputLimitMb: 1,
      treeLimitMb: 3,
      pushLimitMb: 2,
      drainSeconds: 2,
    }
    await writeFile(join(home, 'nodepilot.json'), JSON.stringify(settings))
    pilot = await startPilot({ home, env: { npm_config_registry: `http://127.0.0.1:${port}/` } })
    work = await workTree(hello(good))
    assertLive(await work.push(pilot.remote(name)), 1)
    firstCommit = await work.head()
    // enough for any npm on a busy machine; what the server sets is met by the build that never ends
    await change({ bootTimeoutMs: 30_000, buildTimeoutMs: 120_000 })
  })
  after(async () => {
    registry?.close()
    await pilot?.stop()
    await work?.remove()
    await removeDirectory(home)
  })

  const change = async (body: object) =>
    answered(await pilot.api(`/api/project/${name}`, { method: 'PATCH', body }))
  const remote = () => pilot.remote(name)

  /** Pushes these files and nothing else on top of the good commit, and checks what every failure promises. */
  const fails = async (files: Files, code: string, prepare: () => Promise<unknown> = async () => {}) => {
    await work.git('rm', '-rqf', '.')
    await work.write(files)
    await prepare()
    await work.git('add', '-A')
    await work.git('commit', '-q', '--allow-empty', '-m', code)
    const pushed = await work.push(remote())
    const lines = assertRejected(pushed, code)
    await stillServing()
    const [newest] = await deploymentsOf(pilot, name)
    assert.equal(newest?.error?.code, code)
    const log = await pilot.api(`/api/project/${name}/deployments/${newest?.number}/log`)
    assert.equal(log.text.match(/^error: /gm)?.length, 1, log.text)
    await work.git('reset', '-q', '--hard', firstCommit)
    await work.git('clean', '-qffdx')
    // long lines are folded: read them as one
    return lines.join(' ').replace(/\s+/g, ' ')
  }
  const stillServing = async () => {
    assert.equal((await pilot.app(name)).text, good)
    assert.deepEqual(await leftovers(home), [])
    assert.deepEqual(
      (await runningApps(home, name)).map(({ release }) => release),
      ['v1'],
    )
    const ref = await work.git('ls-remote', remote(), 'refs/heads/main')
    assert.ok(ref.out.startsWith(firstCommit), 'the ref moved')
    assert.equal((await projectOf(pilot, name)).release, 1)
  }

  describe('files', () => {
    test('a symlink out of the tree is refused by name', async () => {
      const said = await fails(hello(), 'rejected_tree', () =>
        symlink('/etc/passwd', join(work.directory, 'secrets')),
      )
      assert.match(said, /secrets/)
    })

    test('a symlink through another one out of the tree is refused', async () => {
      await fails(hello(), 'rejected_tree', async () => {
        await mkdir(join(work.directory, 'a'))
        await symlink('..', join(work.directory, 'a', 'up'))
        await symlink('a/up/../../outside', join(work.directory, 'sly'))
      })
    })

    test('a submodule is refused by name', async () => {
      const said = await fails(hello(), 'rejected_tree', async () => {
        await work.git('update-index', '--add', '--cacheinfo', `160000,${firstCommit},vendor/lib`)
        await mkdir(join(work.directory, 'vendor', 'lib'), { recursive: true })
        await work.git('-C', 'vendor/lib', 'init', '-q')
        await work.git('-C', 'vendor/lib', 'commit', '-q', '--allow-empty', '-m', 'sub')
      })
      assert.match(said, /vendor\/lib/)
    })

    test('names that differ only in case are refused, both named', async () => {
      const said = await fails({ ...hello(), 'Read.me': '1', 'read.me': '2' }, 'rejected_tree')
      assert.match(said, /read\.me/i)
    })

    test('a tree larger than the limit is too large, however small its pack', async () => {
      await fails({ ...hello(), 'zeros.bin': Buffer.alloc(4_000_000) }, 'too_large')
    })

    test('a repository without package.json, Procfile or index.html says so', async () => {
      const said = await fails({ 'notes.txt': 'hi' }, 'no_package')
      assert.match(said, /hint: commit a package\.json/)
    })

    test('an empty commit tree says so', async () => {
      await fails({}, 'no_package')
    })

    test('a package.json that says no start command gets an example', async () => {
      const said = await fails({ 'package.json': '{"name":"x","version":"1.0.0"}' }, 'no_start_command')
      assert.match(said, /"start": "node server\.js"/)
    })

    test('a package.json that is no JSON is named', async () => {
      const said = await fails({ 'package.json': '{"name": oops', 'server.js': '' }, 'rejected_tree')
      assert.match(said, /package\.json/)
    })
  })

  describe('install and build', () => {
    test('a version that does not exist is named by npm, and the install fails', async () => {
      const said = await fails(needing('99.99.99'), 'install_failed')
      assert.match(said, /left-pad@99\.99\.99/)
    })

    test('a lockfile that does not fit package.json fails the install', async () => {
      const lock = {
        name: 'app',
        version: '1.0.0',
        lockfileVersion: 3,
        requires: true,
        packages: { '': { name: 'app', version: '1.0.0' } },
      }
      await fails({ ...needing('1.0.0'), 'package-lock.json': JSON.stringify(lock) }, 'install_failed')
    })

    test('a build that fails quotes its words and its exit code', async () => {
      const said = await fails(withBuild('echo "cannot find the flux" >&2; exit 7'), 'build_failed')
      assert.match(said, /cannot find the flux/)
      assert.match(said, /exited with code 7/)
    })

    test('a build that is killed is told apart as out of memory', async () => {
      await fails(withBuild('kill -9 $$'), 'out_of_memory')
      await fails(withBuild('sh -c "exit 137"'), 'out_of_memory')
    })

    test('a build that never ends is ended at the time limit, with everything it has started', async () => {
      await change({ buildTimeoutMs: null })
      const said = await fails(withBuild('setsid sleep 1000 & sleep 1000'), 'timeout')
      assert.match(said, /10 s/)
      await change({ buildTimeoutMs: 120_000 })
    })

    test('a build that floods its output is ended at the limit', async () => {
      const pushed = await fails(withBuild('yes a long line of output that nobody reads'), 'output_limit')
      assert.ok(pushed.length < 2_000_000)
    })
  })

  describe('boot', () => {
    test('an app that crashes: its last lines, its exit code and a hint', async () => {
      const said = await fails(
        app(`console.log('opening the database')\nconsole.error('no such table: users')\nprocess.exit(3)`),
        'boot_crashed',
      )
      assert.match(said, /opening the database/)
      assert.match(said, /no such table: users/)
      assert.match(said, /exited with code 3/)
    })

    test('a missing module becomes the command that adds it', async () => {
      const said = await fails(app(`require('express-of-tomorrow')`), 'boot_crashed')
      assert.match(said, /hint: .*npm install express-of-tomorrow/)
    })

    test('a file that is not in the release is named', async () => {
      const said = await fails(app(`require('./dist/main.js')`), 'boot_crashed')
      assert.match(said, /hint: .*\.\/dist\/main\.js/)
    })

    test('a start command that does not exist is told apart', async () => {
      const said = await fails(app('', { scripts: { start: 'nxet start' } }), 'boot_crashed')
      assert.match(said, /hint: .*not installed/)
    })

    test('an app that simply ends is told that it must keep running', async () => {
      const said = await fails(app(`console.log('done')`), 'boot_crashed')
      assert.match(said, /hint: .*listen\(\)/)
    })

    test('an app that cannot reach its database is told which address it was', async () => {
      const said = await fails(app(`require('node:net').connect(9, '127.0.0.1')`), 'boot_crashed')
      assert.match(said, /hint: .*127\.0\.0\.1:9/)
    })

    test('an app killed by SIGKILL ran out of memory, and so did one that V8 ended', async () => {
      await fails(app(`process.kill(process.pid, 'SIGKILL')`), 'out_of_memory')
      await fails(
        app('const all = []\nfor (;;) all.push(new Array(1e5).fill(all.length))', {
          scripts: { start: 'node --max-old-space-size=20 server.js' },
        }),
        'out_of_memory',
      )
    })

    test('an app that listens nowhere runs into the boot timeout', async () => {
      await change({ bootTimeoutMs: 1500 })
      const said = await fails(app('setInterval(() => {}, 1000)'), 'boot_timeout')
      assert.match(said, /hint: .*bootTimeoutMs/)
      // those that follow have to be up before it is over
      await change({ bootTimeoutMs: 5_000 })
    })

    test('an app on another port: the port it does listen on is named', async () => {
      // none that the system gives to a connection
      const said = await fails(listen('18723'), 'wrong_port')
      assert.match(said, /18723/)
      assert.match(said, /hint: .*process\.env\.PORT/)
    })

    test('an app that listens only on ::1 is told about the address', async () => {
      const said = await fails(listen(`process.env.PORT, '::1'`), 'wrong_port')
      assert.match(said, /another address/)
    })

    test('an app that answers 500 is not healthy; 404 without a health path is', async () => {
      const said = await fails(listen('process.env.PORT', 's.statusCode = 500; s.end()'), 'health_failed')
      assert.match(said, /returned 500/)
    })

    test('an app that accepts connections and never answers is not healthy', async () => {
      await fails(listen('process.env.PORT', ''), 'health_failed')
    })

    test('a health path that answers 404 fails; one that redirects is healthy and not followed', async () => {
      await change({ healthPath: '/ready?deep=1' })
      const said = await fails(listen('process.env.PORT', 's.statusCode = 404; s.end()'), 'health_failed')
      assert.match(said, /\/ready\?deep=1 returned 404/)
      let asked = 0
      const canary = createServer((_q, s) => {
        asked++
        s.end()
      }).listen(0, '127.0.0.1')
      await once(canary, 'listening')
      const { port } = canary.address() as AddressInfo
      const redirects = await workTree(
        listen(
          'process.env.PORT',
          `s.writeHead(302, { location: 'http://127.0.0.1:${port}/' }); s.end(q.url)`,
        ),
      )
      const other = pilot.remote('redirects')
      answered(await pilot.api('/api/project/create', { method: 'POST', body: { name: 'redirects' } }), 201)
      answered(await pilot.api('/api/project/redirects', { method: 'PATCH', body: { healthPath: '/ready' } }))
      assertLive(await redirects.push(other), 1)
      assert.equal(asked, 0)
      canary.close()
      await redirects.remove()
      answered(await pilot.api('/api/project/redirects', { method: 'DELETE' }), 204)
      await change({ healthPath: null })
    })

    test('an app that crashes after its port is open and before it is healthy crashed', async () => {
      await change({ bootTimeoutMs: 30_000 })
      await fails(
        listen('process.env.PORT', `console.error('first request killed me'); process.exit(9)`),
        'boot_crashed',
      )
    })
  })

  test('a pack larger than the limit is refused, and git shows why', async () => {
    const noise = Buffer.from(Array.from({ length: 2_600_000 }, () => Math.floor(Math.random() * 256)))
    await work.commit({ 'noise.bin': noise })
    const pushed = await work.push(remote())
    assert.notEqual(pushed.code, 0)
    assert.match(pushed.all, /too_large|larger than/, pushed.all)
    // what git has received of it goes after the answer
    await nothingLeft(home)
    await stillServing()
    await work.git('reset', '-q', '--hard', firstCommit)
  })

  test('without a registry the install fails with the address it could not reach', async () => {
    registry.close()
    registry.closeAllConnections()
    const said = await fails({ ...needing('1.0.0'), '.npmrc': 'fetch-retries=0\n' }, 'install_failed')
    assert.match(said, /cannot be reached \(ECONNREFUSED\).*request to http:\/\/127\.0\.0\.1:/)
    await nothingLeft(home)
  })

  test('after all of that a good push goes live', async () => {
    await work.commit(hello('the next one'))
    assertLive(await work.push(remote()), 2)
    assert.equal((await pilot.app(name)).text, 'the next one')
    await nothingLeft(home)
  })
})
