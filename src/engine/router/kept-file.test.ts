import assert from 'node:assert/strict'
import { appendFile, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { loadKept, openKept } from './kept-file.ts'

async function place(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'kept-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const logged: string[] = []
  const options = {
    file: join(folder, 'below', 'n.json'),
    what: 'number',
    log: (line: string) => logged.push(line),
  }
  return { folder, options, logged }
}

function number(value: unknown): number {
  if (typeof value !== 'number') throw new Error('it is no number')
  return value
}

test('the last one counts, over restarts, and the file does not grow without end', async (t) => {
  const { folder, options } = await place(t)
  assert.equal(loadKept(options, number), null)
  for (const start of [1_000, 2_000]) {
    const kept = openKept<number>({ ...options, mostBytes: 100 })
    for (let n = start; n < start + 200; n++) assert.equal(await kept.save(n), true)
    kept.close()
    assert.equal(loadKept(options, number), start + 199)
    assert.ok((await stat(options.file)).size <= 105)
  }
  assert.deepEqual(await readdir(join(folder, 'below')), ['n.json'])
})

test('saved at once, the newest is on disk, and all are told so', async (t) => {
  const { options } = await place(t)
  const kept = openKept<number>(options)
  const saves = Array.from({ length: 50 }, (_, n) => kept.save(n))
  assert.equal(kept.saved(), false)
  assert.deepEqual(new Set(await Promise.all(saves)), new Set([true]))
  assert.equal(kept.saved(), true)
  assert.equal(loadKept(options, number), 49)
  kept.close()
})

test('a line that was cut off is passed over; a file without a whole one is told and not used', async (t) => {
  const { options, logged } = await place(t)
  const kept = openKept<number>(options)
  await kept.save(7)
  kept.close()
  await appendFile(options.file, '{"half')
  assert.equal(loadKept(options, number), 7)
  assert.deepEqual(logged, [])
  await writeFile(options.file, '"text"')
  assert.equal(loadKept(options, number), null)
  assert.match(logged.join(), /the saved number is not used: Error: it is no number/)
})
