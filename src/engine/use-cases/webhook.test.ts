import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { ada, createLab, type Lab, revisionOf } from '../../testing/engine-lab.ts'
import { until } from '../../testing/until.ts'
import { isRefusal, Refusal } from '../domain/refusal.ts'
import type { ProjectRow } from '../store/projects.ts'
import { DeploymentFailed } from './deployment-failed.ts'
import type { HookAnswer } from './webhook.ts'

interface Bench {
  readonly lab: Lab
  readonly shop: () => ProjectRow
  /** A delivery of GitHub, signed. */
  deliver(payload: object, options?: { event?: string; id?: string; secret?: string }): Promise<HookAnswer>
  push(letter: string, more?: object): Promise<HookAnswer>
  /** The tip of the remote's branch. */
  tip(letter: string): void
  deployments(): string[]
  /** Resolves when none is under way. */
  ended(): Promise<unknown>
}

async function withRemote(work: (bench: Bench) => Promise<void>): Promise<void> {
  const lab = await createLab()
  try {
    const project = await lab.project()
    const shop = () => lab.engine.projects.get(project.id)
    const { webhookSecret } = lab.engine.remotes.set(project, { url: 'git@example.org:ana/shop.git' }, ada)
    let current = revisionOf('a')
    lab.faults.fetch = async () => ({ sha: current, knownHosts: '' })
    let deliveries = 0
    const bench: Bench = {
      lab,
      shop,
      async deliver(payload, { event = 'push', id, secret = webhookSecret ?? '' } = {}) {
        const body = Buffer.from(JSON.stringify({ n: ++deliveries, ...payload }))
        const headers = {
          'x-github-event': event,
          'x-github-delivery': id ?? `d${deliveries}`,
          'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
        }
        return lab.engine.webhook.receive(shop(), headers, body, '192.0.2.7')
      },
      push: (letter, more = {}) =>
        bench.deliver({ ref: 'refs/heads/main', after: revisionOf(letter), ...more }),
      tip(letter) {
        lab.commit(revisionOf(letter))
        current = revisionOf(letter)
      },
      deployments: () =>
        lab.engine.deployments
          .list(shop(), {})
          .map(({ number, status, source, by }) => `${number} ${status} ${source.revision[0]} ${by}`)
          .reverse(),
      ended: () => until('the deployments have ended', () => !lab.store.deployments.isBusy(project.id)),
    }
    bench.tip('a')
    await work(bench)
    await bench.ended()
  } finally {
    await lab.close()
  }
}

test('a push to the branch is fetched and deployed behind the answer, and the branch moves when it is live', async () => {
  await withRemote(async ({ lab, push, deployments, shop, ended }) => {
    assert.deepEqual(await push('a'), { result: 'deploying', reason: null, deployment: 1 })
    await ended()
    assert.deepEqual(deployments(), ['1 live a webhook of github'])
    assert.equal(await lab.visit('shop.localhost'), '200 v1')
    assert.equal(lab.branches('shop').get('main'), revisionOf('a'))
    assert.equal(shop().deployBranch, 'main')
    assert.deepEqual(
      lab.engine.remotes.deliveries(shop()).map(({ result, deployment, ref }) => [result, deployment, ref]),
      [['deploying', 1, 'refs/heads/main']],
    )
  })
})

test('a replay, by its name or by its body, is ignored', async () => {
  await withRemote(async ({ deliver, deployments, tip, ended }) => {
    const payload = { n: 0, ref: 'refs/heads/main', after: revisionOf('a') }
    await deliver(payload, { id: 'first' })
    await ended()
    tip('b')
    assert.equal((await deliver(payload, { id: 'second' })).result, 'ignored', 'the same body')
    assert.equal((await deliver({ ...payload, n: 1 }, { id: 'first' })).result, 'ignored', 'the same name')
    await ended()
    assert.deepEqual(deployments(), ['1 live a webhook of github'])
  })
})

test('a bad signature is refused and leaves nothing', async () => {
  await withRemote(async ({ lab, deliver, shop, deployments }) => {
    await assert.rejects(deliver({ ref: 'refs/heads/main' }, { secret: 'guess' }), (error) =>
      isRefusal(error, 'unauthorized'),
    )
    assert.deepEqual(lab.engine.remotes.deliveries(shop()), [])
    assert.deepEqual(deployments(), [])
    const old = lab.engine.remotes.renewSecret(shop(), ada)
    await assert.rejects(
      deliver({ ref: 'refs/heads/main' }),
      (error) => isRefusal(error, 'unauthorized'),
      'the old secret',
    )
    assert.equal((await deliver({}, { event: 'ping', secret: old.webhookSecret ?? '' })).result, 'pong')
  })
})

