import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { getPriority } from 'node:os'
import { before, test } from 'node:test'
import { removeDirectory, temporaryDirectory } from '../../testing/temporary.ts'
import { until } from '../../testing/until.ts'
import { isRefusal, Refusal } from '../domain/refusal.ts'
import { type Isolation, notIsolated, probeIsolation } from '../isolation.ts'
import type { TreeLimits } from '../job-watch.ts'
import { processRow } from '../processes.ts'
import { processesWithEnvironment } from '../shell.ts'
import { type BuildCommand, runBuildCommand } from './build-command.ts'

const PATH = process.env.PATH ?? ''
const roomy: TreeLimits = { memoryBytes: 2_000_000_000, processes: 500, disk: null }
let isolation: Isolation

before(async () => {
  isolation = await probeIsolation({ path: PATH })
})

/** Both ways of keeping a build together: the namespace of the kernel, and looking. */
const ways: readonly (readonly [string, () => Isolation])[] = [
  ['in a namespace of its own', () => isolation],
  ['without a namespace', () => notIsolated],
]

let jobs = 0
function build(script: string, options: Partial<BuildCommand> & { tree?: Partial<TreeLimits> } = {}) {
  const lines: string[] = []
  const job = `build-test-${process.pid}-${++jobs}`
  const result = runBuildCommand(
    { file: '/bin/sh', args: ['-c', script], cwd: '/', env: { PATH, MARK: job } },
    {
      signal: new AbortController().signal,
      job,
      isolation,
      limits: { timeoutMs: 60_000, maxOutputBytes: 1_000_000, tree: { ...roomy, ...options.tree } },
      failure: 'build_failed',
      onLine: (line) => lines.push(line),
      ...options,
    },
  )
  return { result, lines, job }
}

/** Of the test: what carries its mark, whatever else it has shed. */
const left = (job: string) => processesWithEnvironment(`MARK=${job}`)
const refused = (code: string, sentence: RegExp) => (error: unknown) => {
  assert.ok(isRefusal(error, code as 'timeout'), String(error))
  assert.match(error.message, sentence)
  return true
}

test('this machine allows a namespace, and low priority reaches the command', async () => {
  assert.equal(isolation.ownProcesses, true)
  const { result, lines } = build(
    'nice; ionice; cat /proc/self/oom_score_adj; echo $$; cat /proc/self/autogroup',
  )
  assert.equal((await result).code, 0)
  const [nice, io, oom, pid, group] = lines
  // the test itself may have been started with less than the usual priority
  assert.equal(Number(nice), Math.min(getPriority() + 10, 19))
  assert.deepEqual([io, oom], ['best-effort: prio 7', '500'])
  assert.ok(Number(pid) < 10, `pid ${pid}`)
  if (group) assert.match(group, /nice 10$/)
})

test('exit codes and output come through as they are', async () => {
  const { result, lines } = build('echo out; echo err >&2; exit 7')
  assert.equal((await result).code, 7)
  assert.deepEqual(lines.sort(), ['err', 'out'])
  assert.equal((await build('kill -KILL $$').result).code, 137)
})

test('without the programs it needs nothing is put before a command', async () => {
  assert.deepEqual(await probeIsolation({ path: '/nonexistent' }), notIsolated)
})

for (const [how, way] of ways) {
  test(`a memory hog is ended with the numbers, ${how}`, async () => {
    const eat = `node -e "const a=[]; setInterval(() => a.push(Buffer.alloc(20e6, 1)), 10)" & wait`
    const { result, job } = build(eat, { isolation: way(), tree: { memoryBytes: 250_000_000 } })
    await assert.rejects(result, refused('out_of_memory', /used \d+\.\d MB of memory, and may use 250\.0 MB/))
    assert.deepEqual(await left(job), [])
  })

  test(`a fork bomb is ended, and leaves nothing, ${how}`, async () => {
    // a thousand at most: more would slow down what is tested beside it
    const bomb = 'b() { [ $1 -gt 8 ] || { b $(($1 + 1)) & b $(($1 + 1)) & }; sleep 5; }; b 0'
    const { result, job } = build(bomb, { isolation: way(), tree: { processes: 150 } })
    await assert.rejects(result, refused('build_failed', /started \d+ processes, and may have 150 at once/))
    assert.deepEqual(await left(job), [])
  })

  test(`a disk that runs full ends it, ${how}`, async () => {
    const directory = await temporaryDirectory('floor')
    const disk = { directory, freeBytes: Number.MAX_SAFE_INTEGER }
    const { result } = build('sleep 30', { isolation: way(), tree: { disk } })
    await assert.rejects(result, refused('disk_full', /filled the disk: .* are left/))
    await removeDirectory(directory)
  })

  test(`a cancelled one leaves nothing, long before its children would end, whatever they did, ${how}`, async () => {
    const controller = new AbortController()
    const hide = `trap : TERM; for i in 1 2 3 4 5 6; do sleep 60; done`
    const script = [
      `setsid sh -c "${hide}" &`,
      `(setsid sh -c "(sh -c '${hide}' &)" &)`,
      `sh -c "${hide}" & sleep 0.7; echo ready; wait`,
    ].join('\n')
    const { result, lines, job } = build(script, { isolation: way(), signal: controller.signal })
    await until('it runs', () => lines.includes('ready'))
    assert.ok((await left(job)).length >= 4)
    const began = performance.now()
    controller.abort(new Refusal('cancelled', 'Ctrl-C'))
    await assert.rejects(result, refused('cancelled', /./))
    const took = performance.now() - began
    assert.deepEqual(await left(job), [])
    assert.ok(took < 20_000, `${Math.round(took)} ms`)
  })
}

test('a child that detached itself and emptied its environment ends with its command', async () => {
  const script = 'env -i setsid sh -c "sleep 61 & sleep 62" & sleep 0.2'
  const { result } = build(script)
  assert.equal((await result).code, 0)
  const stays = (seconds: number) =>
    until(`sleep ${seconds} has ended`, () => !commandLines().includes(`sleep ${seconds} `), 20_000)
  await stays(61)
  await stays(62)
})

test('a time limit names the setting that raises it', async () => {
  const limits = { timeoutMs: 300, maxOutputBytes: 1_000, tree: roomy }
  await assert.rejects(build('sleep 30', { limits }).result, (error) => {
    assert.ok(isRefusal(error, 'timeout'))
    assert.match(error.hint ?? '', /buildTimeoutMs/)
    return true
  })
})

test('a server that is killed takes the build along', async () => {
  const [file, ...prefix] = [...isolation.prefix, '/bin/sh', '-c', 'sleep 63 & sleep 64']
  const program = `const { spawn } = require('node:child_process'); spawn(${JSON.stringify(file)}, ${JSON.stringify(prefix)}, { detached: true, stdio: 'ignore' })`
  const server = execFile(process.execPath, ['-e', `${program}; setInterval(() => {}, 1000)`])
  await until('the build runs', () => commandLines().includes('sleep 64 '))
  server.kill('SIGKILL')
  await until(
    'it has ended',
    () => !commandLines().some((line) => ['sleep 63 ', 'sleep 64 '].includes(line)),
    20_000,
  )
})

/** Of all processes that live. */
function commandLines(): string[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name) || processRow(Number(name)) === null) return []
    try {
      return [readFileSync(`/proc/${name}/cmdline`, 'latin1').replaceAll('\0', ' ')]
    } catch {
      return []
    }
  })
}
