import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clientAddress, networkOf } from './address.ts'

test('the sender’s address is the last one, which was seen; those before it are claims', () => {
  assert.equal(clientAddress('192.0.2.1'), '192.0.2.1')
  assert.equal(clientAddress('10.9.8.7, 192.0.2.1'), '192.0.2.1')
  assert.equal(clientAddress(['10.9.8.7', '192.0.2.1']), '192.0.2.1')
  assert.equal(clientAddress(undefined), 'local')
  assert.equal(clientAddress(''), 'local')
})

test('an address of IPv6 is one of a network, whatever form it is written in', () => {
  for (const [address, network] of [
    ['192.0.2.1', '192.0.2.1'],
    ['local', 'local'],
    ['', ''],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:DB8:0:0:ffff::', '2001:db8:0:0::/64'],
    ['2001:0db8:0000:0000:1:2:3:4', '2001:db8:0:0::/64'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ] as const) {
    assert.equal(networkOf(address), network)
  }
})