test('pings, other events, other branches and deletions are answered and deploy nothing', async () => {
  await withRemote(async ({ deliver, push, deployments }) => {
    assert.equal((await deliver({ zen: 'x' }, { event: 'ping' })).result, 'pong')
    const reason = async (answer: Promise<HookAnswer>) => (await answer).reason
    assert.match((await reason(deliver({}, { event: 'issues' }))) ?? '', /events named issues/)
    assert.equal(await reason(deliver({ ref: 'refs/heads/next' })), 'only main is deployed')
    assert.equal(await reason(deliver({ ref: 'refs/tags/main' })), 'only main is deployed')
    assert.equal(await reason(push('a', { deleted: true })), 'the branch was deleted')
    assert.deepEqual(deployments(), [])
  })
})

test('what is live already is not deployed again', async () => {
  await withRemote(async ({ push, deployments, ended }) => {
    await push('a')
    await ended()
    assert.deepEqual(await push('a'), {
      result: 'nothing to do',
      reason: 'it is live already, as v1',
      deployment: null,
    })
    // the event does not know that the branch is where it was
    assert.equal((await push('b')).deployment, 2)
    await ended()
    assert.deepEqual(deployments(), ['1 live a webhook of github', '2 superseded m webhook of github'])
  })
})

test('two deliveries at once are one deployment; one that comes after the fetch is another', async () => {
  await withRemote(async ({ lab, push, deployments, tip, ended }) => {
    let fetched = () => {}
    const held = new Promise<void>((resolve) => {
      fetched = resolve
    })
    let installing = () => {}
    const began = new Promise<void>((resolve) => {
      installing = resolve
    })
    lab.faults.install = async () => {
      installing()
      await held
    }
    const answers = await Promise.all([push('a'), push('a'), push('b')])
    assert.deepEqual(
      answers.map(({ deployment }) => deployment),
      [1, 1, 1],
    )
    await began
    assert.equal((await push('a')).deployment, 1, 'the same commit, under way')
    tip('b')
    assert.equal((await push('b')).deployment, 2)
    fetched()
    await ended()
    assert.deepEqual(deployments(), ['1 retired a webhook of github', '2 live b webhook of github'])
  })
})

test('what is pushed while the remote is being asked is not missed', async () => {
  await withRemote(async ({ lab, push, deployments, tip, ended }) => {
    let answer = () => {}
    const held = new Promise<void>((resolve) => {
      answer = resolve
    })
    let asked = () => {}
    const asking = new Promise<void>((resolve) => {
      asked = resolve
    })
    let there = 'a'
    lab.faults.fetch = async () => {
      const sha = revisionOf(there)
      asked()
      await held
      return { sha, knownHosts: '' }
    }
    assert.equal((await push('a')).deployment, 1)
    await asking
    tip('b')
    there = 'b'
    assert.equal((await push('b')).deployment, 2)
    assert.equal((await push('b')).reason, 'joined a deployment under way')
    answer()
    await ended()
    assert.deepEqual(deployments(), ['1 retired a webhook of github', '2 live b webhook of github'])
  })
})

test('a delivery that a killed server did not act on is acted on at the start, and may be delivered again', async () => {
  await withRemote(async ({ lab, deliver, shop, deployments, ended }) => {
    const payload = { n: 0, ref: 'refs/heads/main', after: revisionOf('a') }
    await deliver(payload, { id: 'one' })
    await ended()
    await deliver({ ...payload, after: revisionOf('b') }, { event: 'issues', id: 'two' })
    lab.db
      .prepare("UPDATE hook_deliveries SET result = 'ignored', reason = NULL WHERE delivery = 'one'")
      .run()
    await lab.engine.reconcile()
    assert.deepEqual(
      lab.engine.remotes.deliveries(shop()).map(({ event }) => event),
      ['issues'],
    )
    await until('it has looked', () => deployments().length === 2)
    await ended()
    assert.equal((await deliver(payload, { id: 'one' })).result, 'nothing to do')
    assert.deepEqual(deployments(), ['1 live a webhook of github', '2 superseded m NodePilot'])
  })
})

test('what a killed server had promised is fetched at the start, again while the remote does not answer', async () => {
  await withRemote(async ({ lab, push, tip, deployments, shop, ended }) => {
    await push('a')
    await ended()
    tip('b')
    const fetch = lab.faults.fetch
    lab.faults.fetch = async () => {
      throw new Refusal('fetch_failed', 'the remote has no address')
    }
    await push('b')
    await ended()
    // as the server leaves it that dies in the middle
    lab.db.prepare("UPDATE deployments SET status = 'running', finished_at = NULL WHERE number = 2").run()
    await lab.engine.reconcile()
    await until('it has failed once', () => deployments().some((line) => line.startsWith('3 failed')))
    if (fetch) lab.faults.fetch = fetch
    await until('b to be live', () => deployments().some((line) => line.startsWith('4 live b')))
    assert.equal(lab.engine.remotes.deliveries(shop())[0]?.deployment, 4, 'the delivery leads there')
  })
})

