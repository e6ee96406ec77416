import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AppFile } from '../domain/app-file.ts'
import { type ProjectSettings, projectSettings } from '../domain/settings.ts'
import { type AppWords, resolveApp, whoSaid } from './app-config.ts'
import { packageJsonSchema } from './package-json.ts'
import { parseProcfile } from './procfile.ts'

type Columns = Partial<Omit<AppWords['project'], 'settings'>>

interface Words {
  readonly columns?: Columns
  readonly settings?: Partial<ProjectSettings>
  readonly file?: AppFile
  readonly procfile?: string
  readonly packageJson?: object
}

function resolved({ columns, settings, file = {}, procfile, packageJson }: Words) {
  const plain = { startCommand: '', healthPath: null, bootTimeoutMs: 60_000 }
  return resolveApp({
    project: { ...plain, ...columns, settings: { ...projectSettings.parse({}), ...settings } },
    file,
    procfile: procfile === undefined ? null : parseProcfile(procfile),
    packageJson: packageJson === undefined ? null : packageJsonSchema.parse(packageJson),
  })
}

const spoken = (words: Words) => resolved(words).said.map(whoSaid)

test('a plain app says nothing, whatever package.json and Procfile hold', () => {
  const packageJson = { scripts: { build: 'tsc', start: 'node .' } }
  assert.deepEqual(spoken({}), [])
  assert.deepEqual(spoken({ packageJson, procfile: 'web: node x.js\nrelease: migrate\n' }), [])
})

test('for every value the setting wins over the file, and the file over Procfile and package.json', () => {
  const packageJson = { scripts: { build: 'b3', start: 's4' } }
  const procfile = 'web: s3\nrelease: r3\nworker: w\n'
  const file = { build: 'b2', release: 'r2', start: 's2', node: '20', spa: true, healthPath: '/2' }
  const settings = { buildCommand: 'b1', releaseCommand: 'r1', nodeVersion: '22', spa: false }
  const columns = { startCommand: 's1', healthPath: '/1' }

  const low = resolved({ packageJson, procfile })
  assert.deepEqual([low.build, low.release?.command, low.web], [null, 'r3', web('s3', 'Procfile')])
  assert.deepEqual(low.workers, { worker: 'w' })
  assert.equal(resolved({ packageJson }).web, null)

  const middle = resolved({ packageJson, procfile, file })
  assert.deepEqual([middle.build, middle.release?.command], ['b2', 'r2'])
  assert.deepEqual([middle.web, middle.spa], [web('s2', 'nodepilot.json'), true])
  assert.deepEqual(middle.node, { asked: '20', origin: 'nodepilot.json' })

  const high = resolved({ packageJson, procfile, file, settings, columns })
  assert.deepEqual([high.build, high.release?.command], ['b1', 'r1'])
  assert.deepEqual([high.web, high.spa], [web('s1', 'setting'), false])
  assert.deepEqual(high.node, { asked: '22', origin: "the project's settings" })
})

const web = (command: string, from: string) => ({ kind: 'command', command, from })

test('the output says for each value who set it, and over whom', () => {
  const said = spoken({
    columns: { healthPath: '/1', bootTimeoutMs: 5_000 },
    settings: { rootDir: 'apps/web', graceMs: 0 },
    file: { build: 'make', healthPath: '/2', cron: [], graceMs: 3_000, static: '' },
    procfile: 'web: x\n',
    packageJson: { scripts: { build: 'tsc' } },
  })
  assert.deepEqual(said, [
    'rootDir apps/web (setting)',
    'build make (nodepilot.json, over package.json)',
    'web files of . (nodepilot.json, over Procfile)',
    'healthPath /1 (setting, over nodepilot.json)',
    'bootTimeoutMs 5000 (setting)',
    'graceMs 0 (setting, over nodepilot.json)',
    'cron 0 jobs (nodepilot.json)',
  ])
})

test('a line fits into 72 columns with its mark, however long the value is', () => {
  const packageJson = { scripts: { start: 'x' } }
  const words = {
    columns: { startCommand: 'x'.repeat(900) },
    file: { start: 'y' },
    procfile: 'web: z',
    packageJson,
  }
  for (const line of spoken(words)) assert.ok(`  | ${line}`.length <= 72, line)
})

test('a boot timeout that equals the default counts as not set', () => {
  assert.deepEqual(spoken({ file: { bootTimeoutMs: 9_000 } }), ['bootTimeoutMs 9000 (nodepilot.json)'])
})
