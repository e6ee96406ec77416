import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { type Actor, permits } from '../domain/access.ts'
import type { AuditEvent } from '../domain/audit.ts'
import { isRefusal, type Refusal } from '../domain/refusal.ts'
import type { Passwords } from '../passwords.ts'
import { openDatabase } from '../store/database.ts'
import { createStore } from '../store/store.ts'
import { createAccountCases } from './accounts.ts'

const minute = 60_000
const day = 86_400_000
const home = '192.0.2.1'

/** As slow as it must be to be asked about, and no slower: bcrypt itself is tested beside its thread. */
function plainPasswords() {
  const asked: string[] = []
  const passwords: Passwords = {
    hash: async (password) => `hashed ${password}`,
    verify: async (password, hash) => {
      asked.push(password)
      await new Promise((resolve) => setImmediate(resolve))
      return hash === `hashed ${password}`
    },
    close: async () => {},
  }
  return { passwords, asked }
}

async function createRig() {
  const time = { now: Date.UTC(2026, 0, 1) }
  const clock = () => time.now
  const db = openDatabase(':memory:')
  const store = createStore(db, clock)
  const { passwords, asked } = plainPasswords()
  const events: AuditEvent[] = []
  const audit = (event: AuditEvent) => void events.push(event)
  const accounts = createAccountCases({ store, passwords, clock, audit })
  await accounts.ensureAdmin('correct horse')
  const login = (password: string, address = home, username = 'admin') =>
    accounts.login({ username, password, address })
  const signIn = async (): Promise<Actor> => {
    const { sessionId } = await login('correct horse')
    return accounts.session(sessionId) ?? assert.fail()
  }
  /** Wrong logins one after the other, each as soon as the throttle lets it. */
  const failTimes = async (count: number, address = home) => {
    for (let i = 0; i < count; i++) {
      await login(`wrong ${i}`, address).catch((error: Refusal) => {
        if (error.code === 'too_many_requests') throw error
      })
      time.now += minute
    }
  }
  return { db, store, time, accounts, events, asked, login, signIn, failTimes, clock, passwords }
}

const coded = (code: Parameters<typeof isRefusal>[1]) => (error: unknown) => isRefusal(error, code)

test('a session holds for seven days and ends at sign-out', async () => {
  const { accounts, login, time } = await createRig()
  const first = await login('correct horse')
  const second = await login('correct horse')
  assert.equal(first.expiresAt.getTime(), time.now + 7 * day)
  assert.equal(accounts.session(first.sessionId)?.username, 'admin')
  accounts.logout(accounts.session(first.sessionId) ?? assert.fail(), home)
  assert.equal(accounts.session(first.sessionId), null)
  assert.ok(accounts.session(second.sessionId))
  time.now += 7 * day
  assert.equal(accounts.session(second.sessionId), null)
  assert.equal(accounts.session('no-such-session'), null)
})

test('a wrong password and an unknown user are refused alike, and both cost a verification', async () => {
  const { login, asked } = await createRig()
  const wrong = await login('wrong').catch((error: Refusal) => error)
  const unknown = await login('wrong', home, 'nobody').catch((error: Refusal) => error)
  assert.ok(isRefusal(wrong, 'unauthorized') && isRefusal(unknown, 'unauthorized'))
  assert.equal(wrong.message, unknown.message)
  assert.deepEqual(asked, ['wrong', 'wrong'])
})

test('after eleven wrong logins the address is refused, and the right password from elsewhere still works', async () => {
  const { login } = await createRig()
  const codes: string[] = []
  for (let i = 0; i < 11; i++) {
    await login(`wrong ${i}`).catch((error: Refusal) => codes.push(error.code))
  }
  assert.deepEqual(codes.slice(0, 5), Array(5).fill('unauthorized'))
  assert.deepEqual(codes.slice(5), Array(6).fill('too_many_requests'))
  await assert.rejects(login('correct horse'), (error) => {
    assert.ok(isRefusal(error, 'too_many_requests'))
    assert.ok(error.retryAfter && error.retryAfter >= 1)
    return true
  })
  assert.ok(await login('correct horse', '198.51.100.7'))
})

