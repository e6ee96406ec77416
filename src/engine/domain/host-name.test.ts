import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hostName, isWithin, shownName, wildcardOf } from './host-name.ts'
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
    ['*.Shop.Example.', '*.shop.example'],
    ['*.münchen.example', '*.xn--mnchen-3ya.example'],
  ] as const) {
    assert.equal(hostName(typed), kept)
  }
})

test('what is no host name is refused with what to give instead', () => {
  for (const typed of [
    ...[
      '',
      '.',
      'shop',
      'shop.',
      '..',
      'a..b',
      '-a.example',
      'a-.example',
      '*',
      '*.',
      '*.*.example.com',
      'a.*.example',
    ],
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

test('what nobody owns as a whole is refused, with and without a wildcard', () => {
  for (const typed of [
    'co.uk',
    'github.io',
    'Co.Uk.',
    '*.co.uk',
    '*.com',
    '*.example',
    'xn--55qx5d.cn',
    '公司.cn',
  ]) {
    assert.throws(
      () => hostName(typed),
      (error) => isRefusal(error, 'invalid') && /belongs to nobody alone|not complete/.test(error.message),
      typed,
    )
  }
  assert.equal(hostName('shop.co.uk'), 'shop.co.uk')
  assert.equal(hostName('*.shop.github.io'), '*.shop.github.io')
})

test('people read letters, unless scripts are mixed that look alike', () => {
  for (const [typed, shown] of [
    ['shop.example', 'shop.example'],
    ['xn--mnchen-3ya.example', 'münchen.example'],
    ['пример.example', 'пример.example'],
    ['日本語テスト.example', '日本語テスト.example'],
    ['日本shop.example', '日本shop.example'],
    // with a Cyrillic а
    ['p\u0430ypal.example', 'xn--pypal-4ve.example'],
    ['*.xn--mnchen-3ya.example', '*.münchen.example'],
  ] as const) {
    assert.equal(shownName(hostName(typed)), shown)
  }
})

test('a host belongs to the wildcard of its own level alone', () => {
  assert.equal(wildcardOf('a.shop.example'), '*.shop.example')
  assert.equal(wildcardOf('a.b.shop.example'), '*.b.shop.example')
  assert.equal(wildcardOf('*.shop.example'), '*.shop.example')
})
