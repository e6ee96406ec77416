import assert from 'node:assert/strict'
import { stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { readOrMakeKey } from './keys.ts'
import { removeDirectory, temporaryDirectory } from './testing/temporary.ts'

async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const home = await temporaryDirectory('keys')
  try {
    await work(path.join(home, 'keys'))
  } finally {
    await removeDirectory(home)
  }
}

test('a key is made once, of 256 bits, and only its owner can read it', async () => {
  await withFolder(async (folder) => {
    const key = await readOrMakeKey(folder, 'session.key')
    assert.match(key, /^[0-9a-f]{64}$/)
    assert.equal(await readOrMakeKey(folder, 'session.key'), key)
    assert.notEqual(await readOrMakeKey(folder, 'other.key'), key)
    assert.equal((await stat(path.join(folder, 'session.key'))).mode & 0o777, 0o600)
    assert.equal((await stat(folder)).mode & 0o777, 0o700)
  })
})

test('a damaged key is named and never used', async () => {
  await withFolder(async (folder) => {
    await readOrMakeKey(folder, 'session.key')
    for (const text of ['', 'x'.repeat(64), 'ab']) {
      await writeFile(path.join(folder, 'session.key'), text)
      await assert.rejects(readOrMakeKey(folder, 'session.key'), /session\.key does not hold a key/)
    }
  })
})
