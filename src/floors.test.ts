import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { root } from './testing/root.ts'

/**
 * The floors of ARCHITECTURE.md: a file imports from its own floor's neighbours or from below, never from
 * above, and no two files need each other to run. Imports of types alone are bound by the floors too, but
 * not counted as circles, for nothing is left of them when the program runs: `engine/context.ts` names the
 * types of what it hands down, and what it hands down names the context. Tests and what only they use are
 * exempt.
 */

const source = path.join(root, 'src')

/** The first pattern that fits a file is its floor. Files of one line share a floor. */
const floors: readonly (readonly [number, RegExp])[] = [
  [0, /^engine\/(ports|paths|rotating-log|domain\/\w[\w-]*)\.ts$/],
  [0, /^(config|environment|installation)\.ts$/],
  [
    1,
    /^engine\/(shell|stdin|processes|isolation|job-watch|disk-space|process-memory|confine|archive|failpoints|in-order|passwords|passwords-worker|network)\.ts$/,
  ],
  [1, /^engine\/(archive|changes)\//],
  [2, /^engine\/(store|drivers|router)\//],
  [3, /^engine\/(secrets|app-log|last-exits|memory-guard|background|context|routes)\.ts$/],
  [3, /^engine\/(app-log|metrics|pipeline)\//],
  [3, /^engine\/(backup|cron|housekeeping|webhook)\//],
  [4, /^engine\/use-cases\//],
  [4, /^engine\/(engine|reconcile)\.ts$/],
  [5, /^(git|web)\//],
  [6, /^[\w-]+\.ts$/],
  [6, /^cli\//],
]

interface Import {
  readonly from: string
  readonly to: string
  readonly typeOnly: boolean
}

const files = readdirSync(source, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !/\.(test|suite)\.ts$/.test(file))
  .filter((file) => !/^(testing|e2e)\//.test(file))
const imports = files.flatMap(importsOf)

function importsOf(file: string): Import[] {
  const text = readFileSync(path.join(source, file), 'utf8')
  const statements = text.matchAll(/^(?:import|export)\s+(type\s)?[^'"]*?\s*from\s+'(\.[^']+)'/gm)
  const dynamic = text.matchAll(/\bimport\('(\.[^']+)'\)/g)
  const resolve = (to: string) => path.join(path.dirname(file), to)
  return [
    ...[...statements].map(([statement, type, to = '']) => {
      const names = /\{([^}]*)\}/.exec(statement)?.[1]?.split(',') ?? ['']
      const allTypes = names.every((name) => /^\s*(type\s|$)/.test(name)) && /\{[^}]*\w/.test(statement)
      return { from: file, to: resolve(to), typeOnly: type !== undefined || allTypes }
    }),
    ...[...dynamic].map(([, to = '']) => ({ from: file, to: resolve(to), typeOnly: false })),
  ]
}

function floorOf(file: string): number {
  const found = floors.find(([, pattern]) => pattern.test(file))
  return found?.[0] ?? assert.fail(`${file} is on no floor: give it one in floors.test.ts`)
}

/** Without comments and text. */
function codeOf(file: string): string {
  const text = readFileSync(path.join(source, file), 'utf8')
  return text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '').replace(/'[^'\n]*'|`[^`]*`/g, '')
}

const area = (file: string) => file.split('/')[0] ?? ''

test('every file has a floor, and every import leads to a file', () => {
  assert.ok(files.length > 80, `${files.length} files`)
  assert.ok(imports.length > 250, `${imports.length} imports`)
  for (const file of files) floorOf(file)
  for (const { from, to } of imports) assert.ok(existsSync(path.join(source, to)), `${from} imports ${to}`)
})

test('nothing imports from a floor above', () => {
  const upward = imports
    .filter(({ from, to }) => floorOf(to) > floorOf(from))
    .map(({ from, to }) => `${from} (${floorOf(from)}) → ${to} (${floorOf(to)})`)
  assert.deepEqual(upward, [])
})

test('git and web do not know each other, and the engine knows neither', () => {
  const forbidden = imports.filter(
    ({ from, to }) =>
      (area(from) === 'git' && area(to) === 'web') ||
      (area(from) === 'web' && area(to) === 'git') ||
      (area(from) === 'engine' && !['engine', 'config.ts'].includes(area(to))),
  )
  assert.deepEqual(forbidden, [])
})

test('the engine takes only the types of the configuration', () => {
  const values = imports.filter(
    ({ from, to, typeOnly }) => area(from) === 'engine' && to === 'config.ts' && !typeOnly,
  )
  assert.deepEqual(values, [])
})

test('the router process imports nothing of the engine but what is on the lowest floor', () => {
  const outward = imports.filter(
    ({ from, to }) =>
      from.startsWith('engine/router/') && !to.startsWith('engine/router/') && floorOf(to) > 0,
  )
  assert.deepEqual(outward, [])
})

test('no two files need each other to run', () => {
  const needs = new Map<string, string[]>()
  for (const { from, to, typeOnly } of imports) {
    if (!typeOnly) needs.set(from, [...(needs.get(from) ?? []), to])
  }
  const done = new Set<string>()
  const visit = (file: string, way: readonly string[]): void => {
    assert.ok(!way.includes(file), `a circle: ${[...way.slice(way.indexOf(file)), file].join(' → ')}`)
    if (done.has(file)) return
    for (const next of needs.get(file) ?? []) visit(next, [...way, file])
    done.add(file)
  }
  for (const file of files) visit(file, [])
})

test('nothing outside config.ts and the commands reads the environment of the process', () => {
  // the second is a program of its own: it begins with emptying it
  const exempt = ['config.ts', 'engine/drivers/pm2/cluster-app.ts']
  const readers = files.filter(
    (file) => !exempt.includes(file) && area(file) !== 'cli' && /\bprocess\.env\b/.test(codeOf(file)),
  )
  assert.deepEqual(readers, [])
})

test('commands are started in the few files that may, and never through a shell made of strings', () => {
  const text = (file: string) => readFileSync(path.join(source, file), 'utf8')
  const starters = files.filter((file) => /from 'node:child_process'/.test(text(file)))
  for (const file of files) {
    assert.doesNotMatch(text(file), /\bshell: true\b|\b(exec|execSync)\(\s*[`'"]/, file)
  }
  assert.ok(starters.includes('engine/shell.ts'))
  const allowed =
    /^(engine\/(shell|stdin|drivers\/keeper|drivers\/pm2\/[\w-]+|pipeline\/dependencies\/[\w-]+)|git\/[\w-]+|cli\/client\/command)\.ts$/
  assert.deepEqual(
    starters.filter((file) => !allowed.test(file)),
    [],
  )
})
