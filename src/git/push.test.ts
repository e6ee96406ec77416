import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Refusal } from '../engine/domain/refusal.ts'
import {
  type Actor,
  GitRig,
  gitProcesses,
  hooksDirectory,
  type RigOptions,
  requestHead,
} from '../testing/git-rig.ts'
import type { Push } from './push.ts'

async function withRig(options: RigOptions, story: (rig: GitRig) => Promise<void>): Promise<void> {
  const rig = await new GitRig(options).listen()
  try {
    await story(rig)
  } finally {
    await rig.close()
  }
}

function gate() {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { open, opened }
}

test('lines of pre-receive reach the client while the hook still runs', async () => {
  const seen = gate()
  const receiver = {
    preReceive: async (push: Push<Actor>) => {
      push.say('[1/5] Receive')
      await seen.opened
      push.say('  | indented é')
      return true
    },
    postReceive: async (push: Push<Actor>) => push.say('success: v1 is live'),
  }
  await withRig({ receiver }, async (rig) => {
    const client = rig.start(['push', rig.url(), 'main'], await rig.work())
    await client.line('remote: [1/5] Receive')
    seen.open()
    const { code, err } = await client.result
    assert.equal(code, 0)
    assert.match(err, /remote: {3}\| indented é/)
    assert.match(err, /remote: success: v1 is live/)
  })
})

test('a push tells who, what and where, and the pushed objects can be read in quarantine', async () => {
  const facts: unknown[] = []
  const receiver = {
    preReceive: async (push: Push<Actor>) => {
      const sha = push.updates[0]?.newSha ?? ''
      const read = (env: NodeJS.ProcessEnv) => {
        const git = spawn('git', ['cat-file', '-t', sha], { cwd: push.directory, env })
        return once(git, 'close').then(([code]) => code as number)
      }
      const base = { PATH: process.env.PATH }
      facts.push(await read(base), await read({ ...base, ...push.objectEnvironment }))
      return true
    },
    postReceive: async (push: Push<Actor>) => {
      facts.push(push.updates[0]?.ref, push.signal.aborted)
    },
  }
  await withRig({ receiver }, async (rig) => {
    const work = await rig.work()
    const sha = (await rig.git(['rev-parse', 'HEAD'], work)).out.trim()
    const options = ['-o', 'no-cache', '-o', 'message=it $(id) `x` "y" \\n é', '-o', '']
    const push = await rig.git(['push', ...options, rig.url(), 'main'], work)
    assert.equal(push.code, 0, push.err)
    assert.deepEqual(facts, [128, 0, 'refs/heads/main', false])
    const [seen] = rig.pushes
    assert.deepEqual(seen?.actor, { user: 'ana' })
    assert.equal(seen?.name, 'shop')
    assert.deepEqual(seen?.options, ['no-cache', 'message=it $(id) `x` "y" \\n é', ''])
    assert.deepEqual(seen?.updates, [{ ref: 'refs/heads/main', oldSha: '0'.repeat(40), newSha: sha }])
    await rig.until(() => rig.closed.length > 0)
    assert.deepEqual(rig.closed, rig.pushes)
  })
})

test('a rejected push leaves the ref where it was, and the same commit is accepted later', async () => {
  let accept = false
  await withRig({ receiver: { preReceive: async () => accept } }, async (rig) => {
    const work = await rig.work()
    const first = await rig.git(['push', rig.url(), 'main'], work)
    assert.equal(first.code, 1)
    assert.match(first.err, /pre-receive hook declined/)
    assert.equal(await rig.tip(), '')
    accept = true
    assert.equal((await rig.git(['push', rig.url(), 'main'], work)).code, 0)
    assert.notEqual(await rig.tip(), '')
    await rig.until(() => rig.closed.length === 2)
    assert.deepEqual(rig.quarantines(), [])
  })
})

