import assert from 'node:assert/strict'
import { appendFile, mkdir, readdir, readlink, rename, rm, truncate, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { removeDirectory, temporaryDirectory } from '../../testing/temporary.ts'
import { until } from '../../testing/until.ts'
import { createRedactor, nothingHidden } from '../domain/redact.ts'
import { createFollowers, type FollowQuery, type LogBatch } from './follow.ts'
import { readNewest } from './history.ts'
import type { AppLog } from './line.ts'
import { readWhole } from './whole.ts'

interface Write {
  readonly stream?: 'out' | 'err'
  readonly generation?: number
  readonly instance?: string
  readonly release?: number
  readonly at?: number
}

let clock = Date.now()

/** One write of an app, as the runtime records it. */
function record(
  text: string,
  { stream = 'out', generation = 1, instance = 'web.1', release = 1, at }: Write = {},
) {
  const app_name = `shop/${instance}/v${release}/g${generation}`
  const timestamp = new Date(at ?? clock++).toISOString()
  return `${JSON.stringify({ message: text, timestamp, type: stream, app_name })}\n`
}

interface Scene {
  readonly directory: string
  file(instance?: string): string
  write(text: string, how?: Write): Promise<void>
  follow(query?: Partial<FollowQuery>): Viewer
  watched(): number
}

interface Viewer {
  /** What has come, line by line; gaps as `…n`. */
  readonly seen: string[]
  /** The place behind each of them. */
  readonly cursors: string[]
  until(count: number): Promise<string[]>
  leave(): Promise<void>
}

async function scene(work: (scene: Scene) => Promise<void>): Promise<void> {
  const root = await temporaryDirectory('follow')
  const directory = path.join(root, 'shop')
  const errors: unknown[] = []
  const followers = createFollowers({ clock: () => Date.now(), onError: (error) => errors.push(error) })
  const viewers: Viewer[] = []
  const file = (instance = 'web.1') => path.join(directory, `${instance}.log`)
  try {
    await work({
      directory,
      file,
      watched: () => followers.watched(),
      async write(text, how = {}) {
        await mkdir(directory, { recursive: true })
        await appendFile(file(how.instance), record(text, how))
      },
      follow(query = {}) {
        const viewer = createViewer((signal) =>
          followers.follow(logIn(directory), { lines: 100, ...query }, signal),
        )
        viewers.push(viewer)
        return viewer
      },
    })
    assert.deepEqual(errors, [])
  } finally {
    for (const viewer of viewers) await viewer.leave()
    await removeDirectory(root)
  }
}

function createViewer(begin: (signal: AbortSignal) => AsyncGenerator<LogBatch>): Viewer {
  const left = new AbortController()
  const seen: string[] = []
  const cursors: string[] = []
  let grown = () => {}
  const reading = (async () => {
    for await (const batch of begin(left.signal)) {
      cursors.push(...batch.cursors())
      seen.push(...batch.entries.map((entry) => ('gap' in entry ? `…${entry.gap}` : entry.line)))
      assert.equal(batch.cursors().at(-1) ?? batch.cursor, batch.cursor)
      grown()
    }
  })()
  return {
    seen,
    cursors,
    async until(count) {
      const deadline = AbortSignal.timeout(20_000)
      while (seen.length < count) {
        await new Promise<void>((resolve, reject) => {
          grown = resolve
          deadline.onabort = () => reject(new Error(`only ${seen.length} of ${count}: ${seen.slice(-5)}`))
        })
      }
      return seen
    },
    async leave() {
      left.abort()
      await reading
    },
  }
}

const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `line ${from + i}`)
const text = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join('')

test('a viewer gets the newest lines first and then what is written', async () =>
  scene(async ({ write, follow }) => {
    await write(text(numbers(0, 50)))
    const viewer = follow({ lines: 10 })
    await viewer.until(10)
    await write('next\nhalf')
    await viewer.until(11)
    await write(' and whole\n')
    assert.deepEqual(await viewer.until(12), [...numbers(40, 50), 'next', 'half and whole'])
  }))

test('viewers that come while lines pour in miss none and get none twice', async () =>
  scene(async ({ write, follow }) => {
    const viewers: Viewer[] = []
    for (let n = 0; n < 60; n++) {
      await write(text(numbers(n * 50, n * 50 + 50)))
      if (n % 4 === 0) viewers.push(follow({ lines: 5_000 }))
      // into the middle of reading, wherever that is
      await new Promise((resolve) => setTimeout(resolve, n % 7))
    }
    for (const viewer of viewers) assert.deepEqual(await viewer.until(3_000), numbers(0, 3_000))
  }))

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
    const { writeCursor } = await import('./cursor.ts')
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

test('the first lines of a project that never ran, and of an instance that is new, come', async () =>
  scene(async ({ write, follow }) => {
    const viewer = follow()
    await write('hello\n')
    await viewer.until(1)
    await write('second instance\n', { instance: 'web.2' })
    assert.deepEqual(await viewer.until(2), ['hello', 'second instance'])
  }))

test('a line that nobody ends is shown after a pause, and its rest is a line of its own', async () =>
  scene(async ({ write, follow }) => {
    const viewer = follow()
    const at = Date.now()
    await write('password: ', { at })
    await viewer.until(1)
    await write('thanks\n', { at: at + 10_000 })
    assert.deepEqual(await viewer.until(2), ['password: ', 'thanks'])
    const again = follow({ after: viewer.cursors[0] })
    assert.deepEqual(await again.until(1), ['thanks'])
  }))

