import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { afterEach, test } from 'node:test'
import {
  descendants,
  endAll,
  environmentOf,
  isAlive,
  listenersOf,
  listenersOn,
  portBelongsTo,
  processRow,
  processTable,
  signalAll,
  ticksSinceBoot,
  treeOf,
  waitUntilGone,
} from './processes.ts'

const children: ChildProcess[] = []
afterEach(async () => {
  for (const child of children.splice(0)) {
    await endAll(treeOf(processTable(), child.pid ?? 0), 0)
    child.stdout?.destroy()
  }
})

/** Starts a script and resolves with its pid and the first line it prints. */
async function start(
  file: string,
  args: string[],
  env = process.env,
): Promise<{ pid: number; line: string }> {
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'], env, detached: true })
  children.push(child)
  const line = await new Promise<string>((resolve) => {
    let text = ''
    child.stdout.on('data', (chunk) => {
      text += chunk
      if (text.includes('\n')) resolve(text.trim())
    })
  })
  return { pid: child.pid ?? 0, line }
}

const listen = (host: string) =>
  `const s = require('net').createServer(); s.listen(0, '${host}', () => console.log(s.address().port))`

test('this process knows itself', () => {
  const row = processRow(process.pid)
  assert.equal(row?.parent, process.ppid)
  assert.ok(row && row.start > 0 && row.start <= ticksSinceBoot())
  assert.ok(row && isAlive(row))
  assert.equal(processTable().get(process.pid)?.start, row?.start)
})

test('a name with spaces and parentheses does not shift the fields', async () => {
  const { pid } = await start(process.execPath, [
    '-e',
    `process.title = 'a) R 1 (b'; console.log('named'); setInterval(() => {}, 1000)`,
  ])
  assert.equal(processRow(pid)?.parent, process.pid)
})

test('a tree has children of children, and what its sessions hold after their parents died', async () => {
  const { pid, line } = await start('sh', ['-c', 'sleep 600 & (sleep 601 >/dev/null & echo $!); wait'])
  const orphaned = processRow(Number(line))
  assert.notEqual(orphaned?.parent, pid)
  const child = [...processTable().values()].find((row) => row.parent === pid)
  const found = await descendants(pid)
  assert.ok(found.includes(Number(line)))
  assert.ok(child && found.includes(child.pid))
  assert.ok(!found.includes(pid))
})

test('one branch can be left out of a tree', async () => {
  const { pid, line } = await start('sh', ['-c', 'sleep 600 & echo $!; exec sleep 601'])
  const whole = treeOf(processTable(), process.pid).map((row) => row.pid)
  const without = treeOf(processTable(), process.pid, pid).map((row) => row.pid)
  assert.ok(whole.includes(pid) && whole.includes(Number(line)))
  assert.ok(!without.includes(pid) && !without.includes(Number(line)))
})

test('an environment is read as it was given', async () => {
  const { pid } = await start('sh', ['-c', 'echo up; exec sleep 600'], {
    PATH: '/usr/bin:/bin',
    A: 'x=y',
    B: '',
  })
  const environment = await environmentOf(pid)
  assert.equal(environment?.get('A'), 'x=y')
  assert.equal(environment?.get('B'), '')
  assert.equal(await environmentOf(2 ** 30), null)
})

for (const host of ['127.0.0.1', '0.0.0.0', '::', '::1']) {
  test(`a listener on ${host} is found, and belongs to its process`, async () => {
    const { pid, line } = await start(process.execPath, ['-e', listen(host)])
    assert.deepEqual(await listenersOf(pid), [Number(line)])
    assert.equal(await portBelongsTo(Number(line), pid), true)
    assert.deepEqual(await listenersOn(Number(line)), [pid])
  })
}

test('a port that a child holds belongs to the parent as well', async () => {
  const { pid, line } = await start('sh', ['-c', `${process.execPath} -e "${listen('127.0.0.1')}"; true`])
  assert.deepEqual(await listenersOf(pid), [Number(line)])
  assert.equal(await portBelongsTo(Number(line), pid), true)
})

test('a port of somebody else, or of nobody, does not belong', async () => {
  const { pid } = await start('sh', ['-c', 'echo up; exec sleep 600'])
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  assert.equal(await portBelongsTo(port, pid), false)
  assert.equal(await portBelongsTo(port, process.pid), true)
  await new Promise((resolve) => server.close(resolve))
  assert.equal(await portBelongsTo(port, process.pid), false)
  assert.deepEqual(await listenersOf(pid), [])
})

test('a connection is no listener', async () => {
  const { pid, line } = await start(process.execPath, [
    '-e',
    `const n = require('net'); const s = n.createServer().listen(0, () => { const p = s.address().port; n.connect(p, () => console.log(p)) })`,
  ])
  assert.deepEqual(await listenersOf(pid), [Number(line)])
})

test('the stubborn are killed after the grace time, and waiting ends with the last of them', async () => {
  const { pid } = await start('sh', ['-c', `trap '' TERM; echo up; while :; do sleep 0.05; done`])
  const row = processRow(pid)
  assert.ok(row)
  await endAll([row], 100)
  assert.equal(isAlive(row), false)
  assert.deepEqual(await waitUntilGone([row], 1_000), [])
})

test('a signal never meets a stranger with the pid of a process that is gone', async () => {
  const { pid } = await start('sh', ['-c', 'echo up; exec sleep 600'])
  const row = processRow(pid)
  assert.ok(row)
  signalAll([{ ...row, start: row.start - 1 }], 'SIGKILL')
  assert.ok(isAlive(row))
})
