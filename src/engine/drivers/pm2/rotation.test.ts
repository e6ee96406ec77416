import assert from 'node:assert/strict'
import { readdir, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { createFollowers } from '../../app-log/follow.ts'
import { readWhole } from '../../app-log/whole.ts'
import { readAppLog } from '../../app-log.ts'
import { nothingHidden } from '../../domain/redact.ts'
import { until } from '../runtime.suite.ts'
import { openPm2Lab, type Pm2Lab } from './lab.suite.ts'

const limits = { limitBytes: 200_000, keep: 3 }
const count = 30_000

/** As fast as it can: some ten thousand lines a second. */
const spammer = `node -e "
let n = 0
const more = () => { for (let i = 0; i < 500 && n < ${count}; i++) console.log('line ' + n++ + ' '.repeat(60)); if (n < ${count}) setTimeout(more, 20) }
more(); setInterval(() => {}, 1000)"`

describe('logs of real processes rotate', { timeout: 120_000 }, () => {
  let lab: Pm2Lab
  before(async () => {
    lab = await openPm2Lab()
    await lab.runtime.close()
    const runtime = lab.reopen({ logs: limits })
    await runtime.connect()
    lab = { ...lab, runtime }
  })
  after(() => lab?.close())

  test('a burst stays within the disk it may have, and a follower gets every line once or a gap', async () => {
    const group = lab.group('spam', spammer)
    const directory = group.logDirectory
    const left = new AbortController()
    const followers = createFollowers({ clock: Date.now, onError: (error) => assert.ifError(error) })
    const seen: number[] = []
    let gaps = 0
    const following = (async () => {
      for await (const { entries } of followers.follow(logIn(directory), { lines: 100_000 }, left.signal)) {
        for (const entry of entries) {
          if ('gap' in entry) gaps++
          else if (entry.line.startsWith('line ')) seen.push(Number(entry.line.slice(5).trim()))
        }
      }
    })()
    let largest = 0
    try {
      await lab.runtime.start(group)
      await until(async () => {
        largest = Math.max(largest, await bytesIn(directory))
        return seen.at(-1) === count - 1
      }, 30_000)
    } finally {
      left.abort()
      await following
    }
    // a record is one write of the app: what one pipe holds
    assert.ok(largest <= limits.limitBytes * (limits.keep + 1) + 200_000, `${largest} bytes`)
    assert.deepEqual(seen, [...new Set(seen)], 'none twice')
    assert.deepEqual(
      seen,
      [...seen].sort((a, b) => a - b),
      'in order',
    )
    // how much a follower that falls behind misses is a matter of the machine, that it is told is not
    const jumps = seen.filter((line, at) => line !== (seen[at - 1] ?? -1) + 1).length
    assert.ok(jumps <= gaps, `${jumps} jumps, ${gaps} gaps`)
    if (gaps === 0) assert.equal(seen.length, count)
    const names = await readdir(directory)
    assert.equal(names.length, limits.keep + 1, names.join())
    const newest = await readAppLog(logIn(directory), { lines: 3_000 })
    assert.equal(newest.at(-1)?.line.trim(), `line ${count - 1}`)
    assert.equal(newest.length, 3_000)
    const whole: number[] = []
    for await (const { line } of readWhole(logIn(directory), {}, new AbortController().signal)) {
      whole.push(Number(line.slice(5)))
    }
    const first = whole[0] ?? 0
    assert.deepEqual(
      whole,
      Array.from({ length: count - first }, (_, n) => first + n),
    )
    assert.deepEqual(seen.slice(-whole.length), whole, 'nothing that is still there was missed')
    await lab.runtime.stop(group, 1_000)
  })

  test('the last lines before a crash are there, however many', async () => {
    const group = lab.group(
      'dying',
      `node -e "for (let n = 0; n < 300; n++) console.error('last ' + n); process.exitCode = 1"`,
    )
    await lab.runtime.start(group)
    await until(async () => {
      const lines = await readAppLog(logIn(group.logDirectory), { lines: 10_000, generation: 1 })
      return lines.filter(({ line }) => line === 'last 299').length >= 2
    })
    const lines = await readAppLog(logIn(group.logDirectory), { lines: 300 })
    assert.equal(lines.length, 300)
    await lab.runtime.stop(group, 1_000)
  })

  test("the daemon's own log is cut, and keeps one older part", async () => {
    const { appendFile } = await import('node:fs/promises')
    const { capDaemonLog } = await import('./daemon.ts')
    const log = path.join(lab.pm2Home, 'pm2.log')
    await appendFile(log, 'x'.repeat(6_000_000))
    await capDaemonLog(lab.pm2Home)
    assert.ok((await stat(log)).size < 100_000)
    assert.match((await readFile(`${log}.1`, 'utf8')).slice(-10), /^x+$/)
  })
})

async function bytesIn(directory: string): Promise<number> {
  const names = await readdir(directory).catch(() => [] as string[])
  const sizes = await Promise.all(
    names.map((name) =>
      stat(path.join(directory, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}

function logIn(directory: string) {
  return { directory, hiding: () => nothingHidden }
}
