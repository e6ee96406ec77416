import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { isIP } from 'node:net'
import { type TestContext, test } from 'node:test'
import { createNetwork } from './network.ts'

type Answers = Readonly<
  Record<string, { readonly a?: readonly string[]; readonly cname?: string } | 'broken'>
>

/** A DNS server with these names and no others; `broken` ones are answered with SERVFAIL. */
async function dnsServer(t: TestContext, names: Answers): Promise<string> {
  const socket = createSocket('udp4')
  socket.on('message', (message, from) => socket.send(reply(message, names), from.port, from.address))
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.after(() => socket.close())
  return `127.0.0.1:${(socket.address() as AddressInfo).port}`
}

/** RFC 1035 4: the question back, and what is known. */
function reply(message: Buffer, names: Answers): Buffer {
  const { name, end } = readName(message, 12)
  const type = message.readUInt16BE(end)
  const question = message.subarray(12, end + 4)
  const known = names[name]
  const records =
    known === undefined || known === 'broken' ? [] : recordsOf(known, type, names, message.subarray(12, end))
  const head = Buffer.alloc(12)
  message.copy(head, 0, 0, 2)
  head.writeUInt16BE(0x8180 + (known === 'broken' ? 2 : known === undefined ? 3 : 0), 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt16BE(records.length, 6)
  return Buffer.concat([head, question, ...records])
}

function recordsOf(
  { a = [], cname }: Exclude<Answers[string], 'broken'>,
  type: number,
  names: Answers,
  owner: Buffer,
): Buffer[] {
  if (cname !== undefined) {
    const target = names[cname]
    const encoded = encodeName(cname)
    const rest = target && target !== 'broken' ? recordsOf(target, type, names, encoded) : []
    return [record(owner, 5, encoded), ...rest]
  }
  return type === 1 ? a.map((address) => record(owner, 1, Buffer.from(address.split('.').map(Number)))) : []
}

function record(owner: Buffer, type: number, data: Buffer): Buffer {
  const middle = Buffer.from([0, type, 0, 1, 0, 0, 0, 60, 0, data.length])
  return Buffer.concat([owner, middle, data])
}

function encodeName(name: string): Buffer {
  const labels = name.split('.').flatMap((label) => [Buffer.from([label.length]), Buffer.from(label)])
  return Buffer.concat([...labels, Buffer.from([0])])
}

function readName(message: Buffer, at: number): { name: string; end: number } {
  const labels: string[] = []
  for (;;) {
    const length = message[at] ?? 0
    if (length === 0) return { name: labels.join('.').toLowerCase(), end: at + 1 }
    labels.push(message.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
}

test('a name is followed to its addresses, through aliases too', async (t) => {
  const server = await dnsServer(t, {
    'shop.example': { a: ['192.0.2.7', '192.0.2.1'] },
    'www.shop.example': { cname: 'shop.example' },
  })
  const network = createNetwork({ servers: [server] })
  assert.deepEqual(await network.resolve('shop.example'), ['192.0.2.1', '192.0.2.7'])
  assert.deepEqual(await network.resolve('www.shop.example'), ['192.0.2.1', '192.0.2.7'])
})

test('a name nobody has leads nowhere, which is not the same as no answer', async (t) => {
  const server = await dnsServer(t, { 'broken.example': 'broken' })
  const network = createNetwork({ servers: [server], timeoutMs: 600 })
  assert.deepEqual(await network.resolve('nobody.example'), [])
  assert.equal(await network.resolve('broken.example'), null)
})

test('a resolver that is silent is waited for so long and no longer', async (t) => {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.after(() => socket.close())
  const servers = [`127.0.0.1:${(socket.address() as AddressInfo).port}`]
  const began = performance.now()
  assert.equal(await createNetwork({ servers, timeoutMs: 300 }).resolve('shop.example'), null)
  assert.ok(performance.now() - began < 5_000)
})

test('this machine knows its own addresses, and loopback is none of them', () => {
  for (const address of createNetwork().addresses()) {
    assert.notEqual(isIP(address), 0)
    assert.doesNotMatch(address, /^(127\.|::1$|fe80)/i)
  }
})
