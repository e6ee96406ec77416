import assert from 'node:assert/strict'
import { access } from 'node:fs/promises'
import { test } from 'node:test'
import { removeDirectory, temporaryDirectory } from '../testing/temporary.ts'
import { until } from '../testing/until.ts'
import { isRefusal, Refusal } from './domain/refusal.ts'
import { processRow } from './processes.ts'
import { describeExit, type RunOptions, run, wasKilled } from './shell.ts'

const env = { PATH: process.env.PATH ?? '' }

const sh = (script: string, options: RunOptions = {}) =>
  run({ file: '/bin/sh', args: ['-c', script], cwd: '/', env }, options)

/** Zombies are dead: whoever inherits them reaps them when it likes. */
const isAlive = (pid: number) => processRow(pid) !== null

test('a command sees its whole environment and nothing of the server', async () => {
  const lines: string[] = []
  await run(
    { file: '/usr/bin/env', args: [], cwd: '/', env: { ONLY: 'this' } },
    { onLine: (line) => lines.push(line) },
  )
  assert.deepEqual(lines, ['ONLY=this'])
})

test('arguments reach the command as they are: nothing is a shell word', async () => {
  const { tail } = await run({ file: '/bin/echo', args: ['$(id)', '; true', "'"], cwd: '/', env })
  assert.deepEqual(tail, ["$(id) ; true '"])
})

test('an exit code is an answer, a signal another one', async () => {
  assert.equal((await sh('exit 7')).code, 7)
  const killed = await sh('kill -KILL $$')
  assert.deepEqual([killed.code, killed.signal], [null, 'SIGKILL'])
})

test('lines come whole, of both streams, with a last one that has no end', async () => {
  const lines: string[] = []
  const script = "printf 'one\\r\\ntw'; printf 'o\\nthree'; printf 'bad\\n' >&2"
  await sh(script, { onLine: (line, stream) => lines.push(`${stream} ${line}`) })
  assert.deepEqual(lines.sort(), ['err bad', 'out one', 'out three', 'out two'])
})

test('a letter that is split over two writes arrives whole', async () => {
  const { tail } = await sh("printf '\\303'; sleep 0.05; printf '\\251\\n'")
  assert.deepEqual(tail, ['é'])
})

test('a line without end comes in pieces and is never held in memory', async () => {
  const lengths: number[] = []
  const goOn: boolean[] = []
  const script = 'head -c 20000 /dev/zero | tr "\\0" x'
  await sh(script, { onLine: (line, _, more) => goOn.push(more) && lengths.push(line.length) })
  assert.equal(goOn.indexOf(false), goOn.length - 1, 'all but the last say that there is more')
  assert.equal(
    lengths.reduce((sum, length) => sum + length, 0),
    20_000,
  )
  assert.ok(Math.max(...lengths) <= 64 * 1024 && lengths.length > 1)
})

test('the tail holds the last 40 lines', async () => {
  const { tail } = await sh('seq 1 100')
  assert.equal(tail.length, 40)
  assert.equal(tail.at(-1), '100')
})

test('standard input is what is handed in, and closed; a command that does not read it is no fault', async () => {
  assert.deepEqual((await sh('cat', { input: 'hello' })).tail, ['hello'])
  assert.equal((await sh('exec 0<&-; exit 0', { input: 'x'.repeat(1_000_000) })).code, 0)
})

test('a command that does not exist is an error', async () => {
  await assert.rejects(run({ file: '/no/such/program', args: [], cwd: '/', env }), { code: 'ENOENT' })
})

test('a time limit ends the whole group and is refused as timeout', async () => {
  let child = 0
  const running = sh('sleep 60 & echo $!; wait', {
    timeoutMs: 2_000,
    onLine: (line) => {
      child = Number(line)
    },
  })
  await assert.rejects(running, (error) => isRefusal(error, 'timeout'))
  await until('the child has ended', () => child > 0 && !isAlive(child))
})

test('more output than allowed is refused as output_limit', async () => {
  let bytes = 0
  const running = sh('yes', { maxOutputBytes: 100_000, onLine: (line) => (bytes += line.length + 1) })
  await assert.rejects(running, (error) => isRefusal(error, 'output_limit'))
  assert.ok(bytes <= 100_000)
})

test('a cancelled command is refused as cancelled, and its children have ended', async () => {
  const controller = new AbortController()
  let child = 0
  const running = sh('sleep 60 & echo $!; wait', {
    signal: controller.signal,
    onLine: (line) => {
      child = Number(line)
      controller.abort(new Refusal('cancelled', 'Ctrl-C'))
    },
  })
  await assert.rejects(running, (error) => isRefusal(error, 'cancelled'))
  await until('the child has ended', () => !isAlive(child))
})

test('a command that ignores SIGTERM is killed', async () => {
  const controller = new AbortController()
  const running = sh("trap '' TERM; echo ready; while :; do sleep 0.1; done", {
    signal: controller.signal,
    onLine: () => controller.abort(),
  })
  await assert.rejects(running, (error) => isRefusal(error, 'cancelled'))
})

test('a signal that was aborted before starts nothing', async () => {
  const directory = await temporaryDirectory('shell')
  try {
    const touch = { file: '/usr/bin/touch', args: [`${directory}/made`], cwd: '/', env }
    await assert.rejects(run(touch, { signal: AbortSignal.abort(new Refusal('cancelled', 'no')) }))
    await assert.rejects(access(`${directory}/made`))
  } finally {
    await removeDirectory(directory)
  }
})

test('a process that left the group is ended by the mark of its job', async () => {
  const job = `test-${process.pid}-${Math.random()}`
  const { tail } = await sh('setsid sleep 60 >/dev/null 2>&1 & echo $!', { job })
  await until('it has ended', () => !isAlive(Number(tail[0])))
})

test('one that shed the mark as well is heard no more once its command has ended', async () => {
  const lines: string[] = []
  const script = "env -i setsid /bin/sh -c 'echo $$; while echo late; do sleep 0.05; done' & sleep 0.2"
  await sh(script, { job: 'x', onLine: (line) => lines.push(line) })
  const heard = lines.length
  const pid = Number(lines.find((line) => /^\d+$/.test(line)))
  await until('it has met the closed pipe', () => !isAlive(pid))
  assert.equal(lines.length, heard)
})

test('ways of dying read as sentences, and a kill from outside is told apart', () => {
  assert.equal(describeExit({ code: 2, signal: null }), 'exited with code 2')
  assert.equal(describeExit({ code: null, signal: 'SIGSEGV' }), 'was killed by SIGSEGV')
  assert.equal(wasKilled({ code: 137, signal: null }), true)
  assert.equal(wasKilled({ code: null, signal: 'SIGKILL' }), true)
  assert.equal(wasKilled({ code: null, signal: 'SIGTERM' }), false)
})
