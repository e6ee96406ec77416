import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ada, createLab, type Lab } from '../../testing/engine-lab.ts'
import type { Actor } from '../domain/access.ts'
import type { AuditEvent } from '../domain/audit.ts'
import { isRefusal } from '../domain/refusal.ts'
import type { Passwords } from '../passwords.ts'
import { openDatabase } from '../store/database.ts'
import { createStore } from '../store/store.ts'
import { createAccountCases } from './accounts.ts'
import { createAudit } from './audit.ts'

const minute = 60_000
const home = '192.0.2.1'
const coded = (code: Parameters<typeof isRefusal>[1]) => (error: unknown) => isRefusal(error, code)

const passwords: Passwords = {
  hash: async (password) => `hashed ${password}`,
  verify: async (password, hash) => hash === `hashed ${password}`,
  close: async () => {},
}

async function withPeople(work: (rig: Awaited<ReturnType<typeof createRig>>) => Promise<void>) {
  const lab = await createLab()
  try {
    await work(await createRig(lab))
  } finally {
    await lab.close()
  }
}

async function createRig(lab: Lab) {
  const events: AuditEvent[] = []
  const audit = (event: AuditEvent) => void events.push(event)
  const accounts = createAccountCases({ store: lab.store, passwords, clock: Date.now, audit })
  await accounts.ensureAdmin('correct horse')
  const signIn = async (username: string, password = 'correct horse'): Promise<Actor> => {
    const { sessionId } = await accounts.login({ username, password, address: home })
    return accounts.session(sessionId) ?? assert.fail()
  }
  const admin = await signIn('admin')
  const add = (username: string, role: 'admin' | 'member' = 'member') =>
    accounts.users.create(admin, { username, role, password: 'correct horse' }, home)
  const as = (userId: number) => ({ ...ada, userId })
  return { lab, accounts, events, signIn, admin, add, as }
}

test('the last admin can be neither demoted nor removed, whoever asks', () =>
  withPeople(async ({ accounts, admin, add }) => {
    const { users } = accounts
    await assert.rejects(users.change(admin, admin.userId, { role: 'member' }, home), coded('conflict'))
    assert.throws(() => users.remove(admin, admin.userId, home), coded('conflict'))
    const bob = await add('bob', 'admin')
    await users.change(admin, admin.userId, { role: 'member' }, home)
    assert.throws(() => users.remove(admin, bob.id, home), coded('conflict'))
    users.remove(admin, admin.userId, home)
    assert.deepEqual(
      users.list().map(({ username }) => username),
      ['bob'],
    )
  }))

test('a role that is changed counts at once, for sessions and tokens that exist', () =>
  withPeople(async ({ lab, accounts, admin, add, signIn }) => {
    const project = await lab.project('shop')
    const bob = await add('bob', 'admin')
    const { sessionId } = await signIn('bob')
    const { token } = accounts.createToken(
      { ...admin, userId: bob.id },
      { name: 'ci', scope: 'admin', projectId: null, expiresInDays: null },
      home,
    )
    const mayNow = () =>
      [accounts.session(sessionId ?? ''), accounts.token(token)].map(
        (actor) => actor !== null && lab.engine.access.allows(actor, 'project.read', project),
      )
    assert.deepEqual(mayNow(), [true, true])
    await accounts.users.change(admin, bob.id, { role: 'member' }, home)
    assert.deepEqual(mayNow(), [false, false])
  }))

