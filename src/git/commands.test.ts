import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal, Refusal } from '../engine/domain/refusal.ts'
import { checkRefNames, readCommands, rejection } from './commands.ts'
import { packet } from './pkt-line.ts'

const zero = '0'.repeat(40)
const sha = 'a'.repeat(40)

async function* chunks(bytes: Buffer, size: number): AsyncGenerator<Buffer, undefined> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
  return undefined
}

const push = Buffer.concat([
  packet(`shallow ${sha}\n`),
  packet(`${zero} ${sha} refs/heads/main\0report-status side-band-64k push-options`),
  packet(`${sha} ${zero} refs/tags/v1\n`),
  Buffer.from('0000'),
  packet('no-cache\n'),
  packet(''),
  Buffer.from('0000'),
  Buffer.from('PACK and so on'),
])

test('commands are read the same however the bytes are split, and no byte is lost', async () => {
  for (const size of [1, 3, 7, 64, 10_000]) {
    const body = chunks(push, size)
    const commands = await readCommands(body)
    assert.deepEqual(commands.updates, [
      { ref: 'refs/heads/main', oldSha: zero, newSha: sha },
      { ref: 'refs/tags/v1', oldSha: sha, newSha: zero },
    ])
    assert.deepEqual(commands.options, ['no-cache', ''])
    assert.ok(commands.capabilities.has('side-band-64k'))
    let all = commands.head
    for (let next = await body.next(); !next.done; next = await body.next())
      all = Buffer.concat([all, next.value])
    assert.ok(all.equals(push))
    assert.equal(push.toString('latin1', commands.packStart, commands.packStart + 4), 'PACK')
  }
})

test('the probe before a long upload has no updates', async () => {
  const commands = await readCommands(chunks(Buffer.from('0000'), 4))
  assert.deepEqual([commands.updates, commands.packStart], [[], 4])
})

test('options are only read where the client announced them', async () => {
  const bytes = Buffer.concat([packet(`${zero} ${sha} refs/heads/x\0report-status`), Buffer.from('0000PACK')])
  const commands = await readCommands(chunks(bytes, 5))
  assert.deepEqual(commands.options, [])
})

test('a ref of bytes that are no UTF-8 is refused', async () => {
  const line = Buffer.concat([Buffer.from(`${zero} ${sha} refs/heads/`), Buffer.from([0xff, 0xfe])])
  const { updates } = await readCommands(chunks(Buffer.concat([packet(line), Buffer.from('0000')]), 9))
  assert.throws(
    () => checkRefNames(updates),
    (error) => isRefusal(error, 'invalid'),
  )
})

test('a rejection names the reason once, marks every ref, and speaks as the client asked', async () => {
  const refusal = new Refusal('too_large', 'too much', { hint: 'less' })
  const banded = rejection(await readCommands(chunks(push, 99)), refusal).toString('latin1')
  const [people = '', report = ''] = banded.split('\u0001')
  assert.ok(people.includes('\u0002error: too_large: too much\nhint: less\n'))
  assert.match(
    report,
    /^000eunpack ok\n.*ng refs\/heads\/main too_large\n.*ng refs\/tags\/v1 too_large\n0000/s,
  )
  assert.ok(banded.endsWith('0000'))
  const plain = Buffer.concat([packet(`${zero} ${sha} refs/heads/x\0report-status`), Buffer.from('0000')])
  const old = rejection(await readCommands(chunks(plain, 99)), refusal).toString('latin1')
  assert.equal(old, '000eunpack ok\n001eng refs/heads/x too_large\n0000')
})
