import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { isRefusal } from '../../domain/refusal.ts'
import { createFrameReader, DaemonError, encodeFrame, openBus, openRpc } from './wire.ts'

let home = ''
let server: Server
let peers: Socket[] = []
let answer: (args: Buffer[], socket: Socket) => void = () => {}

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'wire-'))
  peers = []
  server = createServer((socket) => {
    peers.push(socket)
    socket.on('error', () => {})
    socket.on(
      'data',
      createFrameReader((args) => answer(args, socket)),
    )
  })
})
afterEach(async () => {
  for (const peer of peers) peer.destroy()
  await new Promise((resolve) => server.close(resolve))
  await rm(home, { recursive: true, force: true })
})

function listen(name: string): Promise<void> {
  return new Promise((resolve) => server.listen(join(home, name), resolve))
}

function reply(socket: Socket, id: Buffer | undefined, value: unknown) {
  socket.write(encodeFrame([Buffer.from(`j:${JSON.stringify(value)}`), id ?? Buffer.alloc(0)]))
}

test('frames survive any cut, also in the middle of a character', () => {
  const frames = [[Buffer.from('s:é')], [Buffer.from('j:{}'), Buffer.alloc(70_000, 7)], [Buffer.from('s:')]]
  const bytes = Buffer.concat(frames.map(encodeFrame))
  for (const size of [1, 2, 3, 7, 4096, bytes.length]) {
    const seen: Buffer[][] = []
    const read = createFrameReader((args) => seen.push(args.map((arg) => Buffer.from(arg))))
    for (let at = 0; at < bytes.length; at += size) read(bytes.subarray(at, at + size))
    assert.deepEqual(seen, frames, `in portions of ${size}`)
  }
})

test('a call gets its own answer, whatever the order of answers', async () => {
  const waiting: [Buffer | undefined, string, Socket][] = []
  answer = ([call, id], socket) => {
    const { type, method } = JSON.parse(call?.toString('utf8', 2) ?? '')
    assert.equal(type, 'call')
    waiting.push([id && Buffer.from(id), method, socket])
    if (waiting.length < 2) return
    for (const [each, name, peer] of waiting.reverse()) reply(peer, each, { args: [`${name} done`] })
  }
  await listen('rpc.sock')
  const rpc = await openRpc(home, () => {})
  const answers = await Promise.all([rpc.call('one', [], 5_000), rpc.call('two', [], 5_000)])
  assert.deepEqual(answers, ['one done', 'two done'])
  rpc.close()
})

test("the daemon's own no keeps its words", async () => {
  answer = ([, id], socket) => reply(socket, id, { error: 'EMFILE: too many open files', stack: '…' })
  await listen('rpc.sock')
  const rpc = await openRpc(home, () => {})
  await assert.rejects(rpc.call('prepare', [], 5_000), (error) => {
    return error instanceof DaemonError && error.message === 'EMFILE: too many open files'
  })
  rpc.close()
})

test('a call without an answer is refused when its time is over', async () => {
  answer = () => {}
  await listen('rpc.sock')
  const rpc = await openRpc(home, () => {})
  await assert.rejects(rpc.call('ping', [], 30), (error) => isRefusal(error, 'unavailable'))
  rpc.close()
})

test('every pending call is refused when the connection closes, and every later one', async () => {
  answer = (_args, socket) => socket.destroy()
  await listen('rpc.sock')
  let closed = 0
  const rpc = await openRpc(home, () => closed++)
  const refused = (error: unknown) => isRefusal(error, 'unavailable')
  await Promise.all([
    assert.rejects(rpc.call('one', [], 5_000), refused),
    assert.rejects(rpc.call('two', [], 5_000), refused),
  ])
  await assert.rejects(rpc.call('three', [], 5_000), refused)
  assert.equal(closed, 1)
})

test('garbage on the wire closes the connection', async () => {
  answer = (_args, socket) => socket.write(Buffer.from([0x11, 0xff, 0xff, 0xff, 0xff, 0x00]))
  await listen('rpc.sock')
  const rpc = await openRpc(home, () => {})
  await assert.rejects(rpc.call('ping', [], 5_000), (error) => isRefusal(error, 'unavailable'))
})

test('only wanted events are read', async () => {
  await listen('pub.sock')
  const seen: unknown[] = []
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve))
  const heard = new Promise<void>((resolve) => {
    void openBus(
      home,
      new Set(['log:PM2']),
      (name, data) => {
        seen.push([name, data])
        resolve()
      },
      () => {},
    )
  })
  const peer = await accepted
  peer.write(encodeFrame([Buffer.from('s:log:out'), Buffer.from('j:{ not even JSON')]))
  peer.write(encodeFrame([Buffer.from('s:log:PM2'), Buffer.from('j:{"data":"x"}')]))
  await heard
  assert.deepEqual(seen, [['log:PM2', { data: 'x' }]])
})

test('without a daemon the error of the system comes through', async () => {
  await assert.rejects(
    openRpc(home, () => {}),
    { code: 'ENOENT' },
  )
})
