import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { removeDirectory, temporaryDirectory } from '../testing/temporary.ts'
import { createAssembler } from './app-log/assemble.ts'
import type { LogQuery } from './app-log/line.ts'
import { readAppLog } from './app-log.ts'
import { nothingHidden } from './domain/redact.ts'

interface Chunk {
  readonly text: string
  readonly at?: number
  readonly stream?: 'out' | 'err'
  readonly generation?: number
  readonly instance?: string
}

/** One write of an app, as the runtime records it. */
const record = ({ text, at = 0, stream = 'out', generation = 1, instance = 'web.1' }: Chunk) =>
  JSON.stringify({
    message: text,
    timestamp: new Date(at).toISOString(),
    type: stream,
    app_name: `shop/${instance}/v1/g${generation}`,
  })

function parseAppLog(text: string, instance: string) {
  const assembler = createAssembler(instance, () => nothingHidden)
  const found = text.split('\n').flatMap((line) => assembler.push(line, 0, 0))
  return [...found, ...assembler.close(() => true)].map(({ line }) => line)
}

const linesOf = (...chunks: Chunk[]) =>
  parseAppLog(chunks.map(record).join('\n'), 'web.1').map(({ line }) => line)

test('a line is put together from several writes, and has the time of the first', () => {
  const text = [
    record({ text: 'one\ntw', at: 1_000 }),
    record({ text: 'o', at: 2_000 }),
    record({ text: '\nthree\n', at: 3_000 }),
  ]
  const lines = parseAppLog(text.join('\n'), 'web.1')
  assert.deepEqual(
    lines.map(({ line, time }) => [line, Date.parse(time)]),
    [
      ['one', 1_000],
      ['two', 1_000],
      ['three', 3_000],
    ],
  )
})

test('the two streams and two generations never mix in one line', () => {
  assert.deepEqual(
    linesOf(
      { text: 'a' },
      { text: 'ERR\n', stream: 'err' },
      { text: 'other\n', generation: 2 },
      { text: 'b\n' },
    ),
    ['ERR', 'other', 'ab'],
  )
})

test('an ending of Windows that is split over two writes is one ending', () => {
  assert.deepEqual(linesOf({ text: 'a\r' }, { text: '\nb' }), ['a', 'b'])
})

test('empty lines are lines; torn and foreign records are left out', () => {
  const text = `"timestamp":"x"}\n${record({ text: 'a\n\nb\n' })}\nnot json\n{"message":`
  assert.deepEqual(
    parseAppLog(text, 'web.1').map(({ line }) => line),
    ['a', '', 'b'],
  )
})

async function query(files: Readonly<Record<string, string>>, wanted: Partial<LogQuery> = {}) {
  const directory = await temporaryDirectory('applog')
  try {
    for (const [name, text] of Object.entries(files)) await writeFile(path.join(directory, name), `${text}\n`)
    const lines = await readAppLog({ directory, hiding: () => nothingHidden }, { lines: 100, ...wanted })
    return lines.map(({ instance, line }) => `${instance} ${line}`)
  } finally {
    await removeDirectory(directory)
  }
}

const files = {
  'web.1.log': [record({ text: 'first\n', at: 1 }), record({ text: 'Third\n', at: 3, stream: 'err' })].join(
    '\n',
  ),
  'web.2.log': record({ text: 'second\n', at: 2, instance: 'web.2', generation: 2 }),
  'worker.1.log': record({ text: 'fourth\n', at: 4, instance: 'worker.1' }),
  'notes.txt': record({ text: 'no\n' }),
}

test('lines of all instances come in the order of their times', async () => {
  assert.deepEqual(await query(files), ['web.1 first', 'web.2 second', 'web.1 Third', 'worker.1 fourth'])
})

test('a query takes the newest, by type, stream, time, words or generation', async () => {
  assert.deepEqual(await query(files, { lines: 1 }), ['worker.1 fourth'])
  assert.deepEqual(await query(files, { type: 'web', lines: 2 }), ['web.2 second', 'web.1 Third'])
  assert.deepEqual(await query(files, { stream: 'err' }), ['web.1 Third'])
  assert.deepEqual(await query(files, { since: new Date(3).toISOString() }), ['worker.1 fourth'])
  assert.deepEqual(await query(files, { search: 'THIRD' }), ['web.1 Third'])
  assert.deepEqual(await query(files, { generation: 2 }), ['web.2 second'])
})

test('of a big file only the end is read, and a project that never ran has no lines', async () => {
  const wide = 'x'.repeat(800)
  const records = Array.from({ length: 6_000 }, (_, i) => record({ text: `${wide} ${i}\n`, at: i }))
  const many = records.join('\n')
  assert.ok(many.length > 4_000_000)
  const lines = await query({ 'web.1.log': many }, { lines: 100_000 })
  assert.ok(lines.length > 1_000 && lines.length < 6_000)
  assert.equal(lines.at(-1), `web.1 ${wide} 5999`)
  assert.deepEqual(
    await readAppLog({ directory: '/no/such/folder', hiding: () => nothingHidden }, { lines: 1 }),
    [],
  )
})
