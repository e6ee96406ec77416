import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { startBrowser, type TestBrowser } from './browser.ts'
import { axeFaults, invisibleFocus, overflow } from './page-checks.ts'
import type { Pilot } from './pilot.ts'

/** The checks themselves, on pages that are wrong on purpose: a check that cannot fail would be a defect. */

const pages: Readonly<Record<string, string>> = {
  '/good': '<main><h1>Good</h1><a href="/good">Here</a></main>',
  '/wide': '<main><h1>Wide</h1><div style="width:3000px">wide</div></main>',
  '/pale': '<main><h1>Pale</h1><p style="color:#ccc;background:#fff">nobody reads this</p></main>',
  '/hidden': '<main><h1>Hidden</h1><style>a:focus{outline:none}</style><a href="/good">Here</a></main>',
  '/policy': '<main><h1>Policy</h1><p onclick="1">no</p></main>',
  '/console': '<main><h1>Console</h1></main><script src="/broken.js"></script>',
  '/broken.js': 'console.error("it hurts"); throw new Error("it ends")',
}

const server = createServer((req, res) => {
  const body = pages[req.url ?? '']
  const type = req.url?.endsWith('.js') ? 'text/javascript' : 'text/html'
  const policy = req.url === '/policy' ? { 'content-security-policy': "script-src 'self'" } : {}
  res.writeHead(body === undefined ? 404 : 200, { 'content-type': type, ...policy })
  if (type === 'text/javascript') res.end(body)
  else
    res.end(
      `<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>T</title>${body ?? ''}`,
    )
})
let browser: TestBrowser
let site: Pilot

before(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  site = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` } as Pilot
  browser = await startBrowser()
})

after(async () => {
  await browser.close()
  server.closeAllConnections()
  server.close()
})

async function look(path: string) {
  const visitor = await browser.visit(site, { as: null })
  await visitor.open(path)
  const faults = {
    axe: await axeFaults(visitor.page),
    overflow: await overflow(visitor.page),
    focus: await invisibleFocus(visitor.page),
    complaints: [...visitor.complaints],
  }
  await visitor.context.close()
  return faults
}

test('a page without faults has none', async () => {
  assert.deepEqual(await look('/good'), { axe: [], overflow: [], focus: [], complaints: [] })
})

test('content wider than the window is named', async () => {
  assert.match((await look('/wide')).overflow.join(), /3\d\d\d px wide.*width:3000px/)
})

test('text that is too pale is found', async () => {
  assert.match((await look('/pale')).axe.join(), /color-contrast/)
})

test('a focus that cannot be seen is found', async () => {
  assert.match((await look('/hidden')).focus.join(), /cannot be seen: <a href="\/good"/)
})

test('a violated policy is a complaint', async () => {
  assert.match((await look('/policy')).complaints.join('\n'), /policy violated: script-src-attr/)
})

test('errors in the console, uncaught errors and bad answers are complaints', async () => {
  assert.match((await look('/console')).complaints.join('\n'), /console: it hurts[\s\S]*uncaught: it ends/)
  assert.match((await look('/nowhere')).complaints.join('\n'), /GET .*\/nowhere: 404/)
})
