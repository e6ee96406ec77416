import assert from 'node:assert/strict'
import { chmod, mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { removeDirectory, temporaryDirectory } from '../../../testing/temporary.ts'
import { isRefusal, Refusal } from '../../domain/refusal.ts'
import { currentToolchain } from '../dependencies/toolchain.ts'
import { createNodes } from './nodes.ts'
import type { Registry } from './registry.ts'
import { createShelf } from './shelf.ts'

const own = { ...currentToolchain(), nodeVersion: '20.20.2', libc: 'glibc' }
const versions = ['20.20.2', '22.11.0', '24.16.0']
const unreachable = new Refusal('install_failed', 'the npm registry cannot be reached (ECONNREFUSED)')

/** A registry whose Node is a script that says what a Node of its version would. */
function fakeRegistry(faults: { list?: Error; fetch?: Error; output?: string } = {}) {
  const fetched: string[] = []
  const registry: Registry = {
    settings: async () => ({}),
    fetching: () => 0,
    versions: async () => {
      if (faults.list) throw faults.list
      return versions
    },
    fetch: async ({ name, version }, directory) => {
      fetched.push(`${name}@${version}`)
      if (faults.fetch) throw faults.fetch
      const bin = path.join(directory, 'node_modules', name, 'bin')
      await mkdir(bin, { recursive: true })
      const says = faults.output ?? JSON.stringify([version, '127'])
      await writeFile(path.join(bin, 'node'), `#!/bin/sh\necho '${says}'\n`)
      await chmod(path.join(bin, 'node'), 0o755)
    },
  }
  return { registry, fetched, faults }
}

async function bedFor(t: TestContext, fake = fakeRegistry(), toolchain = own) {
  const directory = await temporaryDirectory('nodes')
  t.after(() => removeDirectory(directory))
  const shelf = createShelf({ directory, now: Date.now, keptOwner: null })
  const nodes = createNodes({ own: toolchain, registry: fake.registry, shelf, now: Date.now })
  const said: string[] = []
  const options = { signal: new AbortController().signal, say: (line: string) => void said.push(line) }
  const choose = (asked: string, signal = options.signal) =>
    nodes.choose({ asked, origin: '.nvmrc' }, { ...options, signal })
  return { ...fake, directory, shelf, nodes, said, options, choose }
}

const refuses = (sentence: RegExp, hint: RegExp) => (error: unknown) => {
  assert.ok(isRefusal(error, 'unsupported_node'), String(error))
  assert.match(error.message, sentence)
  assert.match(error.hint ?? '', hint)
  return true
}

test('a version is fetched once, and then kept', async (t) => {
  const { choose, fetched, said, directory } = await bedFor(t)
  const first = await choose('22')
  assert.equal(first.nodeVersion, '22.11.0')
  assert.equal(first.nodeAbi, '127')
  assert.equal(first.node, path.join(directory, '22.11.0/bin/node'))
  assert.equal((await stat(first.node)).mode & 0o777, 0o555)
  assert.deepEqual(await choose('v22.11.0'), first)
  assert.deepEqual(fetched, [`node-${own.platform}-${own.arch}@22.11.0`])
  assert.deepEqual(said, ['Node 22.11.0 is fetched; it is kept for the next time.'])
})

test('two deployments that want one version at once fetch it once', async (t) => {
  const { choose, fetched } = await bedFor(t)
  const [one, two] = await Promise.all([choose('22'), choose('22')])
  assert.deepEqual(one, two)
  assert.equal(fetched.length, 1)
})

test('a fetch that fails leaves nothing, and the next one works', async (t) => {
  const fake = fakeRegistry({ fetch: unreachable })
  const { choose, directory } = await bedFor(t, fake)
  await assert.rejects(
    choose('22'),
    refuses(/asks for Node "22", and the npm registry cannot be/, /20\.20\.2/),
  )
  assert.deepEqual(await readdir(directory), [])
  delete fake.faults.fetch
  assert.equal((await choose('22')).nodeVersion, '22.11.0')
})

test('what a killed server left half-made is removed at the start, and taken for nothing', async (t) => {
  const { choose, shelf, directory, fetched } = await bedFor(t)
  await mkdir(path.join(directory, '.new-0123/bin'), { recursive: true })
  assert.deepEqual(await shelf.names(), [])
  await shelf.cleanLeftovers()
  assert.deepEqual(await readdir(directory), [])
  await choose('22')
  assert.equal(fetched.length, 1)
})

test('without the registry what is kept will do, also for a range', async (t) => {
  const fake = fakeRegistry()
  const { choose } = await bedFor(t, fake)
  await choose('22.11.0')
  fake.faults.list = unreachable
  fake.faults.fetch = unreachable
  for (const asked of ['22.11.0', '22', '>=21']) assert.equal((await choose(asked)).nodeVersion, '22.11.0')
  assert.equal((await choose('lts/iron')).nodeVersion, own.nodeVersion)
  await assert.rejects(
    choose('24'),
    refuses(/\.nvmrc asks for Node "24", and the npm/, /has 20\.20\.2, 22\.11\.0/),
  )
})

test('what is no version, and what there is not, is refused by name with what there is', async (t) => {
  const { choose, fetched } = await bedFor(t)
  await assert.rejects(
    choose('iojs'),
    refuses(/\.nvmrc asks for Node "iojs", which is no version/, /write 22/),
  )
  await assert.rejects(
    choose('99'),
    refuses(/"99", which the npm registry does not/, /20\.20\.2, 22\.11\.0, 24\.16\.0/),
  )
  assert.deepEqual(fetched, [])
})

test('one that does not run here is refused and not kept', async (t) => {
  const { choose, shelf } = await bedFor(t, fakeRegistry({ output: 'GLIBC_2.99 not found' }))
  await assert.rejects(choose('22'), refuses(/Node 22\.11\.0 does not run on this server: GLIBC_2\.99/, /./))
  assert.deepEqual(await shelf.names(), [])
})

test('where the registry has none for this system, only its own Node can be had', async (t) => {
  const { choose } = await bedFor(t, fakeRegistry(), { ...own, libc: 'musl' })
  assert.equal((await choose('>=18')).nodeVersion, own.nodeVersion)
  await assert.rejects(choose('22'), refuses(/none can be fetched for this system/, /20\.20\.2/))
})

test('who is cancelled while another fetches does not disturb it', async (t) => {
  const { choose, fetched } = await bedFor(t)
  const controller = new AbortController()
  const first = choose('22')
  const second = choose('22', controller.signal)
  controller.abort(new Refusal('cancelled', 'the deployment was cancelled'))
  await assert.rejects(second, (error) => isRefusal(error, 'cancelled'))
  assert.equal((await first).nodeVersion, '22.11.0')
  assert.equal(fetched.length, 1)
})

test('only what no release needs and nobody asked for in a while is pruned', async (t) => {
  const { choose, shelf, directory } = await bedFor(t)
  await choose('22')
  await choose('24')
  const inUse = new Set(['22.11.0'])
  assert.deepEqual(await shelf.prune({ inUse, maxAgeMs: 60_000 }), [])
  assert.deepEqual(await shelf.prune({ inUse, maxAgeMs: -1 }), ['24.16.0'])
  assert.deepEqual(await readdir(directory), ['22.11.0'])
})
