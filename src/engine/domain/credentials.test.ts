import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readCredentials } from './credentials.ts'

const encode = (text: string | Buffer) => Buffer.from(text).toString('base64')

test('a name and a password are read, colons and other alphabets included', () => {
  assert.deepEqual(readCredentials(`Basic ${encode('ana:pw')}`), { username: 'ana', password: 'pw' })
  assert.deepEqual(readCredentials(`bAsIc  ${encode('ana:a:b:')} `), { username: 'ana', password: 'a:b:' })
  assert.deepEqual(readCredentials(`Basic ${encode('änä:pässwörd ☂')}`), {
    username: 'änä',
    password: 'pässwörd ☂',
  })
  assert.deepEqual(readCredentials(`Basic ${encode('ana:')}`), { username: 'ana', password: '' })
})

test('whatever is broken means nobody is signed in', () => {
  const broken = [
    undefined,
    '',
    'Basic',
    'Basic ',
    'Basic ===',
    'Basic !!!!',
    `Bearer ${encode('ana:pw')}`,
    `Basic ${encode('no colon')}`,
    `Basic ${encode(':pw')}`,
    `Basic ${encode('ana\n:pw')}`,
    `Basic ${encode('ana:p\0w')}`,
    `Basic ${encode(Buffer.from([0xff, 0x3a, 0x61]))}`,
    `Basic ${encode('ana:pw')} more`,
  ]
  for (const header of broken) assert.equal(readCredentials(header), null, header)
})
