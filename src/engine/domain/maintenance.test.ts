import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readRange } from './address-range.ts'
import { settingsChange } from './settings.ts'

test('addresses and ranges are read in every way they are written', () => {
  assert.deepEqual(readRange('203.0.113.7'), { address: '203.0.113.7', family: 'ipv4', prefix: 32 })
  assert.deepEqual(readRange('10.1.2.3/8'), { address: '10.1.2.3', family: 'ipv4', prefix: 8 })
  assert.deepEqual(readRange('2001:DB8:0::/32'), { address: '2001:db8::', family: 'ipv6', prefix: 32 })
  for (const mapped of ['::ffff:192.0.2.1', '::FFFF:c000:201', '0:0:0:0:0:ffff:192.0.2.1']) {
    assert.deepEqual(readRange(mapped), { address: '192.0.2.1', family: 'ipv4', prefix: 32 }, mapped)
  }
  assert.deepEqual(readRange('::ffff:10.0.0.0/104'), { address: '10.0.0.0', family: 'ipv4', prefix: 8 })
})

test('what is no address is refused with the entry and how one is written', () => {
  const wrong = [
    '',
    '10.0.0',
    '10.0.0.256',
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/',
    '1.2.3.4/-1',
    'fe80::1%eth0',
  ]
  for (const entry of [...wrong, '010.0.0.1', 'shop.example', '203.0.113.7:80', '[::1]']) {
    const read = settingsChange.safeParse({ maintenanceAllow: ['203.0.113.7', entry] })
    assert.deepEqual(read.error?.issues[0]?.path, ['maintenanceAllow', 1], entry)
    assert.match(read.error?.issues[0]?.message ?? '', /write 203\.0\.113\.7, 203\.0\.113\.0\/24 or/)
  }
  const many = Array.from({ length: 101 }, (_, n) => `10.0.0.${n}`)
  assert.match(settingsChange.safeParse({ maintenanceAllow: many }).error?.issues[0]?.message ?? '', /ranges/)
})

test('a page has at most 64 KiB, counted in bytes', () => {
  const change = (maintenancePage: string) => settingsChange.safeParse({ maintenancePage })
  assert.equal(change('x'.repeat(65_536)).success, true)
  assert.match(change('ü'.repeat(32_769)).error?.issues[0]?.message ?? '', /64 KiB/)
  assert.match(change(' \n').error?.issues[0]?.message ?? '', /empty; null/)
})
