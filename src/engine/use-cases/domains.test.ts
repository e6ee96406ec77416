import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ada, createLab, type Lab, revisionOf } from '../../testing/engine-lab.ts'
import { theServer as who } from '../domain/audit.ts'
import { isRefusal, type RefusalCode } from '../domain/refusal.ts'
import { createEngine } from '../engine.ts'
import type { Network } from '../network.ts'

const coded = (code: RefusalCode) => (error: unknown) => isRefusal(error, code)

/** An engine whose DNS is this table; what is not in it leads nowhere, and `null` does not answer. */
async function withDns(
  dns: Record<string, readonly string[] | null>,
  work: (lab: Lab) => Promise<void>,
  baseDomain = 'localhost',
): Promise<void> {
  const lab = await createLab()
  const network: Network = {
    hostname: 'machine.example',
    addresses: () => ['192.0.2.1', '2001:db8::1'],
    resolve: async (host) => (host in dns ? (dns[host] ?? null) : []),
  }
  const engine = createEngine({ ...lab.deps, network, addresses: { ...lab.deps.addresses, baseDomain } })
  try {
    await work({ ...lab, engine })
    await engine.close()
  } finally {
    await lab.close()
  }
}

test('a project answers at a domain of its own at once, and no longer when it is removed', async () => {
  await withDns({}, async ({ engine, router, deploy: _, ...lab }) => {
    const shop = await engine.projects.create({ name: 'shop' }, ada)
    const added = await engine.domains.add(shop, 'WWW.Shop.Example.', who)
    assert.deepEqual(
      [added.domain, added.primary, added.status, added.found, added.record],
      ['www.shop.example', false, 'pending', [], { type: 'A', name: 'www.shop.example', value: '192.0.2.1' }],
    )
    assert.equal(router.route('www.shop.example')?.project, 'shop')
    assert.equal(router.route('shop.localhost')?.project, 'shop')
    assert.ok(engine.projects.answersAt('www.shop.example'))
    assert.deepEqual((await engine.projects.show(shop)).domains, ['www.shop.example'])
    await engine.domains.remove(shop, 'www.shop.example', who)
    assert.equal(router.route('www.shop.example'), undefined)
    assert.ok(!engine.projects.answersAt('www.shop.example'))
    await assert.rejects(engine.domains.remove(shop, 'www.shop.example', who), coded('not_found'))
    assert.deepEqual(lab.reports, [])
  })
})

test('a domain belongs to one project, and is free again when that is deleted', async () => {
  await withDns({}, async ({ engine }) => {
    const shop = await engine.projects.create({ name: 'shop' }, ada)
    const blog = await engine.projects.create({ name: 'blog' }, ada)
    await engine.domains.add(shop, 'a.example', who)
    await assert.rejects(engine.domains.add(shop, 'A.example', who), coded('conflict'))
    await assert.rejects(engine.domains.add(blog, 'a.example', who), (error: unknown) => {
      return isRefusal(error, 'conflict') && !/shop/.test(error.message)
    })
    await assert.rejects(engine.domains.check(blog, 'a.example'), coded('not_found'))
    await assert.rejects(engine.domains.remove(blog, 'a.example', who), coded('not_found'))
    await engine.projects.remove(shop, ada)
    await engine.domains.add(blog, 'a.example', who)
  })
})

test('names of the panel, of git and of projects are never given away', async () => {
  const ours = ['paas.example', 'shop.paas.example', 'a.b.paas.example', 'x.localhost', 'machine.example']
  await withDns(
    {},
    async ({ engine, router }) => {
      const shop = await engine.projects.create({ name: 'shop' }, ada)
      for (const name of ours)
        await assert.rejects(engine.domains.add(shop, name, who), coded('invalid'), name)
      await engine.domains.add(shop, 'nopaas.example', who)
      assert.deepEqual(router.route('shop.paas.example')?.hosts, ['shop.paas.example', 'nopaas.example'])
    },
    'paas.example',
  )
})

test('a domain that the base domain has come to cover is left out, and all else is routed', async () => {
  await withDns({}, async (lab) => {
    const shop = await lab.engine.projects.create({ name: 'shop' }, ada)
    await lab.engine.projects.create({ name: 'blog' }, ada)
    await lab.engine.domains.add(shop, 'blog.paas.example', who)
    const addresses = { ...lab.deps.addresses, baseDomain: 'paas.example' }
    const later = createEngine({ ...lab.deps, addresses })
    await later.applyRoutes()
    assert.equal(lab.router.route('blog.paas.example')?.project, 'blog')
    assert.deepEqual(lab.router.route('shop.paas.example')?.hosts, ['shop.paas.example'])
    await later.close()
  })
})

test('where DNS leads is looked up: here, elsewhere, nowhere, and no answer', async () => {
  const dns = {
    'here.example': ['192.0.2.1'],
    'both.example': ['192.0.2.1', '2001:db8::1'],
    'partly.example': ['192.0.2.1', '198.51.100.9'],
    'there.example': ['198.51.100.9'],
    'silent.example': null,
  }
  await withDns(dns, async ({ engine }) => {
    const shop = await engine.projects.create({ name: 'shop' }, ada)
    const seen: Record<string, string> = {}
    for (const name of [...Object.keys(dns), 'none.example']) {
      await engine.domains.add(shop, name, who)
      const { status, checkedAt } = await engine.domains.check(shop, name)
      assert.ok(checkedAt)
      seen[name] = status
    }
    assert.deepEqual(seen, {
      'here.example': 'ok',
      'both.example': 'ok',
      'partly.example': 'mismatch',
      'there.example': 'mismatch',
      'silent.example': 'pending',
      'none.example': 'pending',
    })
    assert.deepEqual((await engine.domains.list(shop)).find((row) => row.status === 'mismatch')?.found, [
      '192.0.2.1',
      '198.51.100.9',
    ])
  })
})

