import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal } from './refusal.ts'
import { leadsInside, parseRemoteUrl } from './remote-url.ts'

test('https, ssh and the short form of ssh are taken as they are', () => {
  for (const [url, protocol, host, port] of [
    ['https://github.com/ana/shop.git', 'https', 'github.com', 443],
    ['https://git.example.org:8443/a/b', 'https', 'git.example.org', 8443],
    ['ssh://git@git.example.org:2222/ana/shop.git', 'ssh', 'git.example.org', 2222],
    ['git@github.com:ana/shop.git', 'ssh', 'github.com', 22],
    ['https://10.0.0.7/ana/shop.git', 'https', '10.0.0.7', 443],
  ] as const) {
    assert.deepEqual(parseRemoteUrl(url), { url, protocol, host, port })
  }
})

test('addresses that would run something, read a file or lead inside are refused by the field', () => {
  for (const url of [
    'ext::sh -c id',
    'ext::sh',
    'fd::17',
    '--upload-pack=touch /tmp/x',
    '-oProxyCommand=id',
    'file:///etc',
    '/srv/git/shop.git',
    '../shop.git',
    'shop',
    'git://github.com/a/b',
    'http://github.com/a/b',
    'ftp://github.com/a/b',
    'https://user:secret@github.com/a/b',
    'https://token@github.com/a/b',
    'https://-oProxyCommand=id/a',
    'ssh://-oProxyCommand=id/a',
    'ssh://-x@github.com/a',
    '-x@github.com:a',
    'git@-oProxyCommand=id:a',
    'git@github.com:-a',
    'https://github.com/a b',
    'https://github.com/a\nb',
    "https://github.com/a';id;'",
    'https://github.com/$(id)',
    'https://github.com/a?x=`id`',
    'https://github.com/',
    'https://127.0.0.1/a',
    'https://localhost/a',
    'https://x.localhost/a',
    'https://[::1]/a',
    'https://[::ffff:127.0.0.1]/a',
    'https://169.254.169.254/latest',
    'https://0.0.0.0/a',
    'https://2130706433/a',
    'https://0x7f.0.0.1/a',
    'https://127.1/a',
    'git@127.0.0.1:a',
    'https://github.com:0/a',
    'https://github.com:99999/a',
    `https://github.com/${'a'.repeat(600)}`,
    '',
  ]) {
    assert.throws(
      () => parseRemoteUrl(url),
      (error) => isRefusal(error, 'invalid') && error.fields[0]?.field === 'url' && error.message !== 'url: ',
      url,
    )
  }
})

test('a server under test may fetch from itself', () => {
  assert.equal(parseRemoteUrl('http://127.0.0.1:3000/git/a.git', true).port, 3000)
  assert.equal(parseRemoteUrl('ssh://root@127.0.0.1:2222/srv/a.git', true).protocol, 'ssh')
  assert.throws(() => parseRemoteUrl('http://github.com/a/b', true))
  assert.throws(() => parseRemoteUrl('file:///etc', true))
})

test('addresses of the machine, the link and the cloud lead inside; private networks do not', () => {
  for (const address of [
    '127.9.9.9',
    '169.254.1.1',
    '::1',
    'fe80::1',
    '::ffff:127.0.0.1',
    '[::1]',
    'fd00:ec2::254',
  ]) {
    assert.equal(leadsInside(address), true, address)
  }
  for (const address of ['140.82.121.3', '10.1.2.3', '192.168.0.1', '2a01::1', 'github.com']) {
    assert.equal(leadsInside(address), false, address)
  }
})
