import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Hono } from 'hono'
import { Refusal } from '../engine/domain/refusal.ts'
import { notFound, problem, problemOf, statusFor } from './errors.ts'
import type { Env } from './services.ts'

for (const [code, status] of [
  ['malformed', 400],
  ['unauthorized', 401],
  ['forbidden', 403],
  ['not_found', 404],
  ['conflict', 409],
  ['too_large', 413],
  ['unsupported_media_type', 415],
  ['invalid', 422],
  ['build_failed', 422],
  ['wrong_port', 422],
  ['too_many_requests', 429],
  ['internal', 500],
  ['unavailable', 503],
  ['disk_full', 507],
] as const) {
  test(`${code} is ${status}`, () => {
    assert.equal(statusFor(new Refusal(code, 'no')), status)
  })
}

test('a problem has the fields of RFC 9457 and what helps to go on', () => {
  const fields = [{ field: 'name', message: 'it is empty' }]
  assert.deepEqual(problemOf(new Refusal('invalid', 'name: it is empty', { hint: 'mend it', fields })), {
    type: 'urn:nodepilot:problem:invalid',
    title: 'Not possible',
    status: 422,
    detail: 'name: it is empty',
    code: 'invalid',
    hint: 'mend it',
    errors: fields,
  })
})

test('429 says when to try again, 401 how to sign in, and no problem is ever cached', () => {
  const slow = problem(new Refusal('too_many_requests', 'wait', { retryAfter: 7 }))
  assert.equal(slow.headers.get('retry-after'), '7')
  assert.equal(slow.headers.get('cache-control'), 'no-store')
  const stranger = problem(new Refusal('unauthorized', 'who?'))
  assert.equal(stranger.headers.get('www-authenticate'), 'Bearer realm="NodePilot"')
})

test('an address that does not exist is a page for people and a problem for programs', async () => {
  const web = new Hono<Env>().notFound(notFound)
  const page = await web.request('/nowhere', { headers: { accept: 'text/html' } })
  assert.equal(page.status, 404)
  assert.match(await page.text(), /<h1>Nothing here<\/h1>/)
  for (const [path, accept] of [
    ['/nowhere', '*/*'],
    ['/api/nowhere', 'text/html'],
  ] as const) {
    const answer = await web.request(path, { headers: { accept } })
    assert.equal(answer.status, 404)
    assert.equal(answer.headers.get('content-type'), 'application/problem+json')
  }
})
