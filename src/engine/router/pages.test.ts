import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { pageForm, pages, rawAnswer, renderPage } from './pages.ts'

test('the hash in the policy is that of the style in the page', () => {
  const { headers, body } = renderPage(pages.notFound('x.localhost'), 'html', null)
  const style = /<style>(.*)<\/style>/s.exec(body)?.[1]
  const hash = createHash('sha256').update(String(style)).digest('base64')
  const policy = headers[headers.indexOf('Content-Security-Policy') + 1]
  assert.match(String(policy), new RegExp(`style-src 'sha256-${hash.replace(/[+/]/g, '\\$&')}'`))
})

test('whatever a project or host is called, a page stays what it is', () => {
  const name = `"><script>alert('x')</script>&`
  for (const page of [
    pages.notFound(name),
    pages.stopped(name),
    pages.notRunning(name),
    pages.noAnswer(name),
  ]) {
    assert.doesNotMatch(renderPage(page, 'html', null).body, /<script|"><script|'x'/)
  }
})

test('only the API of the panel is answered in JSON', () => {
  const [panel, app] = [pages.panelRestarting(), pages.noAnswer('shop')]
  assert.equal(pageForm(panel, '/api/project/list', 'text/html'), 'problem')
  assert.equal(pageForm(panel, '/apis', undefined), 'text')
  assert.equal(pageForm(app, '/api/x', 'text/html, */*'), 'html')
  assert.equal(pageForm(app, '/api/x', '*/*'), 'text')
})

test('a raw answer is a whole HTTP message with the length of its body in bytes', () => {
  const page = renderPage(pages.notFound('ü.localhost'), 'text', 'id-1')
  const raw = rawAnswer(page, 'Connection: close\r\n').toString()
  const [head, body] = raw.split('\r\n\r\n')
  assert.match(String(head), /^HTTP\/1\.1 404 Not Found\r\n/)
  assert.match(String(head), new RegExp(`Content-Length: ${Buffer.byteLength(String(body))}\r\n`))
  assert.match(String(head), /\r\nConnection: close$/)
  assert.match(rawAnswer(page, '', true).toString(), /X-Request-Id: id-1\r\n\r\n$/)
})
