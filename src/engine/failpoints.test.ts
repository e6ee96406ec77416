import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { removeDirectory, temporaryDirectory } from '../testing/temporary.ts'
import { createFailpoints, noFailpoints } from './failpoints.ts'

test('without a spec nothing ever goes off', async () => {
  assert.equal(createFailpoints(null), noFailpoints)
  await createFailpoints(null)('deploy.built')
})

test('a point goes off once, at the pass that was asked for, and no other does', async () => {
  const failpoint = createFailpoints('deploy.built:throw@2, boot.started:throw')
  await failpoint('deploy.built')
  await failpoint('deploy.unpacked')
  await assert.rejects(failpoint('deploy.built'), /failpoint deploy\.built/)
  await failpoint('deploy.built')
  await assert.rejects(failpoint('boot.started'), /failpoint boot\.started/)
  await failpoint('boot.started')
})

test('a point that does not exist is refused when the server starts', () => {
  for (const spec of ['deploy.backed', 'deploy.built:explode', 'deploy.built@x', 'constructor']) {
    assert.throws(() => createFailpoints(spec), /there is no failpoint/, spec)
  }
})

test('a file arms the same server again and again', async () => {
  const folder = await temporaryDirectory('points')
  try {
    const file = path.join(folder, 'armed')
    const failpoint = createFailpoints(file)
    await failpoint('deploy.built')
    for (let round = 0; round < 2; round++) {
      await writeFile(file, 'deploy.built:throw@2')
      await failpoint('deploy.built')
      await assert.rejects(failpoint('deploy.built'), /failpoint deploy\.built/)
      assert.ok(!existsSync(file))
      await failpoint('deploy.built')
    }
  } finally {
    await removeDirectory(folder)
  }
})

test('kill is SIGKILL, after a word about it', () => {
  const own = JSON.stringify(fileURLToPath(new URL('./failpoints.js', import.meta.url)))
  const program = `import(${own}).then(async (m) => { await m.createFailpoints('deploy.built')('deploy.built'); console.log('alive') })`
  const { signal, stderr, stdout } = spawnSync(process.execPath, ['-e', program], { encoding: 'utf8' })
  assert.equal(signal, 'SIGKILL')
  assert.equal(stderr, 'failpoint deploy.built: kill\n')
  assert.equal(stdout, '')
})
