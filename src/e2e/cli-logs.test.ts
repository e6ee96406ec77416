import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { after, before, describe, test } from 'node:test'
import { app } from '../testing/apps.ts'
import { interrupt } from '../testing/command.ts'
import { type CommandLine, commandLine } from '../testing/command-line.ts'
import { assertLive } from '../testing/git-output.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { until } from '../testing/until.ts'
import { workTree } from '../testing/work-tree.ts'

describe('logs -f', { timeout: 180_000 }, () => {
  let pilot: Pilot
  let user: CommandLine

  before(async () => {
    // a port of its own, so that the server comes back where the client looks for it
    pilot = await startPilot()
    user = await commandLine()
    await user.login(pilot)
    const tree = await workTree(
      app(`let n = 0
require('node:http').createServer((q, s) => {
  if (q.url.startsWith('/say/')) for (const word of q.url.slice(5).split(',')) console.log('said ' + word)
  if (q.url === '/err') console.error('went wrong')
  s.end('ok')
}).listen(process.env.PORT)
setInterval(() => console.log('tick ' + ++n), 100)`),
    )
    assertLive(await tree.push(pilot.remote('shop')), 1)
    await tree.remove()
  })
  after(async () => {
    await user?.remove()
    await pilot?.stop()
  })

  /** Follows until `enough` says so, then presses Ctrl-C. */
  const following = (args: readonly string[], enough: (out: string) => boolean) => {
    let seen = ''
    let child: ChildProcess | undefined
    let done = false
    const running = user.run(['logs', '-f', '-p', 'shop', ...args], {
      onOutput(text, from) {
        seen += text
        child = from
        if (done || !enough(seen)) return
        done = true
        interrupt(from)
      },
    })
    return { running, seen: () => seen, interrupt: () => child && interrupt(child) }
  }

  test('lines come as they are written, until Ctrl-C', async () => {
    const { running, seen } = following(['-n', '5'], (out) => out.includes('said now'))
    await until('the first line', () => seen().includes('tick'))
    await pilot.app('shop', '/say/now')
    const { code, out } = await running
    assert.equal(code, 130)
    assert.match(out, /^\d{4}-\S+Z web\.1 {2}said now$/m)
  })

  test('over a server that is killed and comes back, no line is lost and none comes twice', async () => {
    const { running, seen, interrupt: stop } = following(['-n', '1', '--json', '-q', 'tick'], () => false)
    const ticks = () => [...seen().matchAll(/"line":"tick (\d+)"/g)].map(([, n]) => Number(n))
    await until('some lines', () => ticks().length > 5)
    pilot.signal('SIGKILL')
    await pilot.exited()
    const before = ticks().length
    await pilot.start()
    await until('lines after the break', () => ticks().length > before + 30, 40_000)
    stop()
    const { code, out, err } = await running
    assert.equal(code, 130)
    assert.match(err, /the connection broke; again in/)
    const found = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { time: string; line: string; instance: string })
    const numbers = found.map(({ line }) => Number(line.replace('tick ', '')))
    const wanted = Array.from({ length: numbers.length }, (_, i) => (numbers[0] ?? 0) + i)
    assert.deepEqual(numbers, wanted)
    assert.deepEqual(Object.keys(found[0] ?? {}).slice(0, 4), ['time', 'instance', 'stream', 'line'])
  })

  test('only what is asked for is followed', async () => {
    const { running, seen } = following(['-n', '1', '--stream', 'err'], (out) => out.includes('went wrong'))
    await until('the connection', async () => {
      await pilot.app('shop', '/err')
      return seen().includes('went wrong')
    })
    const { out } = await running
    assert.match(out, /^\S+Z web\.1 err {2}went wrong$/m)
    assert.doesNotMatch(out, /tick/)
  })

  test('a project that is not there ends it at once', async () => {
    const away = await user.run(['logs', '-f', '-p', 'no-such-project'])
    assert.equal(away.code, 4, away.all)
  })
})
