import assert from 'node:assert/strict'
import { appendFile, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { writeCursor } from './cursor.ts'
import { logIn, numbers, record, scene, text } from './follow.suite.ts'
import { createFollowers } from './follow.ts'
import { readNewest } from './history.ts'

/** Whoever comes back goes on where they left, whatever became of the files meanwhile. */

test('every cursor goes on right behind its line, also for another server', async () =>
  scene(async ({ write, follow }) => {
    await write('one\ntwo\nhal')
    await write('an error\nanother\n', { stream: 'err' })
    await write('f\nlast\n')
    await write('of the second\n', { instance: 'web.2' })
    const viewer = follow()
    const whole = [...(await viewer.until(7))]
    await viewer.leave()
    assert.deepEqual(whole, ['one', 'two', 'an error', 'another', 'half', 'last', 'of the second'])
    for (const [index, after] of viewer.cursors.entries()) {
      const back = follow({ after })
      await write(`later ${index}\n`)
      const rest = [...whole.slice(index + 1)]
      const came = await back.until(rest.length + index + 1)
      assert.deepEqual(
        came.filter((line) => !line.startsWith('later')),
        rest,
        after,
      )
      await back.leave()
    }
  }))

test('what is written between two visits comes with the second', async () =>
  scene(async ({ write, follow }) => {
    await write('before\n')
    const first = follow()
    await first.until(1)
    await first.leave()
    await write(text(numbers(0, 1_200)))
    await write('new instance\n', { instance: 'worker.1' })
    const second = follow({ after: first.cursors[0], lines: 1 })
    assert.deepEqual(await second.until(1_201), [...numbers(0, 1_200), 'new instance'])
  }))

test('a page and the stream that goes on from it fit together', async () =>
  scene(async ({ directory, write, follow }) => {
    await write('whole\nnot ended')
    const { lines, to } = await readNewest(logIn(directory), { lines: 10, type: 'web' }, { now: Date.now() })
    assert.deepEqual(
      lines.map(({ line }) => line.line),
      ['whole'],
    )
    const viewer = follow({ after: writeCursor(to) })
    await write(' yet\nnext\n')
    assert.deepEqual(await viewer.until(2), ['not ended yet', 'next'])
  }))

test('a file that is emptied, moved away or made anew loses no line and repeats none', async () =>
  scene(async ({ file, write, follow }) => {
    await write('first\n')
    const viewer = follow()
    await viewer.until(1)
    await write('second\n')
    await viewer.until(2)
    await truncate(file())
    await write('3rd\n')
    assert.deepEqual(await viewer.until(4), ['first', 'second', '…1', '3rd'])
    await rename(file(), `${file()}.1`)
    await appendFile(`${file()}.1`, record('to the old file\n'))
    await viewer.until(5)
    await write('to the new file\n')
    assert.deepEqual((await viewer.until(6)).slice(4), ['to the old file', 'to the new file'])
  }))

test('a cursor of a file that was filled anew begins at its beginning', async () =>
  scene(async ({ file, write, follow }) => {
    await write(text(numbers(0, 20)))
    const first = follow()
    await first.until(20)
    await first.leave()
    await writeFile(file(), '')
    await write('another\nfilling\n')
    const second = follow({ after: first.cursors.at(-1) })
    assert.deepEqual(await second.until(2), ['another', 'filling'])
  }))

test('a cursor that no server wrote is refused', () => {
  const followers = createFollowers({ clock: () => 0, onError: () => {} })
  for (const after of [
    '',
    'x',
    'web.1~0~0~0',
    '../etc.1~00000000~0~0',
    'web.1~00000000~-1~0',
    '~'.repeat(99),
  ]) {
    const begin = () => followers.follow(logIn('/no/such/folder'), { lines: 1, after }, AbortSignal.abort())
    assert.throws(begin, { code: 'invalid' }, after)
  }
})

test('a part that is put away loses no line and repeats none, nor does a line that goes on in the next one', async () =>
  scene(async ({ file, write, follow }) => {
    let number = 6
    const putAway = () => rename(file(), `${file()}.${++number}`)
    await write('first\n')
    await putAway()
    await write('second\nhalf')
    const viewer = follow()
    assert.deepEqual(await viewer.until(2), ['first', 'second'])
    await putAway()
    await write(' and whole\nnext\n')
    await viewer.until(4)
    await putAway()
    await write('quick\n')
    await putAway()
    await write('last\n')
    const whole = [...(await viewer.until(6))]
    assert.deepEqual(whole, ['first', 'second', 'half and whole', 'next', 'quick', 'last'])
    await viewer.leave()
    for (const [index, after] of viewer.cursors.entries()) {
      const back = follow({ after })
      const came = index === whole.length - 1 ? [] : await back.until(whole.length - index - 1)
      assert.deepEqual(came, whole.slice(index + 1), after)
      await back.leave()
    }
  }))

test('who comes back to a part that was given up is told of a gap, and so is a tail that was outrun', async () =>
  scene(async ({ file, write, follow }) => {
    await write('given up\nalso\n')
    const first = follow()
    await first.until(2)
    await first.leave()
    await rename(file(), `${file()}.1`)
    await write('kept\n')
    await rename(file(), `${file()}.2`)
    await write('newest\n')
    await rm(`${file()}.1`)
    const second = follow({ after: first.cursors[0] })
    assert.deepEqual(await second.until(3), ['…1', 'kept', 'newest'])
  }))
