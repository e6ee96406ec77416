import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { WebSocket } from 'ws'
import { hello } from '../testing/apps.ts'
import { viewEvents } from '../testing/events.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { answered } from '../testing/project.ts'
import { type WorkTree, workTree } from '../testing/work-tree.ts'

/** `/?say=x&times=3` writes "x 0", "x 1", "x 2"; `&to=err` to the other stream. */
const talker = hello(
  'v1',
  `const { say, times, to } = Object.fromEntries(new URL(q.url, 'http://x').searchParams)
  for (let n = 0; n < Number(times ?? 0); n++) console[to === 'err' ? 'error' : 'log'](say + ' ' + n)`,
)

interface ShownLine {
  readonly time: string
  readonly instance: string
  readonly stream: string
  readonly line: string
  readonly gap?: number
}

describe('logs', { timeout: 240_000 }, () => {
  let pilot: Pilot
  let tree: WorkTree
  const say = async (text: string, times: number, to = 'out') => {
    const path = `/?say=${encodeURIComponent(text)}&times=${times}&to=${to}`
    assert.equal((await pilot.app('shop', path)).status, 200)
  }
  const bearer = () => ({ authorization: `Bearer ${pilot.token}` })
  const stream = (query = '', project = 'shop') => `/api/project/${project}/logs/stream${query}`
  const open = (query = '', options: object = {}, protocols: string[] = []) =>
    new WebSocket(pilot.url.replace('http', 'ws') + stream(query), protocols, options)

  before(async () => {
    pilot = await startPilot()
    tree = await workTree(talker)
    const pushed = await tree.push(pilot.remote('shop'))
    assert.equal(pushed.code, 0, pushed.all)
  })
  after(async () => {
    await tree?.remove()
    await pilot?.stop()
  })

  test('over a WebSocket come the newest lines, then each new one, one object a frame', async () => {
    await say('early', 5)
    await lineInLog('early 4')
    const socket = open('?lines=3&q=early', { headers: bearer() })
    const frames = collect(socket)
    await frames.until(3)
    await say('early again', 2, 'err')
    const lines = await frames.until(5)
    assert.deepEqual(
      lines.map(({ line }) => line),
      ['early 2', 'early 3', 'early 4', 'early again 0', 'early again 1'],
    )
    assert.deepEqual(Object.keys(lines[0] ?? {}), ['time', 'instance', 'stream', 'line'])
    assert.deepEqual(
      lines.map(({ stream }) => stream),
      ['out', 'out', 'out', 'err', 'err'],
    )
    assert.ok(lines.every(({ instance, time }) => instance === 'web.1' && !Number.isNaN(Date.parse(time))))
    socket.close()
    await once(socket, 'close')
  })

  test('a browser hands its token over as a protocol, and never gets it back', async () => {
    const socket = open('?lines=1', {}, ['nodepilot', `bearer.${pilot.token}`])
    await once(socket, 'open')
    assert.equal(socket.protocol, 'nodepilot')
    socket.close()
    await once(socket, 'close')
  })

  test('a foreign page, a stranger, another project and an unknown address are refused before any frame', async () => {
    const other = answered(
      await pilot.api('/api/project/create', { method: 'POST', body: { name: 'other' } }),
      201,
    )
    assert.ok(other)
    const made = await pilot.api('/api/auth/tokens', {
      method: 'POST',
      body: { name: 'other only', scope: 'read', project: 'other' },
    })
    const { token } = answered(made, 201).json<{ token: string }>()
    const refusals: [number, string, Record<string, string>][] = [
      [403, stream(), { ...bearer(), origin: 'http://evil.example' }],
      [403, stream(), { ...bearer(), origin: 'null' }],
      [401, stream(), {}],
      [401, stream(), { authorization: 'Bearer np_nothing' }],
      [401, stream(), { 'sec-websocket-protocol': 'bearer.np_nothing' }],
      [403, stream(), { authorization: `Bearer ${token}` }],
      [404, stream('', 'nobody'), bearer()],
      [422, stream('?lines=many'), bearer()],
      [404, '/api/project/list', bearer()],
      [404, '/nowhere', bearer()],
    ]
    for (const [status, path, headers] of refusals) {
      assert.equal(await knock(path, headers), status, `${path} ${JSON.stringify(headers)}`)
    }
    const own = { ...bearer(), origin: pilot.url }
    assert.equal(await knock(stream(), own), 101)
  })

  test('events go on right where they broke, over a restart of the server', async () => {
    const viewer = await viewEvents(pilot.url + stream('?lines=0&q=step'), bearer())
    assert.equal(viewer.type, 'text/event-stream')
    await say('step one', 50)
    await viewer.until(50)
    pilot.signal('SIGTERM')
    await pilot.exited()
    await viewer.ended()
    // the app and the front door are still there
    await say('step two', 50)
    await pilot.start()
    const back = await viewEvents(pilot.url + stream('?q=step'), {
      ...bearer(),
      'last-event-id': viewer.lastId(),
    })
    await say('step three', 50)
    const events = [...viewer.seen, ...(await back.until(100))]
    const expected = ['one', 'two', 'three'].flatMap((word) =>
      Array.from({ length: 50 }, (_, n) => `step ${word} ${n}`),
    )
    assert.deepEqual(
      events.map(({ data }) => (JSON.parse(data) as ShownLine).line),
      expected,
    )
    back.leave()
  })

  test('lines come in batches for who asks, and a bad place is refused', async () => {
    const viewer = await viewEvents(pilot.url + stream('?lines=20&q=step&batch=1'), bearer())
    const [first] = await viewer.until(1)
    assert.equal((JSON.parse(first?.data ?? '') as ShownLine[]).length, 20)
    viewer.leave()
    assert.equal(
      (await pilot.api(stream('?after=x'), { headers: { accept: 'text/event-stream' } })).status,
      422,
    )
    assert.equal((await pilot.api(stream())).status, 406)
  })

  test('a viewer that stops reading gets the number of what it missed, and others do not wait', async () => {
    const slow = open('?lines=1', { headers: bearer() })
    const frames = collect(slow)
    await frames.until(1)
    slow.pause()
    const wide = 'x'.repeat(500)
    for (let round = 0; round < 12; round++) await say(`${wide} ${round}`, 5_000)
    await lineInLog('x 11 4999')
    await say('the end', 1)
    await lineInLog('the end 0')
    slow.resume()
    const lines = await frames.until((all) => all.at(-1)?.line === 'the end 0')
    const missed = lines.reduce((sum, { gap }) => sum + (gap ?? 0), 0)
    assert.ok(missed > 0, `${lines.length} lines, none missed`)
    assert.equal(lines.filter(({ gap }) => gap === undefined).length + missed, 1 + 60_001)
    slow.terminate()
  })

  test('the whole log is a file to download', async () => {
    const answer = await pilot.api('/api/project/shop/logs/download?q=step&type=web')
    assert.match(String(answer.headers['content-disposition']), /^attachment; filename="shop\.log"$/)
    const lines = answer.text.trimEnd().split('\n')
    assert.equal(lines.length, 150)
    assert.match(lines[0] ?? '', /^\d{4}-\d\d-\d\dT[\d:.]+Z web\.1 out step one 0$/)
  })

  async function lineInLog(line: string): Promise<void> {
    const viewer = await viewEvents(pilot.url + stream(`?lines=1&q=${encodeURIComponent(line)}`), bearer())
    await viewer.until(1)
    viewer.leave()
  }

  /** The status of the answer to an upgrade; nothing but that answer may come. */
  function knock(path: string, headers: Record<string, string>): Promise<number> {
    return new Promise((resolve, reject) => {
      const asked = request(pilot.url + path, {
        agent: false,
        headers: {
          connection: 'Upgrade',
          upgrade: 'websocket',
          'sec-websocket-version': '13',
          'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
          ...headers,
        },
      })
      asked.on('error', reject)
      asked.on('upgrade', (_, socket) => {
        socket.destroy()
        resolve(101)
      })
      asked.on('response', (answer) => {
        answer.resume()
        answer.on('end', () => resolve(answer.statusCode ?? 0))
      })
      asked.end()
    })
  }
})

function collect(socket: WebSocket) {
  const lines: ShownLine[] = []
  let grown = () => {}
  socket.on('message', (data) => {
    lines.push(JSON.parse(String(data)))
    grown()
  })
  return {
    async until(wanted: number | ((lines: readonly ShownLine[]) => boolean)): Promise<ShownLine[]> {
      const enough = typeof wanted === 'number' ? () => lines.length >= wanted : () => wanted(lines)
      const late = AbortSignal.timeout(30_000)
      while (!enough()) {
        await new Promise<void>((resolve, reject) => {
          grown = resolve
          late.onabort = () => reject(new Error(`${lines.length} lines: ${JSON.stringify(lines.at(-1))}`))
        })
      }
      return lines
    },
  }
}
