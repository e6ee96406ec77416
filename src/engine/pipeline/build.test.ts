import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { isRefusal } from '../domain/refusal.ts'
import { build } from './build.ts'
import { createTestbed } from './dependencies/testbed.suite.ts'
import { parsePackageJson } from './package-json.ts'

/** Builds an app that consists of these scripts. */
async function attempt(
  t: TestContext,
  scripts: Record<string, string>,
  {
    signal = new AbortController().signal,
    configVars = {},
  }: { signal?: AbortSignal; configVars?: Record<string, string> } = {},
) {
  const bed = await createTestbed(t)
  const text = JSON.stringify({ name: 'shop', version: '1.2.3', config: { port: 80 }, scripts })
  const slug = await bed.app({ 'package.json': text, 'packages/a/x': '' })
  const { dependencies, said } = bed
  const say = (line: string) => void said.push(line)
  const result = await build({
    slug,
    packageJson: parsePackageJson(text),
    say,
    signal,
    configVars,
    dependencies,
  }).catch((error: unknown) => error)
  return { result, said, slug, bed }
}

test('prebuild, build and postbuild run in order, and every line arrives', async (t) => {
  const { result, said } = await attempt(t, { postbuild: 'echo 3', build: 'echo 2', prebuild: 'echo 1 >&2' })
  assert.deepEqual(result, { note: 'npm run build' })
  assert.deepEqual(said, ['> echo 1 >&2', '1', '> echo 2', '2', '> echo 3', '3'])
})

test('an app without a build script is not built, and npm is never started', async (t) => {
  const { result, bed } = await attempt(t, { prebuild: 'echo no' })
  assert.deepEqual(result, { note: 'no build script' })
  assert.deepEqual(await bed.npmRuns(), [])
})

test('a build that fails is refused with its exit code and the next step', async (t) => {
  const { result } = await attempt(t, { build: 'echo TS2322; exit 2', postbuild: 'echo never' })
  assert.ok(isRefusal(result, 'build_failed'))
  assert.equal(result.message, '"npm run build" exited with code 2')
  assert.equal(result.hint, 'run it locally, fix the line above, commit, push again')
})

test('a build that was killed is out of memory, also when a shell reports it', async (t) => {
  const direct = await attempt(t, { build: 'kill -9 $$' })
  const reported = await attempt(t, { build: 'sh -c "kill -9 \\$\\$"; exit $?' })
  assert.ok(isRefusal(direct.result, 'out_of_memory'))
  assert.ok(isRefusal(reported.result, 'out_of_memory'))
})

test('a cancelled build is refused as cancelled', async (t) => {
  const controller = new AbortController()
  controller.abort()
  const { result } = await attempt(t, { build: 'sleep 100' }, { signal: controller.signal })
  assert.ok(result instanceof Error && (result.name === 'AbortError' || isRefusal(result, 'cancelled')))
})

test("a build sees production, the project's config vars and npm's variables, and nothing of the server", async (t) => {
  process.env.NODEPILOT_TEST_SECRET = 'canary'
  t.after(() => delete process.env.NODEPILOT_TEST_SECRET)
  const { said, slug, bed } = await attempt(t, { build: 'env' }, { configVars: { API_URL: 'https://api' } })
  const expected = [
    'NODE_ENV=production',
    'API_URL=https://api',
    'HUSKY=0',
    `HOME=${bed.dependencies.tools.buildHome}`,
    'npm_package_name=shop',
    'npm_package_version=1.2.3',
    'npm_package_config_port=80',
    `npm_package_json=${slug}/package.json`,
    'npm_lifecycle_event=build',
    'npm_lifecycle_script=env',
    'npm_command=run',
    `INIT_CWD=${slug}`,
  ]
  for (const line of expected) assert.ok(said.includes(line), `${line} is missing`)
  assert.match(
    said.find((line) => line.startsWith('PATH=')) ?? '',
    new RegExp(`^PATH=${slug}/node_modules/\\.bin:`),
  )
  assert.match(said.find((line) => line.startsWith('npm_config_user_agent=')) ?? '', /=npm\/\S+ node\/v/)
  assert.ok(!said.join('\n').includes('canary'))
})

test('config vars win over what NodePilot sets', async (t) => {
  const { said } = await attempt(t, { build: 'echo $NODE_ENV' }, { configVars: { NODE_ENV: 'staging' } })
  assert.equal(said.at(-1), 'staging')
})
