import assert from 'node:assert/strict'
import { mkdir, readdir, readlink } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { until } from '../../testing/until.ts'
import { createViewer, logIn, numbers, scene, text, type Viewer } from './follow.suite.ts'
import { createFollowers } from './follow.ts'
import { readNewest } from './history.ts'
import { readWhole } from './whole.ts'

/** Who follows a log, what comes and what does not. Going on from a place in it: `follow-place.test.ts`. */

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

/** What this process holds open there; Linux, elsewhere nothing. */
async function openBelow(directory: string): Promise<string[]> {
  const names = await readdir('/proc/self/fd').catch(() => [] as string[])
  const targets = await Promise.all(names.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => '')))
  return targets.filter((target) => target.startsWith(`${directory}/`))
}
