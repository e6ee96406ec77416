import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { isRefusal } from '../domain/refusal.ts'
import type { GroupRef, GroupSpec, InstanceExit, Runtime } from '../ports.ts'

/** What every driver of the Runtime port promises; each driver's own test runs it. */

export interface RuntimeHarness {
  readonly runtime: Runtime
  /** A program that runs until it is asked to end, and ends at once then. */
  group(project: string, overrides?: Partial<GroupSpec>): GroupSpec
  /** Makes the process of an instance end by a signal. */
  kill(ref: GroupRef, index: number): Promise<void>
  close(): Promise<void>
}

export function runtimeSuite(name: string, open: () => Promise<RuntimeHarness>): void {
  describe(`the Runtime port: ${name}`, () => {
    let harness: RuntimeHarness
    let runtime: Runtime
    before(async () => {
      harness = await open()
      runtime = harness.runtime
      await runtime.connect()
    })
    after(() => harness?.close())

    test('a started group is listed with its identity, pid and start', async () => {
      const group = harness.group('listed', { release: 7, generation: 31 })
      const [instance] = await runtime.start(group)
      assert.deepEqual(pick(instance), {
        project: 'listed',
        type: 'web',
        release: 7,
        generation: 31,
        index: 1,
        name: 'web.1',
        status: 'online',
        restarts: 0,
      })
      assert.ok((instance?.pid ?? 0) > 0)
      assert.ok((instance?.startedAt ?? 0) > 0)
      assert.equal(instance?.port, group.instances[0]?.port)
      assert.deepEqual(await runtime.list('listed'), [instance])
      await runtime.stop(group, 2_000)
    })

    test('starting a group again changes nothing, also when both are asked at once', async () => {
      const group = harness.group('again')
      const [first, second] = await Promise.all([runtime.start(group), runtime.start(group)])
      const third = await runtime.start(group)
      assert.equal(first.length, 1)
      assert.deepEqual(pids(second), pids(first))
      assert.deepEqual(pids(third), pids(first))
      assert.equal((await runtime.list('again')).length, 1)
      await runtime.stop(group, 2_000)
    })

    test('starting a group with one more instance keeps those that run', async () => {
      const group = harness.group('more')
      const [before] = await runtime.start(group)
      const [spec] = group.instances
      assert.ok(spec)
      const two = { ...group, instances: [spec, { ...spec, index: 2 }] }
      const both = await runtime.start(two)
      assert.deepEqual(both.map((instance) => instance.name).sort(), ['web.1', 'web.2'])
      assert.ok(both.some((instance) => instance.pid === before?.pid))
      await runtime.stop(group, 2_000)
      assert.deepEqual(await runtime.list('more'), [])
    })

    test('only the instances that were named are stopped', async () => {
      const group = harness.group('fewer')
      const [spec] = group.instances
      assert.ok(spec)
      const three = { ...group, instances: [spec, { ...spec, index: 2 }, { ...spec, index: 3 }] }
      const before = await runtime.start(three)
      await runtime.stop(group, 2_000, [2, 3, 4])
      const [left, ...others] = await runtime.list('fewer')
      assert.deepEqual(others, [])
      assert.equal(left?.name, 'web.1')
      assert.equal(left?.pid, before.find((instance) => instance.index === 1)?.pid)
      await runtime.stop(group, 2_000)
    })

    test('a new generation of a release runs beside the old one, and is left alone when that stops', async () => {
      const old = harness.group('beside', { generation: 1 })
      const fresh = harness.group('beside', { generation: 2 })
      await runtime.start(old)
      const [instance] = await runtime.start(fresh)
      assert.equal((await runtime.list('beside')).length, 2)
      await runtime.stop(old, 2_000)
      assert.deepEqual(pids(await runtime.list('beside')), pids(instance ? [instance] : []))
      await runtime.stop(fresh, 2_000)
    })

    test('stopping what does not run is fine', async () => {
      await runtime.stop(harness.group('absent'), 1_000)
    })

    test('projects do not see each other', async () => {
      const one = harness.group('one-of-two')
      const other = harness.group('two-of-two')
      await Promise.all([runtime.start(one), runtime.start(other)])
      assert.equal((await runtime.list('one-of-two')).length, 1)
      const all = (await runtime.list()).map((instance) => instance.project)
      assert.ok(all.includes('one-of-two') && all.includes('two-of-two'))
      await runtime.stop(one, 2_000)
      assert.equal((await runtime.list('two-of-two')).length, 1)
      await runtime.stop(other, 2_000)
    })

    test('a process that was killed is told with its signal, and started again', async () => {
      const group = harness.group('killed')
      const [instance] = await runtime.start(group)
      const exit = nextExit(runtime, 'killed')
      await harness.kill(group, 1)
      assert.deepEqual(await exit, {
        project: 'killed',
        type: 'web',
        release: group.release,
        generation: group.generation,
        index: 1,
        code: null,
        signal: 'SIGKILL',
      })
      const again = await until(async () =>
        (await runtime.list('killed')).find((now) => now.status === 'online' && now.pid !== instance?.pid),
      )
      assert.equal(again.restarts, 1)
      await runtime.stop(group, 2_000)
    })

    test('whoever unsubscribed hears of no exit', async () => {
      const group = harness.group('quiet')
      await runtime.start(group)
      const heard: InstanceExit[] = []
      runtime.onExit((exit) => heard.push(exit))()
      const exit = nextExit(runtime, 'quiet')
      await runtime.stop(group, 2_000)
      await exit
      assert.deepEqual(heard, [])
    })

    test('each instance has its statistics', async () => {
      const group = harness.group('measured')
      await runtime.start(group)
      const [stats] = (await runtime.stats()).filter((found) => found.project === 'measured')
      const { cpu: _cpu, memoryBytes: _memory, ...instance } = stats ?? {}
      assert.deepEqual([instance], await runtime.list('measured'))
      assert.ok((stats?.memoryBytes ?? 0) > 0)
      assert.ok((stats?.cpu ?? -1) >= 0)
      await runtime.stop(group, 2_000)
    })

    test('what runs under the daemon is no orphan', async () => {
      const group = harness.group('not-an-orphan')
      const started = await runtime.start(group)
      assert.equal(await runtime.endOrphans(), 0)
      assert.deepEqual(pids(await runtime.list('not-an-orphan')), pids(started))
      await runtime.stop(group, 2_000)
    })

    test('after letting go, calls refuse and a new connection finds everything as it was', async () => {
      const group = harness.group('left-running')
      const started = await runtime.start(group)
      await runtime.close()
      await assert.rejects(runtime.list(), (error) => isRefusal(error, 'unavailable'))
      await Promise.all([runtime.connect(), runtime.connect()])
      assert.deepEqual(pids(await runtime.list('left-running')), pids(started))
      await runtime.stop(group, 2_000)
    })

    test('a shutdown ends everything', async () => {
      await runtime.start(harness.group('last'))
      await runtime.shutdown()
      await runtime.connect()
      assert.deepEqual(await runtime.list(), [])
    })
  })
}

/** The next exit of a project, from the moment this is called. */
export function nextExit(runtime: Runtime, project: string): Promise<InstanceExit> {
  return new Promise((resolve) => {
    const unsubscribe = runtime.onExit((exit) => {
      if (exit.project !== project) return
      unsubscribe()
      resolve(exit)
    })
  })
}

/** Asks until there is an answer; for states that nothing announces. */
export async function until<T>(
  look: () => Promise<T | undefined | null | false>,
  withinMs = 10_000,
): Promise<T> {
  const deadline = performance.now() + withinMs
  for (;;) {
    const found = await look()
    if (found) return found
    if (performance.now() > deadline) throw new Error(`nothing came of it within ${withinMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

function pids(instances: readonly { readonly pid: number | null }[]): (number | null)[] {
  return instances.map((instance) => instance.pid)
}

function pick<T extends { pid: unknown; startedAt: unknown; port?: unknown }>(instance: T | undefined) {
  if (!instance) return undefined
  const { pid: _pid, startedAt: _startedAt, port: _port, ...rest } = instance
  return rest
}
