import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hostName, isWithin } from './host-name.ts'
import { isRefusal } from './refusal.ts'

test('a host name has one form, however it was typed', () => {
  for (const [typed, kept] of [
    ['Shop.Example.COM', 'shop.example.com'],
    [' shop.example.com. ', 'shop.example.com'],
    ['münchen.example', 'xn--mnchen-3ya.example'],
    ['MÜNCHEN.example', 'xn--mnchen-3ya.example'],
    ['shop。example', 'shop.example'],
    ['xn--mnchen-3ya.example', 'xn--mnchen-3ya.example'],
    ['a.b.c.d.e.example', 'a.b.c.d.e.example'],
  ] as const) {
    assert.equal(hostName(typed), kept)
  }
})

test('what is no host name is refused with what to give instead', () => {
  for (const typed of [
    ...['', '.', 'shop', 'shop.', '..', 'a..b', '-a.example', 'a-.example', '*.example.com', 'a.*.example'],
    ...['127.0.0.1', '0x7f.1', '2130706433', '[::1]', '::1', '1.2.3', '١٢٧.0.0.1'],
    ...['https://shop.example', 'shop.example/x', 'shop.example:80', 'a@shop.example', 'shop.example?x'],
    ...[
      'sh op.example',
      'shop.example\r\nX: y',
      'shop\0.example',
      'ex%61mple.com',
      'a_b.example',
      'a\\b.example',
    ],
    ...[
      'javascript:alert(1)',
      '<b>.example',
      `${'a'.repeat(64)}.example`,
      `${'a.'.repeat(130)}example`,
      'x'.repeat(5_000),
    ],
  ]) {
    assert.throws(
      () => hostName(typed),
      (error) =>
        isRefusal(error, 'invalid') && error.hint !== undefined && error.fields[0]?.field === 'domain',
      JSON.stringify(typed),
    )
  }
})

test('a name is within a domain at its dots only', () => {
  assert.ok(isWithin('example.com', 'example.com'))
  assert.ok(isWithin('a.b.example.com', 'example.com'))
  assert.ok(!isWithin('anexample.com', 'example.com'))
  assert.ok(!isWithin('com', 'example.com'))
})