test('a user who is removed loses every way in, and the projects go to whoever removed', () =>
  withPeople(async ({ lab, accounts, admin, add, signIn, as }) => {
    const bob = await add('bob')
    const ana = await add('ana')
    const { sessionId } = await signIn('bob')
    const key = { name: 'ci', scope: 'push', projectId: null, expiresInDays: null } as const
    const { token } = accounts.createToken({ ...admin, userId: bob.id }, key, home)
    const alone = await lab.engine.projects.create({ name: 'alone' }, as(bob.id))
    const shared = await lab.engine.projects.create({ name: 'shared' }, as(bob.id))
    lab.engine.members.put(shared, 'ana', 'owner', ada)
    accounts.users.remove(admin, bob.id, home)
    assert.equal(accounts.session(sessionId ?? ''), null)
    assert.equal(accounts.token(token), null)
    assert.equal(await accounts.basic({ username: 'bob', password: 'correct horse', address: home }), null)
    const owners = (project: typeof alone) => lab.engine.members.list(project).map(({ userId }) => userId)
    assert.deepEqual(owners(alone), [admin.userId])
    assert.deepEqual(owners(shared), [ana.id])
  }))

test('a password that an admin sets ends the sessions of the user, and the admin’s own go on', () =>
  withPeople(async ({ accounts, admin, add, signIn }) => {
    const bob = await add('bob')
    const { sessionId } = await signIn('bob')
    await accounts.users.change(admin, bob.id, { password: 'battery staple' }, home)
    assert.equal(accounts.session(sessionId ?? ''), null)
    await assert.rejects(signIn('bob'), coded('unauthorized'))
    assert.ok(await signIn('bob', 'battery staple'))
    await accounts.users.change(admin, admin.userId, { password: 'battery staple' }, home)
    assert.ok(accounts.session(admin.sessionId ?? ''))
    const weak = accounts.users.change(admin, bob.id, { password: 'x'.repeat(73) }, home)
    await assert.rejects(weak, coded('invalid'))
  }))

test('two names that differ by case alone are one name', () =>
  withPeople(async ({ add }) => {
    await add('bob')
    await assert.rejects(add('Bob'), coded('conflict'))
    await assert.rejects(add('ADMIN'), coded('conflict'))
  }))

test('whoever creates a project owns it, and a project keeps an owner', () =>
  withPeople(async ({ lab, add, as }) => {
    const bob = await add('bob')
    const ana = await add('ana')
    const { members } = lab.engine
    const shop = await lab.engine.projects.create({ name: 'shop' }, as(bob.id))
    const roles = () => members.list(shop).map(({ username, role }) => `${username} ${role}`)
    assert.deepEqual(roles(), ['bob owner'])
    assert.throws(() => members.remove(shop, 'bob', ada), coded('conflict'))
    assert.throws(() => members.put(shop, 'bob', 'viewer', ada), coded('conflict'))
    assert.throws(() => members.put(shop, 'nobody', 'viewer', ada), coded('not_found'))
    assert.throws(() => members.remove(shop, 'ana', ada), coded('not_found'))
    members.put(shop, 'ana', 'viewer', ada)
    members.put(shop, 'ana', 'owner', ada)
    members.remove(shop, 'bob', ada)
    assert.deepEqual(roles(), ['ana owner'])
    assert.equal(lab.store.members.role(shop.id, ana.id), 'owner')
    const entries = lab.engine.audit.list({ limit: 10, action: 'member' })
    assert.deepEqual(
      entries.map(({ action }) => action),
      ['member.remove', 'member.change', 'member.add'],
    )
  }))

test('projects of a deleted name are not inherited by whoever takes the name', () =>
  withPeople(async ({ lab, add, as }) => {
    const bob = await add('bob')
    const ana = await add('ana')
    const shop = await lab.engine.projects.create({ name: 'shop' }, as(bob.id))
    await lab.engine.projects.remove(shop, ada)
    const again = await lab.engine.projects.create({ name: 'shop' }, as(ana.id))
    assert.equal(lab.store.members.role(again.id, bob.id), null)
  }))

