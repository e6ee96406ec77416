import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ByteReader, RecordTooLong, TruncatedInput } from './byte-reader.ts'

test('records are read whole, however the sender cuts them', async () => {
  for (const cut of [1, 2, 3, 7, 100]) {
    const reader = new ByteReader(chunks('one\0two\0\0head-rest', cut))
    assert.equal(String(await reader.until(0, 10)), 'one')
    assert.equal(String(await reader.until(0, 10)), 'two')
    assert.equal(String(await reader.until(0, 10)), '')
    assert.equal(String(await reader.exactly(5)), 'head-')
    await reader.skip(2)
    assert.equal(String(await reader.exactly(2)), 'st')
    assert.equal(await reader.atMost(10), null)
    assert.equal(await reader.until(0, 10), null)
  }
})

test('an end in the middle of a record is told apart from a clean end', async () => {
  await assert.rejects(new ByteReader(chunks('abc', 2)).exactly(4), TruncatedInput)
  await assert.rejects(new ByteReader(chunks('abc', 2)).until(0, 10), TruncatedInput)
  await assert.rejects(new ByteReader(chunks('abc', 2)).skip(4), TruncatedInput)
})

test('a record without an end is given up, not collected', async () => {
  let sent = 0
  async function* endless() {
    for (;;) {
      sent += 1
      yield Buffer.alloc(1000, 'x')
    }
  }
  await assert.rejects(new ByteReader(endless()).until(0, 5000), RecordTooLong)
  assert.ok(sent < 10)
})

test('closing lets go of the sender', async () => {
  let released = false
  async function* sender() {
    try {
      yield Buffer.from('abc')
      yield Buffer.from('def')
    } finally {
      released = true
    }
  }
  const reader = new ByteReader(sender())
  await reader.exactly(2)
  await reader.close()
  assert.equal(released, true)
  assert.equal(await reader.atMost(1), null)
})

async function* chunks(text: string, length: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < text.length; at += length) yield Buffer.from(text.slice(at, at + length))
}
