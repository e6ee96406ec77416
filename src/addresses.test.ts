import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAddresses, localHost } from './addresses.ts'

const of = (config: Partial<Parameters<typeof createAddresses>[0]>, port: number) =>
  createAddresses({ host: '127.0.0.1', baseDomain: 'localhost', trustedProxy: null, ...config }, () => port)

test('on a machine of one’s own every address has the port of the front door', () => {
  const addresses = of({}, 3000)
  assert.equal(addresses.panel(), 'http://127.0.0.1:3000')
  assert.equal(addresses.app('shop'), 'http://shop.localhost:3000')
  assert.equal(addresses.git('shop'), 'http://127.0.0.1:3000/git/shop.git')
})

test('port 80 is not written', () => {
  assert.equal(of({ baseDomain: 'example.com' }, 80).app('shop'), 'http://shop.example.com')
})

test('behind a proxy everything is https at the base domain, without a port', () => {
  const addresses = of({ baseDomain: 'example.com', trustedProxy: '127.0.0.1' }, 3000)
  assert.equal(addresses.panel(), 'https://example.com')
  assert.equal(addresses.app('shop'), 'https://shop.example.com')
  assert.equal(addresses.git('shop'), 'https://example.com/git/shop.git')
})

test('the port is asked for each time: port 0 becomes known later', () => {
  let port = 0
  const addresses = createAddresses(
    { host: '127.0.0.1', baseDomain: 'localhost', trustedProxy: null },
    () => port,
  )
  port = 41_234
  assert.equal(addresses.panel(), 'http://127.0.0.1:41234')
})

test('an address that means "all" or is IPv6 becomes one that can be opened', () => {
  assert.equal(localHost('0.0.0.0'), '127.0.0.1')
  assert.equal(localHost('::'), '[::1]')
  assert.equal(localHost('fe80::1'), '[fe80::1]')
  assert.equal(localHost('192.0.2.1'), '192.0.2.1')
})
