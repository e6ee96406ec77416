import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { hello } from '../testing/apps.ts'
import { startBrowser, type TestBrowser, type Visitor } from '../testing/browser.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { until } from '../testing/until.ts'
import { type WorkTree, workTree } from '../testing/work-tree.ts'

const talker = hello(
  'v1',
  `const { say, times, to } = Object.fromEntries(new URL(q.url, 'http://x').searchParams)
  for (let n = 0; n < Number(times ?? 0); n++) console[to === 'err' ? 'error' : 'log'](say + ' ' + n)`,
)

describe('logs in a browser', { timeout: 240_000 }, () => {
  let pilot: Pilot
  let tree: WorkTree
  let browser: TestBrowser
  const say = async (text: string, times: number, to = 'out') => {
    const path = `/?say=${encodeURIComponent(text)}&times=${times}&to=${to}`
    assert.equal((await pilot.app('shop', path)).status, 200)
  }
  /** The text of the rows that contain a word, without time and instance. */
  const rows = (who: Visitor, word: string) =>
    who.page.evaluate<string[]>(
      `[...document.querySelectorAll('[data-log-rows] > div:not([hidden])')].map((row) => row.textContent)
        .filter((text) => text.includes(${JSON.stringify(word)})).map((text) => text.replace(/^[\\d:]+ \\S+ /, ''))`,
    )
  // asked again and again: the policy of the page lets no text become a function to wait with
  const untilRows = (who: Visitor, word: string, count: number) =>
    until(
      `${count} rows with ${word}`,
      async () => (await rows(who, word)).length >= count || undefined,
      30_000,
    )
  const status = (who: Visitor, words: string) =>
    until(
      `the status ${words}`,
      async () => {
        const text = await who.page.locator('[data-log-status]').textContent()
        return text?.startsWith(words) || undefined
      },
      30_000,
    )

  before(async () => {
    pilot = await startPilot()
    tree = await workTree(talker)
    const pushed = await tree.push(pilot.remote('shop'))
    assert.equal(pushed.code, 0, pushed.all)
    browser = await startBrowser()
  })
  after(async () => {
    await browser?.close()
    await tree?.remove()
    await pilot?.stop()
  })

  test('the page has the last lines, goes on from there, and loses nothing over a restart of the server', async () => {
    await say('begin', 10)
    const who = await browser.visit(pilot)
    await who.open('/projects/shop/logs')
    await untilRows(who, 'begin', 10)
    await status(who, 'live')
    await say('first', 300)
    await untilRows(who, 'first', 300)
    pilot.signal('SIGTERM')
    await pilot.exited()
    await status(who, 'reconnecting')
    await say('away', 300)
    await pilot.start()
    await untilRows(who, 'away', 300)
    await say('back', 10)
    await untilRows(who, 'back', 10)
    for (const [word, count] of [
      ['begin', 10],
      ['first', 300],
      ['away', 300],
      ['back', 10],
    ] as const) {
      assert.deepEqual(
        await rows(who, word),
        Array.from({ length: count }, (_, n) => `${word} ${n}`),
      )
    }
    await who.context.close()
  })

  test('what an app writes is never markup, and its colours become classes', async () => {
    const who = await browser.visit(pilot)
    await who.open('/projects/shop/logs')
    await status(who, 'live')
    const hostile = '<img src=x onerror=alert(1)>\u001b[1;31mred\u001b[0m\u001b]0;title\u0007\u001b[2J end'
    await say(hostile, 1)
    await untilRows(who, 'end 0', 1)
    assert.deepEqual(await rows(who, 'onerror'), ['<img src=x onerror=alert(1)>red end 0'])
    assert.equal(await who.page.locator('[data-log-rows] img').count(), 0)
    assert.equal(await who.page.locator('[data-log-rows] .a-bold.a-fg-red').first().textContent(), 'red')
    await who.page.reload()
    await untilRows(who, 'end 0', 1)
    assert.equal(await who.page.locator('[data-log-rows] .a-bold.a-fg-red').first().textContent(), 'red')
    assert.deepEqual(who.complaints, [])
    await who.context.close()
  })

  test('lines are filtered by text and stream, searched, and followed or not', async () => {
    await say('apple', 30)
    await say('pear', 30, 'err')
    const who = await browser.visit(pilot)
    await who.open('/projects/shop/logs')
    await untilRows(who, 'pear', 30)
    await who.page.getByLabel('Stream').selectOption('err')
    await untilRows(who, 'pear', 30)
    assert.deepEqual(await rows(who, 'apple'), [])
    await who.page.getByLabel('Stream').selectOption('')
    await untilRows(who, 'apple', 30)
    await who.page.getByLabel('Filter').fill('apple 2')
    assert.equal((await rows(who, 'apple')).length, 11)
    assert.deepEqual(await rows(who, 'pear'), [])
    await who.page.getByLabel('Filter').press('Enter')
    await untilRows(who, 'apple 2', 11)
    await who.page.getByLabel('Search').fill('apple 29')
    await who.page.getByRole('button', { name: 'Next match' }).click()
    await who.page.getByText('1 of 1').waitFor()
    const follow = who.page.getByRole('button', { name: 'Follow' })
    assert.equal(await follow.getAttribute('aria-pressed'), 'false')
    await follow.click()
    assert.equal(await follow.getAttribute('aria-pressed'), 'true')
    assert.deepEqual(who.complaints, [])
    await who.context.close()
  })

  test('without script the page shows the last lines, filtered by the form', async () => {
    const who = await browser.visit(pilot, { javaScript: false })
    await who.open('/projects/shop/logs')
    assert.match(await who.page.locator('[data-log-rows]').innerText(), /pear 29/)
    await who.page.getByLabel('Filter').fill('apple 7')
    await who.page.getByRole('button', { name: 'Apply' }).click()
    const text = await who.page.locator('[data-log-rows]').innerText()
    assert.match(text, /apple 7/)
    assert.doesNotMatch(text, /pear/)
    await who.context.close()
  })
})
