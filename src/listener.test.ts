import assert from 'node:assert/strict'
import { once } from 'node:events'
import { stat, writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:http'
import net from 'node:net'
import path from 'node:path'
import { test } from 'node:test'
import { isRefusal } from './engine/domain/refusal.ts'
import { closeServer, listenOnSocket } from './listener.ts'
import { removeDirectory, temporaryDirectory } from './testing/temporary.ts'

async function withSocket(work: (file: string) => Promise<void>): Promise<void> {
  const directory = await temporaryDirectory('listen')
  try {
    await work(path.join(directory, 'server.sock'))
  } finally {
    await removeDirectory(directory)
  }
}

test('a home has one server: the second is refused while the first answers', async () => {
  await withSocket(async (file) => {
    const first = await listenOnSocket(file)
    await assert.rejects(listenOnSocket(file), (error) => isRefusal(error, 'conflict'))
    await closeServer(first)
    await closeServer(await listenOnSocket(file))
  })
})

test('nobody but the owner can speak to the socket', async () => {
  await withSocket(async (file) => {
    const server = await listenOnSocket(file)
    assert.equal((await stat(file)).mode & 0o777, 0o600)
    await closeServer(server)
  })
})

test('what a dead server left in place of its socket is no hindrance', async () => {
  await withSocket(async (file) => {
    await writeFile(file, '')
    await closeServer(await listenOnSocket(file))
  })
})

test('a path too long for a socket is refused with what to do', async () => {
  await assert.rejects(listenOnSocket(`/tmp/${'x'.repeat(110)}`), (error) => isRefusal(error, 'invalid'))
})

test('closing lets a request under way finish, and a silent connection does not hold it up for ever', async () => {
  await withSocket(async (file) => {
    const server = await listenOnSocket(file)
    const idle = net.connect(file)
    await once(idle, 'connect')
    server.on('request', (_request, response) => {
      response.write('half, ')
      setImmediate(() => response.end('whole'))
    })
    const asking = request({ socketPath: file, path: '/' }).end()
    const [response] = (await once(asking, 'response')) as [IncomingMessage]
    const closing = closeServer(server)
    let text = ''
    for await (const chunk of response) text += chunk
    assert.equal(text, 'half, whole')
    await closing
    if (!idle.closed) await once(idle, 'close')
  })
})

test('a connection that never ends is cut off after a moment', async () => {
  await withSocket(async (file) => {
    const server = await listenOnSocket(file)
    const asking = request({ socketPath: file, path: '/' }).end()
    server.on('request', (_request, response) => void response.write('…'))
    const [response] = (await once(asking, 'response')) as [IncomingMessage]
    const cut = once(response, 'error')
    response.resume()
    await closeServer(server)
    await cut
  })
})