test('a command line that nobody lets in waits ten minutes, and few wait from one address', () =>
  withPeople(async ({ admin }) => {
    const time = { now: Date.now() }
    const clock = () => time.now
    const store = createStore(openDatabase(':memory:'), clock)
    const accounts = createAccountCases({ store, passwords, clock, audit: () => {} })
    await accounts.ensureAdmin('correct horse')
    const { devices } = accounts
    const ask = (address = home) => devices.ask({ name: 'laptop', address, userAgent: 'x'.repeat(1000) })
    const first = ask()
    assert.equal(devices.collect(first.deviceCode), null)
    assert.ok(!JSON.stringify(store.devices.byCode(first.userCode)).includes(first.deviceCode))
    for (let i = 1; i < 10; i++) ask()
    assert.throws(() => ask(), coded('too_many_requests'))
    assert.ok(ask('198.51.100.7'))
    time.now += 10 * minute
    assert.throws(() => devices.collect(first.deviceCode), coded('not_found'))
    assert.throws(() => devices.approve(admin, first.userCode, home), coded('not_found'))
    assert.ok(ask())
  }))

test('codes of command lines cannot be guessed in a row, and an answer counts once', () =>
  withPeople(async ({ accounts, admin }) => {
    const { devices } = accounts
    const { userCode, deviceCode } = devices.ask({ name: 'laptop', address: home, userAgent: '' })
    devices.deny(admin, userCode, home)
    assert.throws(() => devices.approve(admin, userCode, home), coded('not_found'))
    assert.throws(() => devices.collect(deviceCode), coded('forbidden'))
    assert.throws(() => devices.collect(deviceCode), coded('not_found'))
    for (let i = 0; i < 5; i++) assert.equal(devices.find('AAAA-AAAA', home), null)
    assert.throws(() => devices.find('AAAA-AAAA', home), coded('too_many_requests'))
  }))

test('refused sign-ins are written down, and a name that nobody has is not', () =>
  withPeople(async ({ accounts, events }) => {
    for (const username of ['admin', 'my-password-by-mistake']) {
      await accounts.login({ username, password: 'wrong', address: home }).catch(() => {})
    }
    const refused = events.filter(({ action }) => action === 'session.refuse').map(({ who }) => who)
    assert.deepEqual(
      refused.map(({ name, address }) => `${name} ${address}`),
      [`admin ${home}`, `unknown user ${home}`],
    )
    assert.ok(!JSON.stringify(events).includes('my-password'))
    assert.ok(!JSON.stringify(events).includes('correct horse'))
  }))

test('the audit log is bounded in length, in age and in the size of an entry, and never in the way', () =>
  withPeople(async ({ lab }) => {
    const time = { now: Date.now() }
    const reports: string[] = []
    const report = { info: () => {}, error: (message: string) => void reports.push(message) }
    const write = createAudit({ store: lab.store, clock: () => time.now, report })
    write({ who: ada, action: 'project.change', after: { text: 'x'.repeat(10_000) } })
    const [entry] = lab.engine.audit.list({ limit: 1 })
    assert.deepEqual(Object.keys(entry?.after ?? {}), ['omitted'])
    time.now += 401 * 24 * 60 * minute
    for (let i = 0; i < 500; i++) write({ who: ada, action: 'project.change' })
    // the clock of the store stands where it stood: all of them are too old by now
    assert.ok(lab.engine.audit.list({ limit: 1000 }).length < 500)
    lab.db.exec('ALTER TABLE audit RENAME TO hidden')
    write({ who: ada, action: 'project.change' })
    lab.db.exec('ALTER TABLE hidden RENAME TO audit')
    assert.equal(reports.length, 1)
  }))

test('a new password ends a command line too that was let in and has not come for its session yet', async () => {
  await withPeople(async ({ accounts, admin, add, signIn }) => {
    const { devices } = accounts
    const ben = await add('ben')
    const asBen = await signIn('ben')
    const approved = () => {
      const { userCode, deviceCode } = devices.ask({ name: 'laptop', address: home, userAgent: '' })
      devices.approve(asBen, userCode, home)
      return deviceCode
    }
    const before = approved()
    await accounts.changePassword(asBen, 'correct horse', 'another horse', home)
    assert.throws(() => devices.collect(before), coded('not_found'))
    const again = approved()
    await accounts.users.change(admin, ben.id, { password: 'a third horse' }, home)
    assert.throws(() => devices.collect(again), coded('not_found'))
  })
})
