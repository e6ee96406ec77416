import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crashed, portStolen, unhealthy, unreachable } from './diagnose.ts'

const end = (code: number | null, signal: string | null = null) => ({ code, signal })

test('exit 137, SIGKILL and a full heap are out_of_memory; other ends are boot_crashed', () => {
  assert.equal(crashed(end(137), []).code, 'out_of_memory')
  assert.equal(crashed(end(null, 'SIGKILL'), []).code, 'out_of_memory')
  const heap = 'FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory'
  assert.equal(crashed(end(134), [heap]).code, 'out_of_memory')
  assert.equal(crashed(end(1), []).code, 'boot_crashed')
  assert.equal(crashed(end(null, 'SIGSEGV'), []).code, 'boot_crashed')
})

test('the sentence says how it ended', () => {
  assert.equal(crashed(end(2), []).message, 'the app exited with code 2 before it answered')
  assert.equal(crashed(end(null, 'SIGTERM'), []).message, 'the app was killed by SIGTERM before it answered')
})

for (const [what, exit, line, hint] of [
  ['a missing package', end(1), "Error: Cannot find module 'koa'", /npm install koa$/],
  ['a missing ESM package', end(1), "Cannot find package '@x/y' imported from /a.js", /npm install @x\/y$/],
  ['a missing file', end(1), "Error: Cannot find module './dist/app.js'", /\.\/dist\/app\.js is not in the/],
  ['a taken port', end(1), 'Error: listen EADDRINUSE: address already in use :::3000', /process\.env\.PORT/],
  ['an unreachable service', end(1), 'Error: connect ECONNREFUSED 127.0.0.1:5432', /127\.0\.0\.1:5432/],
  ['an unknown program', end(127), 'sh: 9: exec: next: not found', /not installed/],
  ['an end without error', end(0), 'done', /does it call listen/],
  ['anything else', end(1), 'boom', /run the start command locally/],
] as const) {
  test(`${what} has a hint of its own`, () => {
    assert.match(crashed(exit, [line]).hint ?? '', hint)
  })
}

test('an app on another port is wrong_port and named with the port it does listen on', () => {
  const one = unreachable(20_007, [3000], 15_000)
  assert.equal(one.code, 'wrong_port')
  assert.deepEqual(one.lines, ['The app is running, but it listens on port 3000.'])
  assert.equal(one.message, 'nothing answered on PORT 20007 within 15s')
  assert.match(unreachable(1, [3000, 3001], 1).lines[0] ?? '', /ports 3000, 3001/)
})

test('the right port on another address is told apart', () => {
  const refusal = unreachable(20_007, [20_007], 15_000)
  assert.equal(refusal.code, 'wrong_port')
  assert.match(refusal.lines[0] ?? '', /another address/)
})

test('an app that listens nowhere is boot_timeout', () => {
  assert.equal(unreachable(20_007, [], 60_000).code, 'boot_timeout')
})

test('a bad answer is health_failed with what came and what was wanted', () => {
  const bad = unhealthy(null, { status: 503, problem: null }, [])
  assert.equal(bad.message, '/ returned 503, wanted an answer below 500')
  const none = unhealthy('/up', { status: null, problem: 'socket hang up' }, [])
  assert.equal(none.message, '/up gave no answer (socket hang up), wanted 2xx or 3xx')
  const database = unhealthy(null, { status: 500, problem: null }, ['connect ECONNREFUSED ::1:5432'])
  assert.match(database.hint ?? '', /could not reach ::1:5432/)
})

test('a stolen port says that the next push gets another one', () => {
  assert.match(portStolen(20_007).message, /^port 20007 was taken/)
  assert.match(portStolen(20_007).hint ?? '', /another port/)
})
