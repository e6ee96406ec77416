import assert from 'node:assert/strict'
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { confined, probeConfinement, unconfined } from './confine.ts'
import { run } from './shell.ts'

const searchPath = process.env.PATH ?? ''

async function folder(t: TestContext): Promise<string> {
  const directory = await mkdtemp(path.join(tmpdir(), 'nodepilot-confine-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  return directory
}

test('a confined command cannot write to a read-only file, and can do its work', async (t) => {
  const directory = await folder(t)
  const confinement = await probeConfinement({ directory, path: searchPath })
  if (confinement.kind === 'none') return t.diagnostic('no setpriv here: trees are copied')
  await writeFile(path.join(directory, 'kept'), 'kept')
  await chmod(path.join(directory, 'kept'), 0o444)
  const sh = (script: string) =>
    run(
      confined(confinement, { file: 'sh', args: ['-c', script], cwd: directory, env: { PATH: searchPath } }),
    )
  assert.notEqual((await sh('echo bad >>kept')).code, 0)
  assert.equal((await sh('cat kept >copy && echo more >>copy && mkdir -p a/b && rm -r a')).code, 0)
})

test('node, npm, git and a compiler work confined', async (t) => {
  const directory = await folder(t)
  const confinement = await probeConfinement({ directory, path: searchPath })
  const script = [
    'node -e 1',
    'npm --version --no-update-notifier',
    'git init -q repository',
    'git -C repository -c user.name=a -c user.email=a@b commit -q --allow-empty -m first',
    'git clone -q repository copy',
    'command -v cc || exit 0',
    'printf "int main(void){return 0;}" >a.c && cc a.c -o a && ./a',
  ].join(' && ')
  const env = { PATH: searchPath, HOME: directory }
  const exit = await run(confined(confinement, { file: 'sh', args: ['-c', script], cwd: directory, env }))
  assert.equal(exit.code, 0, exit.tail.join('\n'))
})

test('an ordinary user needs no prefix: permissions bind anyway', async (t) => {
  const confinement = await probeConfinement({ directory: await folder(t), path: searchPath, uid: 1000 })
  assert.deepEqual(confinement, { kind: 'permissions', prefix: [], keptOwner: null })
})

test('root without setpriv is told apart, and nothing is left behind', async (t) => {
  const directory = await folder(t)
  assert.deepEqual(await probeConfinement({ directory, path: directory, uid: 0 }), unconfined)
  assert.deepEqual(await readdir(directory), [])
  const missing = path.join(directory, 'missing')
  assert.deepEqual(await probeConfinement({ directory: missing, path: searchPath, uid: 0 }), unconfined)
})

test('without a prefix a command stays as it is', () => {
  const command = { file: 'node', args: ['x.js'], cwd: '/', env: {} }
  assert.equal(confined(unconfined, command), command)
  const prefixed = confined({ prefix: ['setpriv', '--'] }, command)
  assert.deepEqual([prefixed.file, ...prefixed.args], ['setpriv', '--', 'node', 'x.js'])
})
