import assert from 'node:assert/strict'
import { chmod, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { until } from '../../../testing/until.ts'
import { isRefusal } from '../../domain/refusal.ts'
import { processesIn } from '../../processes.ts'
import { createTestbed } from '../dependencies/testbed.suite.ts'
import { createRegistry } from './registry.ts'

/** The registry through an npm that is a script of the test's own. */
async function rig(t: TestContext, npm: string | null) {
  const bed = await createTestbed(t)
  const { tools } = bed.dependencies
  const bin = path.join(bed.home, 'own-bin')
  await mkdir(bin)
  if (npm !== null) {
    await writeFile(path.join(bin, 'npm'), `#!/bin/sh\n${npm}\n`)
    await chmod(path.join(bin, 'npm'), 0o755)
  }
  // the real npm may lie where all else does: without it there is only what goes before a command
  const before = ['nice', 'ionice', 'chrt', 'setpriv', 'unshare', 'env', 'setsid', 'sleep', 'cat', 'ps']
  for (const name of before) await symlink(`/usr/bin/${name}`, path.join(bin, name))
  const PATH = bin
  const environment = { ...tools.environment, PATH }
  const toolchain = { ...tools.toolchain, node: path.join(bin, 'node') }
  const registry = createRegistry({ ...tools, environment, toolchain }, Date.now)
  const directory = path.join(bed.home, 'fetched')
  await mkdir(directory)
  const fetch = (job: { signal: AbortSignal; job?: string }) =>
    registry.fetch({ name: 'pnpm', version: '10.0.0' }, directory, job)
  return { bed, registry, directory, fetch }
}

test('npm that fetches for NodePilot runs at the priority of builds', async (t) => {
  const note = '{ cat /proc/self/oom_score_adj; ps -o ni= -p $$; } >"$PWD/priority"'
  const { bed, directory, fetch } = await rig(t, note)
  await fetch({ signal: new AbortController().signal })
  const [points, nice] = (await readFile(path.join(directory, 'priority'), 'utf8')).split('\n').map(Number)
  assert.ok(bed.dependencies.tools.isolation.prefix.length > 0, 'priorities can be set here')
  assert.deepEqual([points, nice], [500, 10])
})

test('a fetch that is cancelled ends with all it has started, and counts until then', async (t) => {
  const hidden = `(env -i setsid sh -c 'while :; do sleep 5; done' &)`
  const { bed, registry, directory, fetch } = await rig(t, `${hidden}; setsid sleep 300 & sleep 300`)
  const leaving = new AbortController()
  const fetching = fetch({ signal: leaving.signal, job: `${bed.home}#1` })
  await until('it runs', () => processesIn(directory).length >= 3)
  assert.equal(registry.fetching(), 1)
  const began = performance.now()
  leaving.abort()
  await assert.rejects(fetching, (error) => isRefusal(error, 'cancelled'))
  assert.deepEqual(processesIn(directory), [])
  assert.ok(performance.now() - began < 20_000)
  assert.equal(registry.fetching(), 0)
  const homes = await readdir(bed.dependencies.tools.buildHome)
  assert.deepEqual(
    homes.filter((name) => name.startsWith('npm-')),
    [],
  )
})

test('without npm it says so', async (t) => {
  const { fetch } = await rig(t, null)
  await assert.rejects(fetch({ signal: new AbortController().signal }), (error) => {
    assert.ok(isRefusal(error, 'install_failed'), String(error))
    assert.match(error.message, /npm was not found on this server/)
    return true
  })
})
