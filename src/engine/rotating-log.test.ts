import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { removeDirectory, temporaryDirectory } from '../testing/temporary.ts'
import { until } from '../testing/until.ts'
import { type LogLimits, RotatingLog } from './rotating-log.ts'

const record = (n: number, fill = 60) => Buffer.from(`{"n":${n},"fill":"${'x'.repeat(fill)}"}\n`)

async function scene(t: TestContext, limits: LogLimits = { limitBytes: 5_000, keep: 3 }) {
  const directory = await temporaryDirectory('rotating')
  t.after(() => removeDirectory(directory))
  const file = path.join(directory, 'web.1.log')
  const parts = () =>
    readdirSync(directory)
      .filter((name) => name !== 'web.1.log')
      .sort((a, b) => Number(a.split('.').at(-1)) - Number(b.split('.').at(-1)))
  const numbers = () =>
    [...parts(), 'web.1.log'].flatMap((name) => {
      const text = readFileSync(path.join(directory, name), 'utf8')
      return text.split('\n').flatMap((line) => (line ? [(JSON.parse(line) as { n: number }).n] : []))
    })
  const log = (atOnce = false) => new RotatingLog(file, { limits: () => limits, atOnce })
  return { directory, file, parts, numbers, log }
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => from + n)

for (const atOnce of [false, true]) {
  test(`a full part is put away, the oldest go, and no record is lost, torn or out of order (${atOnce})`, async (t) => {
    const { directory, parts, numbers, log } = await scene(t)
    const writer = log(atOnce)
    for (let n = 0; n < 1_000; n++) writer.write(record(n))
    await until('all is written', async () => numbers().at(-1) === 999)
    const found = numbers()
    assert.deepEqual(found, range(found[0] ?? 0, 1_000))
    assert.equal(parts().length, 3)
    for (const name of readdirSync(directory))
      assert.ok(statSync(path.join(directory, name)).size <= 5_000, name)
  })
}

test('writers of one file in several hands lose nothing to each other', async (t) => {
  const { numbers, log } = await scene(t, { limitBytes: 3_000, keep: 1_000 })
  const writers = [log(true), log(true), log(false)]
  for (let n = 0; n < 900; n++) {
    writers[n % 3]?.write(record(n))
    if (n % 50 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  await until('all is written', async () => numbers().length === 900)
  assert.deepEqual(
    numbers().sort((a, b) => a - b),
    range(0, 900),
  )
})

test('a record larger than a part is kept whole, and files are for their owner alone', async (t) => {
  const { numbers, log, file } = await scene(t)
  const writer = log()
  writer.write(record(0))
  writer.write(record(1))
  writer.write(record(2, 20_000))
  writer.write(record(3))
  await until('all is written', async () => numbers().length === 4)
  assert.deepEqual(numbers(), [0, 1, 2, 3])
  assert.equal(statSync(file).mode & 0o777, 0o600)
})

test('a file that was removed is made anew, and a folder that is gone ends nobody', async (t) => {
  const { directory, file, numbers, log } = await scene(t)
  const writer = log(true)
  writer.write(record(0))
  rmSync(file)
  writer.write(record(1))
  assert.deepEqual(numbers(), [1])
  rmSync(directory, { recursive: true })
  writer.write(record(2))
})

test('the number of parts may be none', async (t) => {
  const { parts, numbers, log } = await scene(t, { limitBytes: 2_000, keep: 0 })
  const writer = log(true)
  for (let n = 0; n < 200; n++) writer.write(record(n))
  assert.deepEqual(parts(), [])
  assert.equal(numbers().at(-1), 199)
})

test('a burst of small records does not keep the writer busy with moving them', async (t) => {
  const { file, log } = await scene(t, { limitBytes: 100_000_000, keep: 1 })
  const writer = log()
  const [count, one] = [400_000, record(7, 0)]
  for (let n = 0; n < count; n++) writer.write(one)
  await until('all is written', async () => statSync(file).size === count * one.length)
})

test('half a record that a full disk took is ended before the next one, whatever it refused meanwhile', async (t) => {
  const { file, log } = await scene(t)
  const mayWrite = (bytes: string) =>
    execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:`])
  const survive = () => {}
  process.on('SIGXFSZ', survive)
  t.after(() => process.off('SIGXFSZ', survive))
  const writer = log(true)
  mayWrite('100')
  try {
    for (let n = 0; n < 4; n++) writer.write(record(n))
  } finally {
    mayWrite('unlimited')
  }
  writer.write(record(4))
  const half = record(1)
    .toString()
    .slice(0, 100 - record(0).length)
  assert.equal(readFileSync(file, 'utf8'), `${record(0)}${half}\n${record(4)}`)
})
