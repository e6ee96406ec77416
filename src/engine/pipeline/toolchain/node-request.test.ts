import assert from 'node:assert/strict'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { removeDirectory, temporaryDirectory } from '../../../testing/temporary.ts'
import { writeFiles } from '../dependencies/testbed.suite.ts'
import { parsePackageJson } from '../package-json.ts'
import { findNodeRequest } from './node-request.ts'

const setting = { asked: '24', origin: 'setting nodeVersion' }
const packageJson = parsePackageJson('{"engines": {"node": ">=20"}}')

async function folderWith(t: TestContext, files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await temporaryDirectory('node-request')
  t.after(() => removeDirectory(folder))
  await writeFiles(folder, files)
  return folder
}

test('the setting wins, then .nvmrc, .node-version, engines.node', async (t) => {
  const all = await folderWith(t, { '.nvmrc': 'v22\n', '.node-version': '23' })
  assert.deepEqual(await findNodeRequest([all], packageJson, setting), setting)
  assert.deepEqual(await findNodeRequest([all], packageJson, null), { asked: 'v22', origin: '.nvmrc' })
  const one = await folderWith(t, { '.node-version': '23' })
  assert.deepEqual(await findNodeRequest([one], packageJson, null), { asked: '23', origin: '.node-version' })
  const none = await folderWith(t, {})
  const engines = { asked: '>=20', origin: 'engines.node in package.json' }
  assert.deepEqual(await findNodeRequest([none], packageJson, null), engines)
  assert.equal(await findNodeRequest([none], parsePackageJson('{"engines": {"node": " "}}'), null), null)
  assert.equal(await findNodeRequest([none], null, null), null)
})

test("an app's own folder is asked before the top of its repository", async (t) => {
  const top = await folderWith(t, { '.nvmrc': '20', 'apps/web/.nvmrc': '22', 'apps/api/x': '' })
  const asked = async (app: string) => (await findNodeRequest([path.join(top, app), top], null, null))?.asked
  assert.equal(await asked('apps/web'), '22')
  assert.equal(await asked('apps/api'), '20')
})

test('comments, empty lines and a byte order mark do not count', async (t) => {
  const folder = await folderWith(t, {
    '.nvmrc': '\uFEFF# the one of production\r\n\r\n lts/iron # iron\r\n22\r\n',
  })
  assert.equal((await findNodeRequest([folder], null, null))?.asked, 'lts/iron')
  const empty = await folderWith(t, { '.nvmrc': '# nothing\n', '.node-version': '22' })
  assert.equal((await findNodeRequest([empty], null, null))?.origin, '.node-version')
})