test('only what matches comes, and the cursor still moves on', async () =>
  scene(async ({ write, follow }) => {
    await write('GET /\n')
    await write('a Failure\n', { stream: 'err' })
    const viewer = follow({ stream: 'err', search: 'fail' })
    await viewer.until(1)
    await write(text(numbers(0, 30)))
    await write('failed again\nfine\n', { stream: 'err' })
    await write('failed elsewhere\n')
    assert.deepEqual(await viewer.until(2), ['a Failure', 'failed again'])
    const back = follow({ after: viewer.cursors.at(-1) })
    assert.deepEqual(await back.until(2), ['fine', 'failed elsewhere'])
  }))

test('who reads too slowly gets the number of lines that were missed, then the newest', async () =>
  scene(async ({ directory, write }) => {
    await write('begin\n')
    const left = new AbortController()
    const followers = createFollowers({ clock: () => Date.now(), onError: (error) => assert.ifError(error) })
    const slow = followers.follow(logIn(directory), { lines: 10 }, left.signal)
    const quick = createViewer((signal) => followers.follow(logIn(directory), { lines: 10 }, signal))
    assert.equal((await slow.next()).value?.entries.length, 1)
    for (let n = 0; n < 25; n++) await write(text(numbers(n * 1_000, n * 1_000 + 1_000)))
    await quick.until(25_001)
    const came: string[] = []
    for (let missed = 0; missed + came.length < 25_000; ) {
      const { value } = await slow.next()
      assert.ok(value, 'it goes on')
      for (const entry of value.entries) {
        if ('gap' in entry) missed += entry.gap
        else came.push(entry.line)
      }
      assert.equal(missed, 15_000)
    }
    assert.deepEqual(came, numbers(15_000, 25_000))
    assert.ok(!quick.seen.some((line) => line.startsWith('…')), 'the quick one misses nothing')
    left.abort()
    await slow.return(undefined)
    await quick.leave()
  }))

test('all viewers share one tail, which ends with the last of them', async () =>
  scene(async ({ write, follow, watched }) => {
    await write('here\n')
    const viewers = [follow(), follow(), follow()]
    for (const viewer of viewers) await viewer.until(1)
    assert.equal(watched(), 1)
    for (const viewer of viewers) await viewer.leave()
    assert.equal(watched(), 0)
  }))

test('a log that cannot be followed or read is told, and no file of the others stays open', async () =>
  scene(async ({ directory, write }) => {
    for (const instance of ['web.1', 'web.3']) await write('here\n', { instance })
    await mkdir(path.join(directory, 'web.2.log'))
    const followers = createFollowers({ clock: () => Date.now(), onError: () => {} })
    const batches = followers.follow(logIn(directory), { lines: 10 }, new AbortController().signal)
    await assert.rejects(batches.next(), { code: 'EISDIR' })
    assert.equal(followers.watched(), 0)
    const whole = readWhole(logIn(directory), {}, new AbortController().signal)
    await assert.rejects(whole.next(), { code: 'EISDIR' })
    await until('all files are closed', async () => (await openBelow(directory)).length === 0)
  }))

/** What this process holds open there; Linux, elsewhere nothing. */
test('what a release must not tell is hidden in its lines alone: in the past, live, whole, and from a search', async () =>
  scene(async ({ directory, write, follow }) => {
    const of7 = { release: 7 }
    await write('past hidden-value\n', of7)
    await write('another release: hidden-value\n')
    const viewer = follow()
    await viewer.until(2)
    // in two writes of the app, and in a line that is so long that it comes in pieces
    await write('live hidden-', of7)
    await write('value!\n', of7)
    await write(`${'x'.repeat(65_530)}hidden-va`, of7)
    await write(`lue${'y'.repeat(10)}\n`, of7)
    const seen = await viewer.until(5)
    assert.deepEqual(seen.slice(0, 3), ['past ***', 'another release: hidden-value', 'live ***!'])
    assert.deepEqual(
      seen.slice(3).map((line) => line.replace(/^x+/, 'x')),
      ['x', `***${'y'.repeat(10)}`],
    )
    const wholeLines: string[] = []
    for await (const { line } of readWhole(logIn(directory), {}, new AbortController().signal))
      wholeLines.push(line)
    assert.deepEqual(wholeLines, seen)
    const search = (text: string) => readNewest(logIn(directory), { lines: 10, search: text })
    assert.equal((await search('hidden-v')).lines.length, 1, 'who searches for a guess learns nothing')
    assert.equal((await search('***')).lines.length, 3)
  }))

/** Of release 7 `hidden-value` is hidden, of all others nothing. */
function logIn(directory: string): AppLog {
  const redactor = createRedactor(['hidden-value'])
  return { directory, hiding: (release) => (release === 7 ? redactor : nothingHidden) }
}

async function openBelow(directory: string): Promise<string[]> {
  const names = await readdir('/proc/self/fd').catch(() => [] as string[])
  const targets = await Promise.all(names.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => '')))
  return targets.filter((target) => target.startsWith(`${directory}/`))
}

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
    clock = Date.now()
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
