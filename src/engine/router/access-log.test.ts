import assert from 'node:assert/strict'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { get, startApp, startRouterProcess, until } from './process.suite.ts'

test('each request is a line in the combined format, without its query', async (t) => {
  const { router, file } = await shop(t)
  await get(router.port, {
    path: '/cart?token=secret',
    headers: { 'user-agent': 'curl/8', referer: 'https://mail.example/box?id=secret' },
  })
  await get(router.port, { path: '/500', method: 'POST', body: 'x' })
  const [first, second] = await records(file, 2)
  assert.match(
    first?.message ?? '',
    /^127\.0\.0\.1 - - \[\d{4}-.+Z\] "GET \/cart HTTP\/1\.1" 200 \d+ "https:\/\/mail\.example\/box" "curl\/8" \d+\.\dms \S+ http\n$/,
  )
  assert.match(second?.message ?? '', /"POST \/500 HTTP\/1\.1" 500 \d+ "-" "-"/)
  assert.deepEqual([first?.type, second?.type], ['out', 'err'])
  assert.equal(first?.app_name, 'shop/access.1/v7/g0')
  assert.doesNotMatch(await readFile(file, 'utf8'), /secret/)
})

test('nothing that a client sends ends its line or reaches a terminal', async (t) => {
  const { router, file } = await shop(t)
  await get(router.port, { path: '/"x', headers: { 'user-agent': 'a" \\ \x80\xff b' } })
  const [line] = await records(file, 1)
  assert.match(line?.message ?? '', /"GET \/\\x22x HTTP\/1\.1" 200 \d+ "-" "a\\x22 \\x5c \\x80\\xff b"/)
})

test('lines come together, and the last ones are written when the router ends', async (t) => {
  const { router, file } = await shop(t)
  await Promise.all(Array.from({ length: 200 }, (_, n) => get(router.port, { path: `/${n}/page` })))
  await router.kill('SIGTERM')
  const paths = new Set((await records(file, 200)).map(({ message }) => /"GET (\S+)/.exec(message)?.[1]))
  assert.equal(paths.size, 200)
})

test('a full part is put away and only so many stay', async (t) => {
  const { router, file, folder } = await shop(t, { limitBytes: 2_000, keep: 2 })
  for (let n = 0; n < 12; n++) {
    await Promise.all(Array.from({ length: 5 }, () => get(router.port, { path: `/${n}/` })))
    await until(async () =>
      (await readFile(file, 'utf8').catch(() => '')).includes(`/${n}/ `) ? true : null,
    )
  }
  // a part may still be on its way while there is more to write
  await router.kill('SIGTERM')
  const names = (await readdir(folder)).sort()
  assert.equal(names.length, 3, names.join())
  for (const name of names) assert.ok((await readFile(join(folder, name))).length <= 2_000, name)
})

test('without the setting there is no file', async (t) => {
  const { router, file, routes } = await shop(t)
  await get(router.port)
  await records(file, 1)
  await routes(false)
  await get(router.port)
  await get(router.port)
  await router.kill('SIGTERM')
  assert.equal((await records(file, 1)).length, 1)
})

async function shop(t: TestContext, logs?: { limitBytes: number; keep: number }) {
  const router = await startRouterProcess(t, logs ? { logs } : {})
  const folder = join(router.folder, 'logs')
  await mkdir(folder)
  const app = await startApp(t, (incoming, response) => {
    incoming.resume()
    response.writeHead(incoming.url === '/500' ? 500 : 200).end('ok')
  })
  const file = join(folder, 'access.1.log')
  const routes = (on: boolean) =>
    router.routes({
      release: 7,
      endpoints: [{ host: app.host, port: app.port }],
      ...(on ? { accessLog: file } : {}),
    })
  await routes(true)
  return { router, file, folder, routes }
}

interface LogRecord {
  readonly message: string
  readonly type: string
  readonly app_name: string
}

async function records(file: string, count: number): Promise<LogRecord[]> {
  return until(async () => {
    const text = await readFile(file, 'utf8').catch(() => '')
    const lines = text.split('\n').filter(Boolean)
    return lines.length >= count ? lines.map((line) => JSON.parse(line) as LogRecord) : null
  })
}
