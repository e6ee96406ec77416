import assert from 'node:assert/strict'
import { appendFile, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { removeDirectory, temporaryDirectory } from '../../testing/temporary.ts'
import { createDeploymentLogs, type DeploymentLogs } from './log.ts'

async function withLogs(work: (logs: DeploymentLogs, file: string) => Promise<void>): Promise<void> {
  const directory = await temporaryDirectory('log')
  try {
    await work(createDeploymentLogs(), path.join(directory, 'shop', 'deploys', '1.log'))
  } finally {
    await removeDirectory(directory)
  }
}

async function collect(lines: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = []
  for await (const line of lines) all.push(line)
  return all
}

const always = new AbortController().signal

test('every line is on disk at once, readable for its owner only', async () => {
  await withLogs(async (logs, file) => {
    const log = await logs.open(file)
    log.write('one')
    log.write('zwei é')
    assert.equal(await readFile(file, 'utf8'), 'one\nzwei é\n')
    assert.equal((await stat(file)).mode & 0o777, 0o600)
    log.close()
  })
})

test('a follower gets what was there before, what comes, and the end', async () => {
  await withLogs(async (logs, file) => {
    const log = await logs.open(file)
    log.write('before')
    const reader = logs.follow(file, always)
    assert.equal((await reader.next()).value, 'before')
    const next = reader.next()
    log.write('while it waits')
    assert.equal((await next).value, 'while it waits')
    log.write('last')
    log.close()
    assert.deepEqual(await collect(reader), ['last'])
  })
})

test('many followers miss nothing, the slow one neither', async () => {
  await withLogs(async (logs, file) => {
    const log = await logs.open(file)
    const readers = Array.from({ length: 10 }, () => collect(logs.follow(file, always)))
    const slow = logs.follow(file, always)
    for (let i = 0; i < 2_000; i++) {
      log.write(`line ${i} ${'é'.repeat(60)}`)
      if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    log.close()
    const expected = (await readFile(file, 'utf8')).trimEnd().split('\n')
    assert.equal(expected.length, 2_000)
    for (const lines of await Promise.all([...readers, collect(slow)])) assert.deepEqual(lines, expected)
  })
})

test('a follower who leaves stops waiting', async () => {
  await withLogs(async (logs, file) => {
    const log = await logs.open(file)
    log.write('one')
    const controller = new AbortController()
    const reader = logs.follow(file, controller.signal)
    await reader.next()
    const waiting = reader.next()
    controller.abort()
    assert.equal((await waiting).done, true)
    log.close()
  })
})

test('a log of the past is read whole, also its last line without end', async () => {
  await withLogs(async (logs, file) => {
    const log = await logs.open(file)
    log.write('one')
    log.close()
    await appendFile(file, 'torn')
    assert.deepEqual(await collect(logs.follow(file, always)), ['one', 'torn'])
  })
})

test('with an aborted signal one gets what there is now and no more', async () => {
  await withLogs(async (logs, file) => {
    const log = await logs.open(file)
    log.write('one')
    assert.deepEqual(await collect(logs.follow(file, AbortSignal.abort())), ['one'])
    log.close()
  })
})

test('a line written after the end goes nowhere, least of all into a file that got the descriptor', async () => {
  await withLogs(async (logs, file) => {
    const heard: string[] = []
    const log = await logs.open(file, (line) => heard.push(line))
    log.close()
    const other = await logs.open(`${file}.other`)
    log.write('late')
    other.close()
    assert.equal(await readFile(`${file}.other`, 'utf8'), '')
    assert.deepEqual(heard, [])
    log.close()
  })
})
