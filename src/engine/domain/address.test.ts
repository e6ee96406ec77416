import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clientAddress } from './address.ts'

test('the sender’s address is the last one, which was seen; those before it are claims', () => {
  assert.equal(clientAddress('192.0.2.1'), '192.0.2.1')
  assert.equal(clientAddress('10.9.8.7, 192.0.2.1'), '192.0.2.1')
  assert.equal(clientAddress(['10.9.8.7', '192.0.2.1']), '192.0.2.1')
  assert.equal(clientAddress(undefined), 'local')
  assert.equal(clientAddress(''), 'local')
})