test('behind a base domain of its own the record is an alias, and its addresses count as ours', async () => {
  const dns = {
    'paas.example': ['203.0.113.5'],
    'www.shop.example': ['203.0.113.5'],
    'shop.example': ['203.0.113.5'],
  }
  await withDns(
    dns,
    async ({ engine }) => {
      const shop = await engine.projects.create({ name: 'shop' }, ada)
      const alias = await engine.domains.add(shop, 'www.shop.example', who)
      assert.deepEqual(alias.record, { type: 'CNAME', name: 'www.shop.example', value: 'paas.example' })
      const apex = await engine.domains.add(shop, 'shop.example', who)
      assert.deepEqual(apex.record, { type: 'A', name: 'shop.example', value: '203.0.113.5' })
      assert.equal((await engine.domains.check(shop, 'shop.example')).status, 'ok')
    },
    'paas.example',
  )
})

test('one domain is primary; one that does not lead here only by force', async () => {
  await withDns({ 'a.example': ['192.0.2.1'], 'b.example': ['198.51.100.9'] }, async ({ engine, router }) => {
    const shop = await engine.projects.create({ name: 'shop' }, ada)
    await engine.domains.add(shop, 'a.example', who)
    await engine.domains.add(shop, 'b.example', who)
    const primary = async () =>
      (await engine.domains.list(shop)).filter((row) => row.primary).map((r) => r.domain)
    assert.equal((await engine.domains.setPrimary(shop, 'a.example', { primary: true }, who)).status, 'ok')
    assert.equal(router.route('shop.localhost')?.primary, 'a.example')
    await assert.rejects(
      engine.domains.setPrimary(shop, 'b.example', { primary: true }, who),
      coded('conflict'),
    )
    assert.deepEqual(await primary(), ['a.example'])
    await engine.domains.setPrimary(shop, 'b.example', { primary: true, force: true }, who)
    assert.deepEqual(await primary(), ['b.example'])
    await engine.domains.setPrimary(shop, 'a.example', { primary: false }, who)
    assert.deepEqual(await primary(), ['b.example'])
    await engine.domains.remove(shop, 'b.example', who)
    assert.equal(router.route('shop.localhost')?.primary, undefined)
  })
})

test('a deployment keeps the domains where they are', async () => {
  await withDns({}, async (lab) => {
    const shop = await lab.engine.projects.create({ name: 'shop' }, ada)
    await lab.engine.domains.add(shop, 'a.example', who)
    const source = lab.commit(revisionOf('a'))
    const proven = await lab.engine.deployments.provePush({
      ...{ project: shop, source, who: ada, check: async () => {}, onLive: () => {} },
    })
    await proven.goLive()
    assert.equal(await lab.visit('a.example'), '200 v1')
  })
})

test('every change of a domain is written down with who made it', async () => {
  await withDns({}, async ({ engine }) => {
    const shop = await engine.projects.create({ name: 'shop' }, who)
    await engine.domains.add(shop, 'a.example', who)
    await engine.domains.setPrimary(shop, 'a.example', { primary: true, force: true }, who)
    await engine.domains.remove(shop, 'a.example', who)
    const actions = engine.audit.list({ limit: 10 }).map(({ action }) => action)
    assert.deepEqual(actions, ['domain.remove', 'domain.primary', 'domain.add', 'project.create'])
  })
})

test('a wildcard is every name directly below, of one project', async () => {
  const dns = { 'nodepilot-check.shop.example': ['192.0.2.1'] }
  await withDns(dns, async ({ engine, router }) => {
    const shop = await engine.projects.create({ name: 'shop' }, ada)
    const blog = await engine.projects.create({ name: 'blog' }, ada)
    const added = await engine.domains.add(shop, '*.shop.example', who)
    assert.deepEqual(added.record, { type: 'A', name: '*.shop.example', value: '192.0.2.1' })
    assert.equal((await engine.domains.check(shop, '*.shop.example')).status, 'ok')
    assert.ok(engine.projects.answersAt('a.shop.example'))
    assert.ok(!engine.projects.answersAt('a.b.shop.example'))
    assert.ok(!engine.projects.answersAt('shop.example'))
    await assert.rejects(engine.domains.add(blog, 'a.shop.example', who), coded('conflict'))
    await engine.domains.add(shop, 'a.shop.example', who)
    await engine.domains.add(blog, 'a.blog.example', who)
    await assert.rejects(engine.domains.add(shop, '*.blog.example', who), (error: unknown) => {
      return isRefusal(error, 'conflict') && !/a\.blog/.test(error.message)
    })
    await assert.rejects(
      engine.domains.setPrimary(shop, '*.shop.example', { primary: true, force: true }, who),
      coded('invalid'),
    )
    assert.deepEqual(router.route('shop.localhost')?.hosts, [
      'shop.localhost',
      '*.shop.example',
      'a.shop.example',
    ])
  })
})

test('a wildcard over the names of this server is refused', async () => {
  await withDns(
    {},
    async ({ engine }) => {
      const shop = await engine.projects.create({ name: 'shop' }, ada)
      for (const name of ['*.paas.corp.example', '*.corp.example', '*.x.paas.corp.example']) {
        await assert.rejects(engine.domains.add(shop, name, who), coded('invalid'), name)
      }
    },
    'paas.corp.example',
  )
})
