import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPasswords } from './passwords.ts'

test('a password is kept as bcrypt at cost 12, verified, and two hashes of it differ', async () => {
  const passwords = createPasswords()
  try {
    const hash = await passwords.hash('correct horse')
    assert.match(hash, /^\$2[aby]\$12\$/)
    assert.equal(await passwords.verify('correct horse', hash), true)
    assert.equal(await passwords.verify('correct horsf', hash), false)
    assert.notEqual(await passwords.hash('correct horse'), hash)
  } finally {
    await passwords.close()
  }
})

test("the server's thread goes on while a password is hashed", async () => {
  const passwords = createPasswords()
  try {
    let turns = 0
    let done = false
    const hashing = passwords.hash('correct horse').finally(() => {
      done = true
    })
    while (!done) {
      turns++
      await new Promise((resolve) => setImmediate(resolve))
    }
    await hashing
    assert.ok(turns > 20, `${turns} turns`)
  } finally {
    await passwords.close()
  }
})

test('what bcrypt cannot read is an error, and the next question is answered', async () => {
  const passwords = createPasswords()
  try {
    await assert.rejects(passwords.verify('x', 3 as unknown as string))
    assert.equal(await passwords.verify('x', 'no hash'), false)
  } finally {
    await passwords.close()
  }
})

test('closing answers what is still asked, and it can be used again afterwards', async () => {
  const passwords = createPasswords()
  const asked = passwords.hash('correct horse')
  const refused = assert.rejects(asked, /shutting down/)
  await passwords.close()
  await refused
  assert.match(await passwords.hash('x'), /^\$2/)
  await passwords.close()
})