test('a hundred guesses at once are not more than a hundred one after the other', async () => {
  const { login, asked } = await createRig()
  const guesses = Array.from({ length: 100 }, (_, i) => login(`guess ${i}`).catch((e: Refusal) => e.code))
  const codes = await Promise.all(guesses)
  assert.equal(codes.filter((code) => code === 'unauthorized').length, 5)
  assert.equal(asked.length, 5)
})

test('a remembered password is no way around the throttle: who is refused learns nothing by guessing on', async () => {
  const { login, accounts } = await createRig()
  await login('correct horse')
  const elsewhere = '198.51.100.7'
  for (let i = 0; i < 5; i++) await login(`wrong ${i}`, elsewhere).catch(() => {})
  await assert.rejects(login('wrong', elsewhere), coded('too_many_requests'))
  await assert.rejects(login('correct horse', elsewhere), coded('too_many_requests'))
  const basic = { username: 'admin', password: 'correct horse', address: elsewhere }
  await assert.rejects(accounts.basic(basic), coded('too_many_requests'))
  assert.ok(await login('correct horse'), 'who is not refused is still let in')
})

test('all addresses of one IPv6 network are throttled as one', async () => {
  const { login } = await createRig()
  const codes: string[] = []
  for (let i = 0; i < 12; i++) {
    await login(`wrong ${i}`, `2001:db8:1:2::${i}`).catch((error: Refusal) => codes.push(error.code))
  }
  assert.equal(codes.indexOf('too_many_requests'), 5)
  assert.ok(await login('correct horse', '2001:db8:1:3::1'), 'the network beside it is another one')
})

test('many right logins at once are verified once', async () => {
  const { login, asked } = await createRig()
  await Promise.all(Array.from({ length: 20 }, () => login('correct horse')))
  assert.deepEqual(asked, ['correct horse'])
})

test('many names from one address are throttled by the address', async () => {
  const { login } = await createRig()
  const codes: string[] = []
  for (let i = 0; i < 12; i++) {
    await login('wrong', home, `user${i}`).catch((error: Refusal) => codes.push(error.code))
  }
  assert.equal(codes.indexOf('too_many_requests'), 10)
})

test('the wait doubles up to a quarter of an hour, and time passes', async () => {
  const { login, failTimes, time, store } = await createRig()
  await failTimes(5)
  await login('wrong').catch(() => {})
  await assert.rejects(login('correct horse'), coded('too_many_requests'))
  time.now += 2_000
  assert.ok(await login('correct horse'))
  store.accounts.putFailures(`account admin from ${home}`, 1_000, '')
  await login('wrong').catch(() => {})
  time.now += 15 * minute - 1
  await assert.rejects(login('wrong'), coded('too_many_requests'))
  time.now += 1
  await assert.rejects(login('wrong'), coded('unauthorized'))
})

test('a restart does not forget an attack, a right password does', async () => {
  const { failTimes, login, store, clock, passwords, time } = await createRig()
  await failTimes(5)
  time.now -= minute
  const restarted = createAccountCases({ store, passwords, clock, audit: () => {} })
  const credentials = { username: 'admin', password: 'correct horse', address: home }
  await assert.rejects(restarted.login(credentials), coded('too_many_requests'))
  time.now += minute
  await restarted.login(credentials)
  await login('wrong').catch(() => {})
  await assert.rejects(login('wrong'), coded('unauthorized'))
})

test('a right password is remembered for a quarter of an hour, for git asks three times a push', async () => {
  const { accounts, asked, time } = await createRig()
  const credentials = { username: 'admin', password: 'correct horse', address: home }
  for (let i = 0; i < 3; i++) assert.ok(await accounts.basic(credentials))
  assert.equal(asked.length, 1)
  time.now += 15 * minute
  assert.ok(await accounts.basic(credentials))
  assert.equal(asked.length, 2)
  assert.equal(await accounts.basic({ ...credentials, password: 'correct horse ' }), null)
})

