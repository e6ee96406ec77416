import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { connect, createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import { mutations } from './fuzz.suite.ts'
import { type App, type RouterProcess, startApp, startRouterProcess, text, until } from './process.suite.ts'

const malformed = 12_000
const malformedAnswers = 3_000
const atOnce = 24

test('ten thousand malformed requests leave the router alive, its memory flat, and lose no good request', async (t) => {
  const router = await startRouterProcess(t)
  const app = await echo(t)
  const strict = strictly(app)
  await router.routes({ endpoints: [app] })
  const seeds = mutations(20_261_126)
  // What a process takes once for this kind of work is no leak.
  await all(2_000, () => sendMalformed(router, seeds.pieces(seeds.request())))
  const before = await privateKiB(router)
  const good = goodClient(router, 'shop.localhost')
  await all(malformed, () => sendMalformed(router, seeds.pieces(seeds.request())))
  const { asked, lost } = await good.stop()
  assert.deepEqual(lost, [])
  assert.ok(asked > 200, `${asked}`)
  // The app's own strict parser found nothing to refuse in what was let through.
  assert.deepEqual(strict, [])
  await until(async () => ((await router.client.status()).open === 0 ? true : null))
  const grown = (await privateKiB(router)) - before
  assert.ok(grown < 20_000, `grew by ${grown} KiB`)
  assert.equal(router.stderr(), '')
})

test('an app that answers nonsense harms nobody else, and its clients get whole answers or none', async (t) => {
  const router = await startRouterProcess(t)
  const seeds = mutations(5)
  const mad = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => {
      for (const piece of seeds.pieces(seeds.answer())) socket.write(piece)
      socket.end()
    })
  })
  mad.listen(0, '127.0.0.1')
  await once(mad, 'listening')
  t.after(() => mad.close())
  const { port } = mad.address() as { port: number }
  const endpoint = { host: '127.0.0.1', port }
  await router.routes({ endpoints: [await echo(t)] }, { project: 'mad', endpoints: [endpoint] })
  const good = goodClient(router, 'shop.localhost')
  let answered = 0
  await all(malformedAnswers, async () => {
    const head = ['Host: mad.localhost', 'Connection: Upgrade', 'Upgrade: websocket']
    const lines = answered % 3 === 0 ? head : head.slice(0, 1)
    await send(router, [Buffer.from(`GET / HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`)], 60)
    answered++
  })
  const { asked, lost } = await good.stop()
  assert.deepEqual([lost, answered], [[], malformedAnswers])
  assert.ok(asked > 50, `${asked}`)
  await until(async () => ((await router.client.status()).open === 0 ? true : null))
  assert.equal(router.stderr(), '')
})

function echo(t: TestContext): Promise<App> {
  return startApp(t, async (incoming, response) => {
    const body = await text(incoming).catch(() => '')
    response.end(`${incoming.method} ${incoming.url} ${body}`)
  })
}

/**
 * What the app's parser finds malformed. Not those that break off, methods that it does not know, and heads
 * above its own limit of 16 KiB: these are for an app to decide.
 */
function strictly({ server }: App): string[] {
  const refused: string[] = []
  const fair = ['HPE_INVALID_EOF_STATE', 'HPE_INVALID_METHOD', 'HPE_HEADER_OVERFLOW']
  server.on('clientError', (error: NodeJS.ErrnoException & { rawPacket?: Buffer }, socket) => {
    const code = error.code ?? ''
    if (code.startsWith('HPE_') && !fair.includes(code) && refused.length < 3)
      refused.push(`${code} ${error.rawPacket?.toString('latin1').slice(0, 200)}`)
    socket.destroy()
  })
  return refused
}

async function all(count: number, one: () => Promise<void>): Promise<void> {
  let left = count
  const worker = async () => {
    while (left-- > 0) await one()
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}

/** Most wait for the answer a moment; all leave in the end, some without a word. */
function sendMalformed(router: RouterProcess, pieces: readonly Buffer[]): Promise<void> {
  return send(router, pieces, pieces.length % 3 === 0 ? 0 : 25)
}

function send({ port }: RouterProcess, pieces: readonly Buffer[], patienceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    const timer = setTimeout(
      () => (patienceMs === 0 ? socket.resetAndDestroy() : socket.end()),
      patienceMs + 1,
    )
    socket.on('error', () => {})
    socket.resume()
    for (const piece of pieces) socket.write(piece)
    socket.once('close', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}

/** Asks on and on, and looks whether every answer is the one to its question. */
function goodClient({ port }: RouterProcess, host: string) {
  const agent = new Agent({ keepAlive: true, maxSockets: 4 })
  const lost: string[] = []
  let running = true
  let asked = 0
  const ask = (n: number) =>
    new Promise<string>((resolve, reject) => {
      const method = n % 2 === 0 ? 'GET' : 'POST'
      const options = { host: '127.0.0.1', port, agent, method, path: `/${n}`, headers: { host } }
      const outgoing = request(options, (incoming) => text(incoming).then(resolve, reject))
      outgoing.on('error', reject)
      outgoing.end(n % 2 === 0 ? undefined : `body ${n}`)
    })
  const client = async () => {
    while (running) {
      const n = asked++
      const expected = n % 2 === 0 ? `GET /${n} ` : `POST /${n} body ${n}`
      const found = await ask(n).catch((error: Error) => `lost: ${error.message}`)
      if (found !== expected) lost.push(`${expected}: ${found}`)
    }
  }
  const clients = [client(), client()]
  return {
    async stop() {
      running = false
      await Promise.all(clients)
      agent.destroy()
      return { asked, lost }
    },
  }
}

async function privateKiB({ child }: RouterProcess): Promise<number> {
  const rollup = await readFile(`/proc/${child.pid}/smaps_rollup`, 'utf8')
  return Number(/Private_Dirty:\s+(\d+)/.exec(rollup)?.[1])
}
