import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { removeDirectory, temporaryDirectory } from '../../testing/temporary.ts'
import { isRefusal } from '../domain/refusal.ts'
import { projectSettings } from '../domain/settings.ts'
import { run } from '../shell.ts'
import { readApp } from './read-app.ts'
import { findWeb } from './start-command.ts'

/** The start command of a folder with these files. */
async function webOf(files: Readonly<Record<string, string>>, setting = '') {
  const slug = await temporaryDirectory('start')
  try {
    for (const [name, text] of Object.entries(files)) {
      await mkdir(path.dirname(path.join(slug, name)), { recursive: true })
      await writeFile(path.join(slug, name), text)
    }
    const said = { startCommand: setting, healthPath: null, bootTimeoutMs: 60_000 }
    const settings = projectSettings.parse({})
    return await findWeb(slug, await readApp(slug, { ...said, settings }))
  } finally {
    await removeDirectory(slug)
  }
}

async function commandOf(files: Readonly<Record<string, string>>, setting = '') {
  const { command, origin } = await webOf(files, setting)
  return { command, origin }
}

const manifest = (fields: object) => ({ 'package.json': JSON.stringify(fields) })
const everything = {
  ...manifest({ scripts: { start: 'node start.js' }, main: 'main.js' }),
  Procfile: 'worker: node work.js\nweb: node proc.js\n',
  'main.js': '',
  'index.js': '',
  'server.js': '',
  'index.html': '',
}

test('the order is: setting, Procfile, scripts.start, main, index.js, server.js, static files', async () => {
  const { Procfile: _procfile, ...noProcfile } = everything
  const noScript = { ...noProcfile, ...manifest({ main: 'main.js' }) }
  const { 'main.js': _main, ...noMain } = noScript
  const { 'index.js': _index, ...noIndex } = noMain
  assert.equal((await commandOf(everything, 'bun x')).command, 'bun x')
  assert.equal((await commandOf(everything)).command, 'node proc.js')
  assert.deepEqual(await commandOf(noProcfile), { command: 'node start.js', origin: 'npm start' })
  assert.equal((await commandOf(noScript)).command, 'node main.js')
  assert.equal((await commandOf(noMain)).command, 'node index.js')
  assert.equal((await commandOf(noIndex)).command, 'node server.js')
  assert.equal((await commandOf({ 'index.html': '' })).origin, 'static files')
})

test('a Procfile without web is passed over', async () => {
  const files = { ...manifest({ scripts: { start: 'node a.js' } }), Procfile: 'worker: node w.js' }
  assert.equal((await commandOf(files)).command, 'node a.js')
})

test('nothing to go by is no_package; a package that does not say how is no_start_command', async () => {
  await assert.rejects(commandOf({ 'README.md': '' }), (error) => isRefusal(error, 'no_package'))
  await assert.rejects(commandOf({ 'server.js': '' }), (error) => isRefusal(error, 'no_package'))
  await assert.rejects(commandOf(manifest({})), (error) => isRefusal(error, 'no_start_command'))
  await assert.rejects(commandOf({ Procfile: 'worker: x' }), (error) => isRefusal(error, 'no_start_command'))
})

test('a main with shell characters in its name is one word', async () => {
  const found = await commandOf({ ...manifest({ main: "it's; id.js" }), "it's; id.js": '' })
  assert.equal(found.command, "node 'it'\\''s; id.js'")
})

/** What `/bin/sh` does with an npm start of these scripts. */
async function runStart(scripts: object) {
  const { command } = await commandOf(manifest({ scripts }))
  return run({ file: '/bin/sh', args: ['-c', command], cwd: '/', env: { PATH: process.env.PATH ?? '' } })
}

test('prestart runs first, and its failure keeps start from running', async () => {
  assert.deepEqual((await runStart({ prestart: 'echo pre', start: 'echo start' })).tail, ['pre', 'start'])
  const failed = await runStart({ prestart: 'echo pre; exit 3', start: 'echo start || echo other' })
  assert.deepEqual([failed.code, failed.tail], [3, ['pre']])
})

test('after prestart a start with assignments, lists, builtins or comments still works as under npm', async () => {
  for (const [start, expected] of [
    ['A=b sh -c "echo $A"', ['pre', '']],
    ["A=b sh -c 'echo $A'", ['pre', 'b']],
    ['cd /tmp && pwd', ['pre', '/tmp']],
    ['false || echo saved', ['pre', 'saved']],
    ['echo a; echo b', ['pre', 'a', 'b']],
    ['echo a # comment', ['pre', 'a']],
  ] as const) {
    assert.deepEqual((await runStart({ prestart: 'echo pre', start })).tail, expected, start)
  }
})

test('a plain start after prestart takes the place of the shell', async () => {
  const { command } = await commandOf(manifest({ scripts: { prestart: 'true', start: 'node server.js' } }))
  assert.equal(command, '(true) && exec node server.js')
})