test('a new password ends the old one at once, remembered or not, and every other session', async () => {
  const { accounts, login, signIn } = await createRig()
  const other = await signIn()
  const mine = await signIn()
  await accounts.changePassword(mine, 'correct horse', 'battery staple', home)
  assert.ok(accounts.session(mine.sessionId ?? ''))
  assert.equal(accounts.session(other.sessionId ?? ''), null)
  await assert.rejects(login('correct horse'), coded('unauthorized'))
  assert.ok(await login('battery staple'))
  await assert.rejects(accounts.changePassword(mine, 'wrong', 'battery staple 2', home), coded('forbidden'))
})

test('72 bytes are a password, 73 are refused and never cut off, counted in bytes', async () => {
  const { accounts, signIn, login } = await createRig()
  const actor = await signIn()
  const longest = 'é'.repeat(36)
  await accounts.changePassword(actor, 'correct horse', longest, home)
  assert.ok(await login(longest))
  for (const refused of [`${longest}x`, 'x'.repeat(73), 'short', 'changeme', 'Password', '']) {
    await assert.rejects(accounts.changePassword(actor, longest, refused, home), coded('invalid'), refused)
  }
  assert.ok(await login(longest))
})

test('the server refuses to start with an example password, and ignores it once there is a user', async () => {
  const store = createStore(openDatabase(':memory:'), Date.now)
  const accounts = createAccountCases({ store, clock: Date.now, audit: () => {}, ...plainPasswords() })
  await assert.rejects(accounts.ensureAdmin('changeme'), coded('invalid'))
  assert.equal(accounts.hasUsers(), false)
  await accounts.ensureAdmin('correct horse')
  await accounts.ensureAdmin('changeme')
  assert.equal(store.accounts.findUser('admin')?.password, 'hashed correct horse')
})

test('of a token only a hash is kept, and it can be told from other secrets', async () => {
  const { accounts, db, signIn } = await createRig()
  const made = accounts.createToken(
    await signIn(),
    {
      name: 'ci',
      scope: 'push',
      projectId: null,
      expiresInDays: null,
    },
    home,
  )
  assert.match(made.token, /^np_[0-9A-Za-z]{33}$/)
  const everything = JSON.stringify(db.prepare('SELECT * FROM tokens').all())
  assert.ok(!everything.includes(made.token.slice(3)))
  assert.ok(everything.includes(createHash('sha256').update(made.token).digest('hex')))
  assert.equal(accounts.token(made.token)?.token?.scope, 'push')
  const last = made.token.at(-1) === 'a' ? 'b' : 'a'
  assert.equal(accounts.token(made.token.slice(0, -1) + last), null)
})

test('a token ends when it expires, when it is removed, and never works for somebody else to remove', async () => {
  const { accounts, signIn, time } = await createRig()
  const actor = await signIn()
  const base = { name: 'ci', scope: 'read' as const, projectId: null }
  const short = accounts.createToken(actor, { ...base, expiresInDays: 1 }, home)
  const long = accounts.createToken(actor, { ...base, expiresInDays: null }, home)
  assert.equal(short.expiresAt, new Date(time.now + day).toISOString())
  time.now += day
  assert.equal(accounts.token(short.token), null)
  assert.throws(
    () => accounts.removeToken({ ...actor, userId: 99, role: 'member' }, long.id, home),
    coded('not_found'),
  )
  assert.ok(accounts.token(long.token))
  accounts.removeToken(actor, long.id, home)
  assert.equal(accounts.token(long.token), null)
  assert.throws(() => accounts.removeToken(actor, long.id, home), coded('not_found'))
})

test('a token may do what its scope says, to its project only', async () => {
  const { accounts, store, signIn } = await createRig()
  const base = { path: '/', startCommand: '', port: null, envVars: {} }
  const shop = store.projects.create({ ...base, name: 'shop', displayName: 'shop' })
  const admin = await signIn()
  const as = (scope: 'push' | 'read' | 'admin', projectId: number | null) => {
    const { token } = accounts.createToken(
      admin,
      { name: scope, scope, projectId, expiresInDays: null },
      home,
    )
    return accounts.token(token) ?? assert.fail()
  }
  assert.equal(permits(as('push', shop.id), 'project.deploy', shop.id, null), true)
  assert.equal(permits(as('push', shop.id), 'project.deploy', shop.id + 1, null), false)
  assert.equal(permits(as('push', shop.id), 'project.create', null, null), false)
  assert.equal(permits(as('push', null), 'project.create', null, null), true)
  assert.equal(permits(as('push', null), 'project.manage', shop.id, null), false)
  assert.equal(permits(as('read', null), 'project.deploy', shop.id, null), false)
  assert.equal(permits(as('read', null), 'project.read', shop.id, null), true)
  assert.equal(permits(as('admin', null), 'project.manage', shop.id, null), true)
  assert.equal(permits(as('admin', null), 'account.manage', null, null), false, 'no token makes tokens')
})

