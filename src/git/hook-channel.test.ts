import assert from 'node:assert/strict'
import { once } from 'node:events'
import { PassThrough, Writable } from 'node:stream'
import { test } from 'node:test'
import { type HookCall, HookChannel } from './hook-channel.ts'

const zero = '0'.repeat(40)
const sha = 'a'.repeat(40)
const call = (...lines: string[]) => `${['hook pre-receive', ...lines, 'end'].join('\n')}\n`

function channel(onCall: (call: HookCall) => Promise<0 | 1>) {
  const fromHooks = new PassThrough()
  const toHooks = new PassThrough()
  const own = new HookChannel(fromHooks, toHooks, onCall)
  return { fromHooks, toHooks, own }
}

test('a call is read byte by byte, values may have several lines, and the answer is the status', async () => {
  const calls: HookCall[] = []
  const { fromHooks, toHooks } = channel(async (seen) => {
    calls.push(seen)
    return 0
  })
  const text = call(
    'env GIT_QUARANTINE_PATH=/a/ü',
    '+ b',
    'option x',
    '+ ',
    '+ end',
    `ref ${zero} ${sha} refs/heads/ü`,
  )
  for (const byte of Buffer.from(text)) fromHooks.write(Buffer.from([byte]))
  assert.equal(String((await once(toHooks, 'data'))[0]), 'exit 0\n')
  assert.deepEqual(calls, [
    {
      hook: 'pre-receive',
      updates: [{ ref: 'refs/heads/ü', oldSha: zero, newSha: sha }],
      options: ['x\n\nend'],
      objectEnvironment: { GIT_QUARANTINE_PATH: '/a/ü\nb' },
    },
  ])
})

test('lines are only said while a hook runs', async () => {
  let finish = (_: 0 | 1) => {}
  const { fromHooks, toHooks, own } = channel(
    () =>
      new Promise((resolve) => {
        finish = resolve
      }),
  )
  own.say('too early')
  fromHooks.write(call())
  await new Promise(setImmediate)
  own.say('now\nexit 0')
  finish(1)
  await new Promise(setImmediate)
  own.say('too late')
  assert.equal(String(toHooks.read()), 'say now exit 0\nexit 1\n')
})

test('a fault of the receiver ends the hook with 1', async () => {
  const { fromHooks, toHooks } = channel(async () => {
    throw new Error('x')
  })
  fromHooks.write(call())
  assert.equal(String((await once(toHooks, 'data'))[0]), 'exit 1\n')
})

test('whatever is not the protocol is hung up on, and the receiver never hears of it', async () => {
  const strange = [
    'ref a b c\n',
    'hook update\n',
    'hook pre-receive\nhook\n',
    call('ref a b c'),
    call(`ref ${zero} ${sha} a`, '+ b'),
    call('env PATH=/bin'),
    call('env GIT_DIR=/x'),
    call('env GIT_OBJECT_DIRECTORY=relative'),
    call('+ nothing'),
    call('what'),
    call('option a').repeat(2),
  ]
  for (const text of strange) {
    let calls = 0
    const { fromHooks, toHooks } = channel(() => {
      calls++
      return new Promise(() => {})
    })
    fromHooks.write(text)
    await once(toHooks, 'close')
    assert.ok(calls === 0 || text.startsWith(call('option a')), text)
  }
})

test('a client that reads slowly is told how many lines were left out, and memory stays bounded', async () => {
  const fromHooks = new PassThrough()
  const written: string[] = []
  let proceed = () => {}
  const toHooks = new Writable({
    write(chunk, _encoding, done) {
      written.push(String(chunk))
      if (written.length === 1) proceed = done
      else done()
    },
  })
  let finish = (_: 0 | 1) => {}
  const own = new HookChannel(fromHooks, toHooks, () => new Promise((resolve) => (finish = resolve)))
  fromHooks.write(call())
  await new Promise(setImmediate)
  for (let line = 0; line < 5_000; line++) own.say('x'.repeat(900))
  assert.ok(toHooks.writableLength < 300_000)
  const drained = once(toHooks, 'drain')
  proceed()
  await drained
  own.say('last')
  finish(0)
  await new Promise(setImmediate)
  // the last lines follow all the same: they hold the cause and the next step
  assert.match(
    written.slice(-40).join(''),
    /say {3}… \d{4} lines left out.*\n(say x{900}\n){25}say last\nexit 0\n$/,
  )
})
