import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdirSync, readlinkSync } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import net, { type AddressInfo } from 'node:net'
import path from 'node:path'
import { test } from 'node:test'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { z } from 'zod'
import { type Answer, ask, type Question } from '../testing/ask.ts'
import { removeDirectory, temporaryDirectory } from '../testing/temporary.ts'
import { until } from '../testing/until.ts'
import { createErrorHandler } from './errors.ts'
import { readJson, readQuery } from './input.ts'
import type { Env, Services } from './services.ts'
import { openForm } from './upload.ts'

/** Bodies of requests over a real connection: JSON, forms, and all the ways they end badly. */

const limitBytes = 100_000

interface Rig {
  readonly url: string
  readonly port: number
  readonly uploads: string
  readonly reports: string[]
  post(to: string, question: Question): Promise<Answer>
}

async function withWeb(work: (rig: Rig) => Promise<void>): Promise<void> {
  const uploads = path.join(await temporaryDirectory('upload'), 'uploads')
  const reports: string[] = []
  const report = { info() {}, error: (message: string) => void reports.push(message) }
  const web = new Hono<Env>()
  const schema = z.strictObject({ name: z.string(), port: z.number().optional() })
  web.post('/json', async (c) => c.json(await readJson(c, schema)))
  web.get('/query', (c) => c.json(readQuery(c, z.object({ limit: z.coerce.number().int().max(10) }))))
  web.post('/form', async (c) => {
    const form = await openForm(c.env.incoming, { directory: uploads, limitBytes })
    try {
      const { mode } = form.file ? await stat(form.file.path) : { mode: 0 }
      const text = form.file ? await readFile(form.file.path, 'latin1') : null
      return c.json({ fields: form.fields, filename: form.file?.filename, text, mode: mode & 0o777 })
    } finally {
      await form.dispose()
    }
  })
  web.onError(createErrorHandler({ report } as unknown as Services))
  const listener = getRequestListener(web.fetch)
  const server = createServer((request, response) => void listener(request, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`
  const post = (to: string, question: Question) => ask(url, to, { method: 'POST', ...question })
  try {
    await work({ url, port, uploads, reports, post })
  } finally {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await removeDirectory(path.dirname(uploads))
  }
}

const json = { 'content-type': 'application/json' }
const left = (uploads: string) => readdir(uploads).catch(() => [])
const openFilesIn = (uploads: string) =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(uploads)
    } catch {
      return false
    }
  }).length

function formOf(parts: Readonly<Record<string, string | Blob>>): FormData {
  const form = new FormData()
  for (const [name, value] of Object.entries(parts)) {
    if (typeof value === 'string') form.append(name, value)
    else form.append(name, value, 'shop.zip')
  }
  return form
}

test('JSON is read by its schema, and what is wrong is named field by field', async () => {
  await withWeb(async ({ post }) => {
    assert.deepEqual((await post('/json', { body: { name: 'shop' } })).json(), { name: 'shop' })
    const wrong = await post('/json', { body: { port: 'x', extra: 1 } })
    assert.equal(wrong.status, 422)
    assert.equal(wrong.headers['content-type'], 'application/problem+json')
    const problem = wrong.json<{ code: string; errors: { field: string }[] }>()
    assert.equal(problem.code, 'invalid')
    assert.deepEqual(problem.errors.map(({ field }) => field).sort(), ['extra', 'name', 'port'])
  })
})

test('a body full of wrong fields is answered shortly', async () => {
  await withWeb(async ({ post }) => {
    const many = Object.fromEntries(Array.from({ length: 50_000 }, (_, n) => [`field-${n}`, n]))
    for (const body of [many, { ['x'.repeat(900_000)]: 1 }]) {
      const wrong = await post('/json', { body })
      assert.equal(wrong.status, 422)
      assert.ok(wrong.text.length < 10_000, String(wrong.text.length))
    }
  })
})

test('broken JSON is 400, another type 415, and an empty body is an empty object', async () => {
  await withWeb(async ({ post }) => {
    assert.equal((await post('/json', { body: '{', headers: json })).status, 400)
    const asText = await post('/json', { body: '{"name":"x"}', headers: { 'content-type': 'text/plain' } })
    assert.equal(asText.status, 415)
    assert.equal((await post('/json', {})).status, 422)
    const withSuffix = { 'content-type': 'application/merge-patch+json; charset=utf-8' }
    assert.equal((await post('/json', { body: '{"name":"x"}', headers: withSuffix })).status, 200)
    for (const odd of ['[]', 'null', '7', '"x"']) {
      assert.equal((await post('/json', { body: odd, headers: json })).status, 422, odd)
    }
  })
})

test('JSON over 1 MB is answered with 413, announced or in chunks, also when the client sends on', async () => {
  await withWeb(async ({ post, port }) => {
    const big = JSON.stringify({ name: 'x'.repeat(3_000_000) })
    assert.equal((await post('/json', { body: big, headers: json })).status, 413)
    const answer = await chunked(port, '/json', 'application/json', Array(50).fill('x'.repeat(65_536)))
    assert.match(answer, /^HTTP\/1\.1 413 /)
  })
})

test('a JSON body that is cut off hurts nobody and is no fault of ours', async () => {
  await withWeb(async ({ port, post, reports }) => {
    const socket = net.connect(port, '127.0.0.1')
    socket.write(
      'POST /json HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"na',
    )
    await once(socket, 'ready')
    socket.destroy()
    await once(socket, 'close')
    assert.equal((await post('/json', { body: { name: 'shop' } })).status, 200)
    assert.deepEqual(reports, [])
  })
})

test('a query is read by its schema', async () => {
  await withWeb(async ({ url }) => {
    assert.deepEqual((await ask(url, '/query?limit=3')).json(), { limit: 3 })
    assert.equal((await ask(url, '/query?limit=11')).status, 422)
    assert.equal((await ask(url, '/query?limit=x')).status, 422)
  })
})

test('a form goes to disk, readable for its owner only, and its file is gone afterwards', async () => {
  await withWeb(async ({ post, uploads }) => {
    const body = formOf({ name: 'Café', file: new Blob(['PK\u0003']) })
    assert.deepEqual((await post('/form', { body })).json(), {
      fields: { name: 'Café' },
      filename: 'shop.zip',
      text: 'PK\u0003',
      mode: 0o600,
    })
    assert.deepEqual(await left(uploads), [])
  })
})

test('a file over the limit is 413, announced or not, and leaves nothing', async () => {
  await withWeb(async ({ post, uploads, port }) => {
    const slightly = formOf({ file: new Blob([Buffer.alloc(limitBytes + 1)]) })
    assert.equal((await post('/form', { body: slightly })).status, 413)
    const announced = formOf({ file: new Blob([Buffer.alloc(limitBytes + 2_000_000)]) })
    assert.equal((await post('/form', { body: announced })).status, 413)
    const head = '--b\r\ncontent-disposition: form-data; name="file"; filename="a.zip"\r\n\r\n'
    const parts = [head, ...Array(50).fill('x'.repeat(65_536)), '\r\n--b--\r\n']
    assert.match(await chunked(port, '/form', 'multipart/form-data; boundary=b', parts), /^HTTP\/1\.1 413 /)
    assert.deepEqual(await left(uploads), [])
    assert.equal(openFilesIn(uploads), 0)
  })
})

test('a file of exactly the limit is taken', async () => {
  await withWeb(async ({ post }) => {
    const body = formOf({ file: new Blob([Buffer.alloc(limitBytes)]) })
    assert.equal((await post('/form', { body })).status, 200)
  })
})

test('a file in another field, a second file and a giant field are refused and leave nothing', async () => {
  await withWeb(async ({ post, uploads }) => {
    const wrongField = formOf({ archive: new Blob(['x']) })
    assert.equal((await post('/form', { body: wrongField })).status, 422)
    const twice = new FormData()
    for (let i = 0; i < 2; i++) twice.append('file', new Blob(['x'.repeat(70_000)]), 'a.zip')
    assert.equal((await post('/form', { body: twice })).status, 422)
    const giant = formOf({ file: new Blob(['x']), name: 'x'.repeat(1_000_001) })
    assert.equal((await post('/form', { body: giant })).status, 413)
    assert.deepEqual(await left(uploads), [])
    assert.equal(openFilesIn(uploads), 0)
  })
})

test('a form without boundary, or without end, is 400', async () => {
  await withWeb(async ({ post }) => {
    const headers = { 'content-type': 'multipart/form-data' }
    assert.equal((await post('/form', { body: 'x', headers })).status, 400)
    const open = { 'content-type': 'multipart/form-data; boundary=b' }
    const body = '--b\r\ncontent-disposition: form-data; name="file"; filename="a.zip"\r\n\r\nhalf'
    assert.equal((await post('/form', { body, headers: open })).status, 400)
  })
})

test('an upload that is cut off leaves no file and no open descriptor', async () => {
  await withWeb(async ({ port, uploads }) => {
    for (let i = 0; i < 5; i++) {
      const socket = net.connect(port, '127.0.0.1')
      socket.write(
        'POST /form HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=b\r\ncontent-length: 9999\r\n\r\n' +
          '--b\r\ncontent-disposition: form-data; name="file"; filename="a.zip"\r\n\r\nhalf of it',
      )
      await until('the file is there', async () => (await left(uploads)).length > 0)
      socket.destroy()
      await until('the file is gone', async () => (await left(uploads)).length === 0)
    }
    await until('all are closed', () => openFilesIn(uploads) === 0, 2_000)
  })
})

/** Sends chunks without announcing a length; resolves with the answer's beginning. */
async function chunked(port: number, to: string, type: string, parts: readonly string[]): Promise<string> {
  const socket = net.connect(port, '127.0.0.1')
  let answer = ''
  socket.on('data', (data) => {
    answer += data
  })
  socket.on('error', () => {})
  socket.write(
    `POST ${to} HTTP/1.1\r\nhost: x\r\ncontent-type: ${type}\r\ntransfer-encoding: chunked\r\n\r\n`,
  )
  for (const part of parts) {
    if (!socket.write(`${part.length.toString(16)}\r\n${part}\r\n`)) {
      await Promise.race([once(socket, 'drain'), once(socket, 'close')])
    }
    if (socket.destroyed) break
  }
  if (!socket.destroyed) socket.write('0\r\n\r\n')
  await until('an answer or the end', () => answer.includes('\r\n\r\n') || socket.destroyed, 5_000)
  socket.destroy()
  return answer
}
