import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { build } from './build.ts'
import { createTestbed, lockfile, packArchive } from './dependencies/testbed.suite.ts'
import { readPackageJson } from './package-json.ts'

/** What of a deployment takes a place among the builds of the machine; the place itself is a counter here. */

const offline = { npm_config_registry: 'http://127.0.0.1:9/', npm_config_fetch_retries: '0' }

async function rig(t: TestContext) {
  const bed = await createTestbed(t, { npmConfig: offline })
  const tool = await packArchive(bed.home, { 'package.json': { name: 'tool', version: '1.0.0' } })
  let places = 0
  const enter = async () => void places++
  /** How often it asked for a place. */
  const asking = async (work: () => Promise<unknown>) => {
    places = 0
    await work()
    return places
  }
  const app = async (scripts: Record<string, string> = {}) => {
    const packageJson = { name: 'app', version: '1.0.0', dependencies: { tool: 'file:tool.tgz' }, scripts }
    return bed.app({
      'package.json': packageJson,
      'package-lock.json': lockfile(packageJson, {
        'node_modules/tool': { version: '1.0.0', resolved: 'file:tool.tgz' },
      }),
      'tool.tgz': tool,
    })
  }
  const install = (slug: string, options = {}) => asking(() => bed.install(slug, { enter, ...options }))
  const building = async (slug: string) => {
    const packageJson = await readPackageJson(slug)
    const job = { slug, packageJson, configVars: {}, say: () => {}, signal: new AbortController().signal }
    return asking(() => build({ ...job, enter, dependencies: bed.dependencies }))
  }
  return { bed, app, install, building }
}

test('an install that has to fetch takes a place, one of kept modules none', async (t) => {
  const { bed, app, install } = await rig(t)
  assert.ok((await install(await app())) >= 1)
  assert.equal(await install(await app()), 0)
  assert.equal((await bed.npmRuns()).length, 1)
  assert.ok((await install(await app(), { noCache: true })) >= 1)
})

test('no dependencies and no scripts take no place; scripts of the app and builds do', async (t) => {
  const { bed, app, install, building } = await rig(t)
  assert.equal(await install(await bed.app({ 'package.json': { name: 'bare', version: '1.0.0' } })), 0)
  assert.equal(await install(await bed.app({ 'index.html': '' })), 0)
  await install(await app())
  assert.equal(await install(await app({ postinstall: 'true' })), 1)
  const plain = await app()
  await install(plain)
  assert.equal(await building(plain), 0)
  const built = await app({ build: 'true' })
  assert.equal(await install(built), 0)
  assert.equal(await building(built), 1)
})

test('who waits for a place holds up nobody who wants the same modules', async (t) => {
  const { bed, app } = await rig(t)
  const leaving = new AbortController()
  let asked = () => {}
  const waits = new Promise<void>((resolve) => (asked = resolve))
  const enter = () => {
    asked()
    return new Promise<void>((_resolve, reject) => {
      leaving.signal.addEventListener('abort', () => reject(leaving.signal.reason), { once: true })
    })
  }
  const waiting = bed.install(await app(), { enter })
  await waits
  assert.match((await bed.install(await app())).note, /npm ci/)
  leaving.abort()
  await assert.rejects(waiting, { name: 'AbortError' })
})