test('a refusal is printed once with its code, its facts and its hint; a fault as internal', async () => {
  let error: Error = new Refusal('build_failed', 'exited with code 2', { hint: 'fix it', lines: ['line 1'] })
  const receiver = {
    preReceive: async () => {
      throw error
    },
  }
  await withRig({ receiver }, async (rig) => {
    const work = await rig.work()
    const refused = await rig.git(['push', rig.url(), 'main'], work)
    assert.equal(refused.code, 1)
    assert.match(refused.err, /remote: error: build_failed: exited with code 2\s+remote: {3}line 1/)
    assert.equal(refused.err.match(/^remote: error: /gm)?.length, 1)
    assert.match(refused.err, /remote: hint: fix it/)
    error = new Error('secret detail')
    const broken = await rig.git(['push', rig.url(), 'main'], work)
    assert.equal(broken.code, 1)
    assert.match(broken.err, /remote: error: internal: internal error \(request [0-9a-f]{12}\)/)
    assert.ok(!broken.err.includes('secret detail'))
    assert.ok(rig.log.some((line) => line.includes('secret detail')))
  })
})

test('control characters and escape sequences never reach the terminal of the client', async () => {
  const receiver = {
    preReceive: async (push: Push<Actor>) => {
      push.say('a\u001b[31mred\u001b[0m\u0007\nexit 0\rb')
      push.say('x'.repeat(5_000))
      return false
    },
  }
  await withRig({ receiver }, async (rig) => {
    const { code, err } = await rig.git(['push', rig.url(), 'main'], await rig.work())
    assert.equal(code, 1)
    assert.match(err, /remote: ared exit 0 b/)
    assert.ok(err.includes(`${'x'.repeat(999)}…`))
    assert.ok(!err.includes('x'.repeat(1_000)))
  })
})

test('Ctrl-C cancels: the signal is aborted, closed is called once, and nothing is left', async () => {
  let aborted = false
  const receiver = {
    preReceive: (push: Push<Actor>) =>
      new Promise<boolean>((resolve) => {
        push.say('proving')
        push.signal.addEventListener('abort', () => {
          aborted = true
          resolve(true)
        })
      }),
  }
  await withRig({ receiver }, async (rig) => {
    const client = rig.start(['push', rig.url(), 'main'], await rig.work())
    await client.line('remote: proving')
    assert.equal(rig.quarantines().length, 1)
    client.interrupt()
    await client.result
    await rig.until(() => rig.closed.length === 1)
    assert.ok(aborted)
    assert.deepEqual(rig.quarantines(), [])
    assert.deepEqual(gitProcesses(rig.root), [])
    assert.equal(await rig.tip(), '')
  })
})

test('a client that leaves after acceptance changes nothing: the push goes live', async () => {
  const left = gate()
  let aborted: boolean | undefined
  const receiver = {
    postReceive: async (push: Push<Actor>) => {
      push.say('going live')
      await left.opened
      aborted = push.signal.aborted
    },
  }
  await withRig({ receiver }, async (rig) => {
    const client = rig.start(['push', rig.url(), 'main'], await rig.work())
    await client.line('remote: going live')
    client.interrupt()
    await client.result
    left.open()
    await rig.until(() => rig.closed.length === 1)
    assert.equal(aborted, false)
    assert.notEqual(await rig.tip(), '')
  })
})

