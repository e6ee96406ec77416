import assert from 'node:assert/strict'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { removeDirectory, temporaryDirectory } from '../../testing/temporary.ts'
import { isRefusal } from '../domain/refusal.ts'
import { projectSettings } from '../domain/settings.ts'
import { type App, readApp } from './read-app.ts'

type Tree = Readonly<Record<string, string>>

async function appOf(files: Tree, rootDir: string | null = null, more?: (slug: string) => Promise<void>) {
  const slug = await temporaryDirectory('app')
  try {
    for (const [name, text] of Object.entries(files)) {
      await mkdir(path.dirname(path.join(slug, name)), { recursive: true })
      await writeFile(path.join(slug, name), text)
    }
    await more?.(slug)
    const settings = { ...projectSettings.parse({}), rootDir }
    const project = { startCommand: '', healthPath: null, bootTimeoutMs: 60_000, settings }
    const app = await readApp(slug, project)
    return { ...app, installIn: path.relative(slug, app.installIn) }
  } finally {
    await removeDirectory(slug)
  }
}

const json = JSON.stringify
const workspaces = {
  'package.json': json({ name: 'top', workspaces: ['apps/*'] }),
  'apps/web/package.json': json({ name: 'web', scripts: { start: 'node web.js' } }),
  'apps/api/package.json': json({ name: 'api' }),
}
const place = ({ rootDir, installIn, below, installed, packageJson }: App) => ({
  rootDir,
  installIn,
  below,
  names: [installed?.name, packageJson?.name],
})

test('without a root folder the app is the whole tree', async () => {
  const names = ['top', 'top']
  assert.deepEqual(place(await appOf(workspaces)), { rootDir: '', installIn: '', below: '', names })
})

test('a workspace is installed from the top', async () => {
  const app = place(await appOf(workspaces, 'apps/web'))
  assert.deepEqual(app, { rootDir: 'apps/web', installIn: '', below: 'apps/web', names: ['top', 'web'] })
})

test('a folder that is no workspace stands for itself', async () => {
  const files = { ...workspaces, 'tools/package.json': json({ name: 'tools' }) }
  const names = ['tools', 'tools']
  assert.deepEqual(place(await appOf(files, 'tools')), {
    rootDir: 'tools',
    installIn: 'tools',
    below: '',
    names,
  })
})

test('the file at the top names the folder, and the folder says the rest for itself', async () => {
  const files = {
    ...workspaces,
    'nodepilot.json': json({ rootDir: 'apps/web', build: 'top build', healthPath: '/top' }),
    'apps/web/nodepilot.json': json({ build: 'web build' }),
    'apps/web/Procfile': 'worker: node w.js\n',
    Procfile: 'web: node wrong.js\n',
  }
  const { config, rootDir } = await appOf(files)
  assert.equal(rootDir, 'apps/web')
  assert.deepEqual([config.build, config.file.healthPath], ['web build', '/top'])
  assert.deepEqual([config.web, config.workers], [null, { worker: 'node w.js' }])
})

test('what the file at the top says of one app does not hold for another one', async () => {
  const files = { ...workspaces, 'nodepilot.json': json({ rootDir: 'apps/web', start: 'node web.js' }) }
  assert.equal((await appOf(files, 'apps/api')).config.web, null)
  assert.equal((await appOf(files, 'apps/web')).config.web?.kind, 'command')
})

test('a root folder that is not there, is a file or leads out is refused by name', async () => {
  const refused = (says: RegExp) => (error: unknown) =>
    isRefusal(error, 'rejected_tree') && says.test(error.message)
  await assert.rejects(appOf(workspaces, 'apps/nope'), refused(/^rootDir: there is no folder apps\/nope$/))
  await assert.rejects(appOf({ 'a/b': '' }, 'a/b'), refused(/^rootDir: there is no folder a\/b$/))
  await assert.rejects(
    appOf(workspaces, 'out', (slug) => symlink('/tmp', path.join(slug, 'out'))),
    refused(/^rootDir: out leads out/),
  )
  const nested = { ...workspaces, 'apps/web/nodepilot.json': json({ rootDir: 'x' }) }
  await assert.rejects(
    appOf(nested, 'apps/web'),
    refused(/^apps\/web\/nodepilot\.json: rootDir: only the file/),
  )
  await assert.rejects(appOf({ 'nodepilot.json/x': '' }), refused(/^nodepilot\.json: it is a folder$/))
})
