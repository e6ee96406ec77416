import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { readHookEvent } from './event.ts'
import { createRate } from './rate.ts'
import { type Headers, mayBeSigned, verifySignature } from './signature.ts'

const now = 1_614_265_330_000
/** What is right must be read, and what is not read must be wrong. */
const verify = (headers: Headers, body: string, secret: string, at = now) => {
  const signed = verifySignature(headers, Buffer.from(body), secret, at)
  assert.ok(signed === null || mayBeSigned(headers, secret, at), JSON.stringify(headers))
  return signed
}

test("GitHub's own example is accepted", () => {
  // https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
  const signature = 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17'
  const secret = "It's a Secret to Everybody"
  const headers = { 'x-hub-signature-256': signature, 'x-github-delivery': 'd1' }
  assert.deepEqual(verify(headers, 'Hello, World!', secret), { provider: 'github', id: 'd1' })
  assert.equal(verify(headers, 'Hello, World?', secret), null)
  assert.equal(verify(headers, 'Hello, World!', `${secret}.`), null)
})

test('the example of standard webhooks is accepted, at its time only', () => {
  // https://github.com/standard-webhooks/standard-webhooks, libraries
  const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
  const body = '{"test": 2432232314}'
  const headers = {
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  }
  const signed = { provider: 'standard', id: 'msg_p5jXN8AQM9LWM0D4loKWxJek' }
  assert.deepEqual(verify(headers, body, secret), signed)
  assert.deepEqual(verify(headers, body, secret, now + 299_000), signed)
  assert.equal(verify(headers, body, secret, now + 301_000), null, 'too late')
  assert.equal(verify(headers, body, secret, now - 301_000), null, 'too early')
  assert.equal(verify({ ...headers, 'webhook-id': 'other' }, body, secret), null)
  assert.equal(verify({ ...headers, 'webhook-timestamp': '1614265331' }, body, secret), null)
  assert.equal(verify({ ...headers, 'webhook-timestamp': 'NaN' }, body, secret), null)
  assert.deepEqual(verify({ ...headers, 'x-gitlab-event': 'Push Hook' }, body, secret)?.provider, 'gitlab')
})

test('Gitea and Forgejo sign without a prefix, GitLab may send the secret itself', () => {
  const hex = createHmac('sha256', 's').update('b').digest('hex')
  assert.deepEqual(verify({ 'x-gitea-signature': hex, 'x-gitea-delivery': 'g' }, 'b', 's'), {
    provider: 'gitea',
    id: 'g',
  })
  assert.equal(verify({ 'x-forgejo-signature': hex }, 'b', 's')?.provider, 'gitea')
  assert.equal(verify({ 'x-gitea-signature': hex }, 'c', 's'), null)
  assert.deepEqual(verify({ 'x-gitlab-token': 's', 'x-gitlab-event-uuid': 'u' }, 'b', 's'), {
    provider: 'gitlab',
    id: 'u',
  })
  assert.equal(verify({ 'x-gitlab-token': 't' }, 'b', 's'), null)
})

test('bad, short, empty and SHA-1 signatures are refused, and nothing weaker is looked at instead', () => {
  const sha1 = `sha1=${createHmac('sha1', 's').update('b').digest('hex')}`
  const good = `sha256=${createHmac('sha256', 's').update('b').digest('hex')}`
  for (const headers of [
    {},
    { 'x-hub-signature': sha1 },
    { 'x-hub-signature': good },
    { 'x-hub-signature-256': '' },
    { 'x-hub-signature-256': good.slice(0, -1) },
    { 'x-hub-signature-256': good.toUpperCase() },
    { 'x-hub-signature-256': `${good}0` },
    { 'x-hub-signature-256': sha1 },
    { 'x-hub-signature-256': 'sha256=é' },
    { 'x-hub-signature-256': 'wrong', 'x-gitlab-token': 's' },
    { 'webhook-signature': 'v1,', 'x-gitlab-token': 's' },
    { 'x-gitlab-token': '' },
  ]) {
    assert.equal(verify(headers, 'b', 's'), null, JSON.stringify(headers))
  }
})

test('what no body could make right is known by its headers', () => {
  const hex = 'a'.repeat(64)
  const dated = { 'webhook-id': 'a', 'webhook-timestamp': String(now / 1000), 'webhook-signature': 'v1,x' }
  for (const headers of [
    { 'x-hub-signature-256': `sha256=${hex}` },
    { 'x-forgejo-signature': hex },
    dated,
    { 'x-gitlab-token': 's' },
  ]) {
    assert.ok(mayBeSigned(headers, 's', now), JSON.stringify(headers))
  }
  for (const headers of [
    {},
    { 'x-hub-signature': `sha1=${hex}` },
    { 'x-hub-signature-256': hex },
    { 'x-hub-signature-256': `sha256=${hex}0`, 'x-gitlab-token': 's' },
    { 'x-gitea-signature': '' },
    { ...dated, 'webhook-timestamp': '1' },
    { 'x-gitlab-token': 't' },
  ]) {
    assert.ok(!mayBeSigned(headers, 's', now), JSON.stringify(headers))
  }
})

test('an event is read alike from each service, and from a form', () => {
  const sha = 'a'.repeat(40)
  const pushed = { kind: 'push', ref: 'refs/heads/main', sha, deleted: false }
  const body = JSON.stringify({ ref: 'refs/heads/main', after: sha, object_kind: 'push' })
  const read = (headers: Headers, text = body) => readHookEvent(headers, Buffer.from(text))
  assert.deepEqual(read({ 'x-github-event': 'push' }), pushed)
  assert.deepEqual(read({ 'x-gitlab-event': 'Push Hook' }), pushed)
  assert.deepEqual(read({ 'x-gitea-event': 'push' }), pushed)
  assert.deepEqual(read({}), pushed)
  const form = { 'content-type': 'application/x-www-form-urlencoded', 'x-github-event': 'push' }
  assert.deepEqual(read(form, new URLSearchParams({ payload: body }).toString()), pushed)
  assert.deepEqual(read({ 'x-github-event': 'ping' }, '{"zen":"x"}'), { kind: 'ping' })
  assert.deepEqual(read({ 'x-gitlab-event': 'Tag Push Hook' }), { kind: 'other', name: 'tag push' })
  const gone = JSON.stringify({ ref: 'refs/heads/main', after: '0'.repeat(40) })
  assert.deepEqual(read({ 'x-github-event': 'push' }, gone), { ...pushed, sha: null, deleted: true })
})

test('what is no event is malformed', () => {
  for (const body of ['', '{', 'null', '[]', '{"ref":1}', '{"ref":null}']) {
    assert.throws(
      () => readHookEvent({ 'x-github-event': 'push' }, Buffer.from(body)),
      { code: 'malformed' },
      body,
    )
  }
})

test('a rate lets so many through in a minute, and says when the next may come', () => {
  let clock = 0
  const rate = createRate(2, () => clock)
  assert.deepEqual([rate.take('a'), rate.take('a'), rate.take('a'), rate.take('b')], [0, 0, 60, 0])
  clock = 59_500
  assert.equal(rate.take('a'), 1)
  clock = 60_000
  assert.equal(rate.take('a'), 0)
})