test('the server killed during a hook fails the push and leaves the ref unmoved', async () => {
  const script = fileURLToPath(new URL('../testing/git-rig-server.js', import.meta.url))
  const server = spawn(process.execPath, [script, 'wait'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await once(createInterface(server.stdout), 'line')
  const { root, port } = JSON.parse(String(line)) as { root: string; port: number }
  try {
    await withRig({}, async (rig) => {
      const client = rig.start(
        ['push', `http://ana:pw@127.0.0.1:${port}/git/shop.git`, 'main'],
        await rig.work(),
      )
      await client.line('hello from the server')
      server.kill('SIGKILL')
      const { code } = await client.result
      assert.notEqual(code, 0)
      await rig.until(() => gitProcesses(root).length === 0)
      const refs = await rig.git(['for-each-ref'], join(root, 'repositories', 'shop.git'))
      assert.deepEqual([refs.code, refs.out], [0, ''])
    })
  } finally {
    server.kill('SIGKILL')
    rmSync(root, { recursive: true, force: true })
  }
})

test('two pushes at once to one branch: both are proved, one goes live, the other is closed', async () => {
  const both = gate()
  let proving = 0
  const live: Push<Actor>[] = []
  const receiver = {
    preReceive: async () => {
      if (++proving === 2) both.open()
      await both.opened
      return true
    },
    postReceive: async (push: Push<Actor>) => void live.push(push),
  }
  await withRig({ receiver }, async (rig) => {
    const one = await rig.work('one')
    const two = await rig.work('two', { 'other.js': '2' })
    const results = await Promise.all([one, two].map((work) => rig.git(['push', rig.url(), 'main'], work)))
    assert.deepEqual(results.map(({ code }) => code).sort(), [0, 1])
    await rig.until(() => rig.closed.length === 2)
    assert.equal(live.length, 1)
    assert.equal(await rig.tip(), live[0]?.updates[0]?.newSha)
    assert.deepEqual(rig.quarantines(), [])
  })
})

test('a push that is killed takes no quarantine away from one that still runs', async () => {
  const finish = gate()
  const receiver = {
    preReceive: async (push: Push<Actor>) => {
      push.say('proving')
      if (push.options[0] === 'stay') await finish.opened
      else await once(push.signal, 'abort')
      return true
    },
  }
  await withRig({ receiver }, async (rig) => {
    const stays = rig.start(['push', '-o', 'stay', rig.url(), 'main'], await rig.work('one'))
    await stays.line('proving')
    const leaves = rig.start(['push', rig.url(), 'main:other'], await rig.work('two', { b: '2' }))
    await leaves.line('proving')
    leaves.interrupt()
    await rig.until(() => rig.closed.length === 1)
    assert.ok(rig.quarantines().length >= 1)
    finish.open()
    const { code, err } = await stays.result
    assert.equal(code, 0, err)
    await rig.until(() => rig.closed.length === 2)
    assert.deepEqual(rig.quarantines(), [])
  })
})

test('tags, other branches, notes and deletions arrive with their names', async () => {
  await withRig({}, async (rig) => {
    const work = await rig.work()
    await rig.git(['tag', 'v1'], work)
    await rig.git(['tag', '-a', '-m', 'x', 'v2'], work)
    await rig.git(['notes', 'add', '-m', 'note'], work)
    const refs = ['main', 'main:release-2001', 'main:feature/ä-#1', 'v1', 'v2', 'refs/notes/commits']
    const push = await rig.git(['push', rig.url(), ...refs], work)
    assert.equal(push.code, 0, push.err)
    assert.deepEqual(rig.pushes[0]?.updates.map(({ ref }) => ref).sort(), [
      'refs/heads/feature/ä-#1',
      'refs/heads/main',
      'refs/heads/release-2001',
      'refs/notes/commits',
      'refs/tags/v1',
      'refs/tags/v2',
    ])
    const gone = await rig.git(['push', rig.url(), ':release-2001', ':main'], work)
    assert.equal(gone.code, 0, gone.err)
    assert.deepEqual(rig.pushes[1]?.objectEnvironment, {})
    assert.equal(rig.pushes[1]?.updates[0]?.newSha, '0'.repeat(40))
    assert.equal(await rig.tip(), '')
  })
})

test('a push that is too large is refused by name, before and while it is sent', async () => {
  await withRig({ maxPackBytes: 200_000 }, async (rig) => {
    const cases: [name: string, bytes: number][] = [
      ['one', 300_000],
      ['two', 3_000_000],
    ]
    for (const [name, bytes] of cases) {
      const work = await rig.work(name, { big: randomBytes(bytes) })
      const { code, err } = await rig.git(['push', rig.url(), 'main'], work)
      assert.equal(code, 1, err)
      assert.match(err, /remote: error: too_large: the push is larger than 200 kB/)
      assert.equal(await rig.tip(), '')
    }
    assert.deepEqual(rig.pushes, [])
    await rig.until(() => rig.quarantines().length === 0)
  })
})

test('a client that stands still is let go', async () => {
  await withRig({ idleTimeoutMs: 300 }, async (rig) => {
    const type = { 'Content-Type': 'application/x-git-receive-pack-request', 'Content-Length': 1000 }
    const head = requestHead('POST /git/shop.git/git-receive-pack', type)
    const line = `${'0'.repeat(40)} ${'1'.repeat(40)} refs/heads/main\0report-status side-band-64k`
    const commands = `${(line.length + 4).toString(16).padStart(4, '0')}${line}0000`
    for (const begun of ['', '00', commands, `${commands}PACK`]) {
      assert.equal(await rig.raw([head, begun]), '', begun)
    }
    await rig.until(() => gitProcesses(rig.root).length === 0)
    assert.ok(rig.log.some((line) => line.includes('stood still')))
  })
})

test('a silent hook is not idle', async () => {
  const receiver = {
    preReceive: () => new Promise<boolean>((resolve) => setTimeout(() => resolve(true), 2_500)),
  }
  await withRig({ receiver, idleTimeoutMs: 1_000 }, async (rig) => {
    const { code, err } = await rig.git(['push', rig.url(), 'main'], await rig.work())
    assert.equal(code, 0, err)
  })
})

test('a repository takes no push around the server', async () => {
  await withRig({}, async (rig) => {
    const work = await rig.work()
    const bare = join(rig.root, 'bare.git')
    await rig.git(['init', '-q', '--bare', bare], rig.root)
    await rig.git(['config', 'core.hooksPath', hooksDirectory], bare)
    for (const env of [{}, { NODEPILOT_CHANNEL: '3,4' }] as Record<string, string>[]) {
      const { code, err } = await rig.git(['push', bare, 'main'], work, env)
      assert.equal(code, 1)
      assert.match(err, /remote: error: unavailable: this repository only takes pushes through the NodePilot/)
    }
    assert.equal((await rig.git(['for-each-ref'], bare)).out, '')
  })
})

test('hooks of the repository and settings of the machine are not used', async () => {
  await withRig({}, async (rig) => {
    const work = await rig.work()
    assert.equal((await rig.git(['push', rig.url(), 'main'], work)).code, 0)
    const canary = join(rig.root, 'canary')
    const script = `#!/bin/sh\necho x > ${canary}\n`
    mkdirSync(join(rig.directory(), 'hooks'), { recursive: true })
    for (const hook of ['pre-receive', 'update', 'post-receive', 'post-update', 'reference-transaction']) {
      writeFileSync(join(rig.directory(), 'hooks', hook), script, { mode: 0o755 })
    }
    writeFileSync(join(rig.root, '.gitconfig'), '[receive]\n\tdenyNonFastForwards = true\n[alias]\n')
    await rig.git(['commit', '-q', '--amend', '-m', 'other'], work)
    const { code, err } = await rig.git(['push', '-f', rig.url(), 'main'], work)
    assert.equal(code, 0, err)
    assert.equal(existsSync(canary), false)
  })
})

test('a server without git answers with an internal error and stays up', async () => {
  await withRig({ path: '/nonexistent' }, async (rig) => {
    const work = await rig.work()
    for (let attempt = 0; attempt < 2; attempt++) {
      const { code, err } = await rig.git(['push', rig.url(), 'main'], work)
      assert.notEqual(code, 0)
      assert.match(err, /remote: error: internal: internal error \(request [0-9a-f]{12}\)/)
    }
    assert.ok(rig.log.some((line) => line.includes('ENOENT')))
  })
})
