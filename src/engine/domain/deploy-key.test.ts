import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { command } from '../../testing/command.ts'
import { removeDirectory, temporaryDirectory } from '../../testing/temporary.ts'
import { makeDeployKey } from './deploy-key.ts'

test('OpenSSH reads the private key and finds the same public key in it', async () => {
  const directory = await temporaryDirectory('key')
  try {
    const seen = new Set<string>()
    for (const comment of ['nodepilot-shop', 'nodepilot-a', 'nodepilot-ab', 'nodepilot-abcdefg']) {
      const { publicKey, privateKey } = makeDeployKey(comment)
      const file = path.join(directory, comment)
      await writeFile(file, privateKey, { mode: 0o600 })
      const { code, out, all } = await command('ssh-keygen', ['-y', '-f', file])
      assert.equal(code, 0, all)
      assert.equal(out.trim(), publicKey)
      seen.add(publicKey.split(' ')[1] ?? '')
    }
    assert.equal(seen.size, 4, 'each key is another one')
  } finally {
    await removeDirectory(directory)
  }
})