test('the use of a token is noted, to the minute', async () => {
  const { accounts, signIn, time } = await createRig()
  const actor = await signIn()
  const { token } = accounts.createToken(
    actor,
    {
      name: 'ci',
      scope: 'read',
      projectId: null,
      expiresInDays: null,
    },
    home,
  )
  const lastUse = () => accounts.tokens(actor)[0]?.lastUsedAt
  assert.equal(lastUse(), null)
  accounts.token(token)
  const first = lastUse()
  time.now += 1_000
  accounts.token(token)
  assert.equal(lastUse(), first)
  time.now += minute
  accounts.token(token)
  assert.notEqual(lastUse(), first)
})

test('git may send a token with any user name, and wrong tokens are throttled', async () => {
  const { accounts, signIn, time } = await createRig()
  const { token } = accounts.createToken(
    await signIn(),
    {
      name: 'ci',
      scope: 'push',
      projectId: null,
      expiresInDays: 1,
    },
    home,
  )
  const basic = (password: string) => accounts.basic({ username: 'anybody', password, address: home })
  assert.equal((await basic(token))?.username, 'admin')
  time.now += day
  for (let i = 0; i < 5; i++) assert.equal(await basic(token), null)
  await assert.rejects(basic(token), coded('too_many_requests'))
})

test('the set-up code works once, for half an hour, and a newer one ends it', async () => {
  const time = { now: 0 }
  const clock = () => time.now
  const store = createStore(openDatabase(':memory:'), clock)
  const accounts = createAccountCases({ store, clock, audit: () => {}, ...plainPasswords() })
  const setUp = (code: string, username = 'ada') =>
    accounts.setUp({ code, username, password: 'correct horse', address: home })
  const old = accounts.createSetupCode() ?? assert.fail()
  assert.match(old, /^[2-9A-Z]{4}-[2-9A-Z]{4}$/)
  const code = accounts.createSetupCode() ?? assert.fail()
  assert.ok(!JSON.stringify(store.settings.get('setup')).includes(code), 'only a hash is stored')
  await assert.rejects(setUp(old), coded('forbidden'))
  time.now = 30 * minute
  await assert.rejects(setUp(code), coded('forbidden'))
  const next = accounts.createSetupCode() ?? assert.fail()
  time.now = 60 * minute - 1
  assert.equal((await setUp(` ${next.toLowerCase()} `)).role, 'admin')
  await assert.rejects(setUp(next, 'eve'), coded('forbidden'))
  assert.equal(accounts.createSetupCode(), null)
  assert.equal(store.accounts.findUser('eve'), null)
})

test('two set-ups at once make one admin', async () => {
  const store = createStore(openDatabase(':memory:'), Date.now)
  const accounts = createAccountCases({ store, clock: Date.now, audit: () => {}, ...plainPasswords() })
  const code = accounts.createSetupCode() ?? assert.fail()
  const setUp = (username: string) =>
    accounts.setUp({ code, username, password: 'correct horse', address: home })
  const results = await Promise.allSettled([setUp('ada'), setUp('eve')])
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
  const lost = results.find((result) => result.status === 'rejected')
  assert.ok(lost && isRefusal(lost.reason, 'conflict'))
})

test('guessing set-up codes is throttled', async () => {
  const store = createStore(openDatabase(':memory:'), Date.now)
  const accounts = createAccountCases({ store, clock: Date.now, audit: () => {}, ...plainPasswords() })
  accounts.createSetupCode()
  const guess = () =>
    accounts.setUp({ code: 'AAAA-AAAA', username: 'eve', password: 'correct horse', address: home })
  for (let i = 0; i < 5; i++) await assert.rejects(guess(), coded('forbidden'))
  await assert.rejects(guess(), coded('too_many_requests'))
})
