import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hostOf, isThisMachine, peerAddress, trustOf } from './host.ts'

test('a Host header is looked up without case, port, brackets and trailing dot', () => {
  const cases: [string | undefined, string | null][] = [
    ['Shop.Example:8080', 'shop.example'],
    ['shop.example.', 'shop.example'],
    ['shop.example.:80', 'shop.example'],
    ['[::1]:3000', '::1'],
    ['a_b.localhost', 'a_b.localhost'],
    [undefined, ''],
    ['', ''],
  ]
  for (const [header, host] of cases) assert.equal(hostOf(header), host, String(header))
})

test('what is not a host is refused', () => {
  for (const header of [
    'a/b',
    'a b',
    'user@a',
    'a:b',
    'a:1:2',
    '[x]',
    '[1.2.3.4]',
    'a\0',
    'ä.example',
    'a?b',
    'a#b',
  ]) {
    assert.equal(hostOf(header), null, header)
  }
})

test('addresses, localhost and the own name mean this machine, other names do not', () => {
  for (const host of ['127.0.0.1', '10.1.2.3', '::1', 'localhost', 'box', ''])
    assert.ok(isThisMachine(host, 'Box'), host)
  for (const host of ['example.com', '1.2.3', 'box.example', '2130706433'])
    assert.ok(!isThisMachine(host, 'box'), host)
})

test('the trusted proxy is known in every form of its address, and nobody else is', () => {
  assert.equal(peerAddress('::ffff:10.0.0.1'), '10.0.0.1')
  for (const configured of ['127.0.0.1', '::1', 'localhost', '::ffff:127.0.0.1', '[::1]']) {
    const trusts = trustOf(configured)
    assert.ok(trusts('127.0.0.1') && trusts('::1') && trusts('::ffff:127.0.0.1'), configured)
    assert.ok(!trusts('10.0.0.1') && !trusts('unknown') && !trusts('127.0.0.2'), configured)
  }
  assert.equal(trustOf(null)('127.0.0.1'), false)
})