test('what is fetched at the start comes after what had been fetched before and was not live yet', async () => {
  await withRemote(async ({ lab, push, tip, deployments, ended }) => {
    await push('a')
    await ended()
    tip('b')
    lab.faults.app = () => ({ does: 'crash', code: 1, says: ['no'] })
    await push('b')
    await ended()
    delete lab.faults.app
    // the branch had moved when the server died, and another push was delivered
    lab.branches('shop').set('main', revisionOf('b'))
    lab.db.prepare("UPDATE deployments SET status = 'running', finished_at = NULL WHERE number = 2").run()
    lab.db.prepare("UPDATE hook_deliveries SET result = 'ignored', reason = NULL WHERE deployment = 2").run()
    tip('c')
    await lab.engine.reconcile()
    await until('c to be live', () => deployments().some((line) => line.includes('live c')))
    assert.deepEqual(deployments().slice(2), ['3 retired b NodePilot', '4 live c NodePilot'])
  })
})

test('a deployment that fails leaves the branch where it was', async () => {
  await withRemote(async ({ lab, push, tip, deployments, shop, ended }) => {
    await push('a')
    await ended()
    tip('b')
    lab.faults.app = () => ({ does: 'crash', code: 1, says: ['no'] })
    await push('b')
    await ended()
    assert.deepEqual(deployments(), ['1 live a webhook of github', '2 failed b webhook of github'])
    assert.equal(lab.branches('shop').get('main'), revisionOf('a'))
    lab.faults.fetch = async () => {
      throw new Refusal('fetch_failed', 'the remote did not let us in')
    }
    await assert.rejects(
      lab.engine.fetch(shop(), { who: ada }),
      (error) => error instanceof DeploymentFailed && error.refusal.code === 'fetch_failed',
    )
    assert.equal(await lab.visit('shop.localhost'), '200 v1')
  })
})

test('a branch that moved while it was fetched is not taken back', async () => {
  await withRemote(async ({ lab, push, deployments, ended }) => {
    lab.faults.install = async () => void lab.branches('shop').set('main', revisionOf('e'))
    await push('a')
    await ended()
    assert.deepEqual(deployments(), ['1 superseded a webhook of github'])
    assert.equal(lab.branches('shop').get('main'), revisionOf('e'))
    assert.deepEqual(await lab.memory.list(), [])
  })
})

test('deliveries are throttled by project, and knocks by network', async () => {
  await withRemote(async ({ lab, deliver }) => {
    for (let n = 0; n < 60; n++) await deliver({}, { event: 'ping' })
    await assert.rejects(deliver({}, { event: 'ping' }), (error) => isRefusal(error, 'too_many_requests'))
    const likely = { 'x-hub-signature-256': `sha256=${'a'.repeat(64)}` }
    assert.throws(
      () => lab.engine.webhook.knock('shop', {}, '192.0.2.1'),
      (error) => isRefusal(error, 'unauthorized'),
    )
    for (let n = 0; n < 120; n++) lab.engine.webhook.knock('shop', likely, '198.51.100.1')
    assert.throws(
      () => lab.engine.webhook.knock('shop', likely, '198.51.100.1'),
      (error) => isRefusal(error, 'too_many_requests'),
    )
    assert.equal(lab.engine.webhook.knock('shop', likely, '203.0.113.1').name, 'shop')
    await lab.project('plain')
    for (const name of ['plain', 'nothing', '../x']) {
      assert.throws(
        () => lab.engine.webhook.knock(name, likely, '203.0.113.1'),
        (error) => isRefusal(error, 'not_found'),
      )
    }
  })
})

test('key, secret and token stay with the remote; a token does not go along to another host', async () => {
  await withRemote(async ({ lab, shop }) => {
    const { set, secrets, find } = lab.engine.remotes
    const before = secrets(shop())
    const https = { url: 'https://example.org/ana/shop.git', token: 'tok', username: 'ana' }
    assert.equal(set(shop(), https, ada).webhookSecret, null)
    assert.deepEqual({ ...secrets(shop()), token: null }, before)
    const overSsh = { url: 'ssh://git@example.org/ana/shop.git', token: 'tok' }
    assert.throws(
      () => set(shop(), overSsh, ada),
      (error) => isRefusal(error, 'invalid') && error.fields[0]?.field === 'token',
    )
    assert.equal(find(shop())?.url, https.url)
    set(shop(), { url: 'https://example.org/ana/other.git' }, ada)
    assert.deepEqual([secrets(shop())?.token, find(shop())?.username], ['tok', 'ana'])
    for (const url of ['https://example.com/ana/shop.git', 'https://example.org:444/ana/shop.git']) {
      set(shop(), https, ada)
      set(shop(), { url }, ada)
      assert.deepEqual([secrets(shop())?.token, find(shop())?.username], [null, null])
    }
    const dump = JSON.stringify(lab.db.prepare('SELECT * FROM remotes').all())
    for (const secret of [before?.privateKey, before?.webhookSecret]) assert.ok(!dump.includes(secret ?? 'x'))
    const audit = JSON.stringify(lab.db.prepare('SELECT * FROM audit').all())
    for (const secret of ['"tok"', before?.webhookSecret]) assert.ok(!audit.includes(secret ?? 'x'))
    lab.engine.remotes.remove(shop(), ada)
    assert.equal(find(shop()), null)
    assert.throws(
      () => lab.engine.remotes.get(shop()),
      (error) => isRefusal(error, 'not_found'),
    )
  })
})
