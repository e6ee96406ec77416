import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { Hono } from 'hono'
import { asset, assetRoutes } from './assets.ts'
import { mark, page, refresh, renderView } from './render.ts'
import type { Env } from './services.ts'

const hostile = `"'><img src=x onerror=alert(1)>`
const row = {
  number: 3,
  href: '/projects/shop/deploys/3',
  project: { name: 'shop', displayName: hostile },
  status: { word: 'Live', tone: 'ok', icon: 'circle-check', spin: false, href: '/' },
  release: 1,
  source: { kind: 'git', revision: hostile, message: hostile },
  by: hostile,
  startedAt: '2026-01-02T12:00:00.000Z',
  unfinished: false,
  tookMs: 4,
  rollback: null,
}

test('names, commits and messages stay text wherever they are shown', () => {
  for (const [view, data] of Object.entries({
    'deploys/rows': { rows: [row], showProject: true },
    'partials/log-pane': {
      source: hostile,
      lines: [{ number: 1, text: hostile, raw: hostile }],
      label: hostile,
    },
    'env/value': { here: '/projects/shop/env', name: 'A', value: hostile, shown: true },
    'partials/form-problem': { problem: { sentence: hostile, hint: hostile } },
  })) {
    const text = renderView(view, data)
    assert.doesNotMatch(text, /<img/, view)
    assert.match(text, /&lt;img|&#60;img/, view)
  }
})

test('a part of a page that has not changed is answered with 204, however much time has passed', async () => {
  const data = { rows: [row] }
  const web = new Hono<Env>().get('/', (c) => refresh(c, mark('deploys/rows', data)))
  const { mark: have } = mark('deploys/rows', data)
  assert.equal((await web.request(`/?have=${have}`)).status, 204)
  assert.equal((await web.request('/?have=other')).status, 200)
  assert.notEqual(mark('deploys/rows', { rows: [{ ...row, release: 2 }] }).mark, have)
})

test('a page is compressed, kept by no cache, and has no script or style of its own', async () => {
  const web = new Hono<Env>().get('/', (c) =>
    page(c, 'refusal', {
      title: 'A long title'.repeat(50),
      status: 404,
      problem: { sentence: 'no', hint: null },
    }),
  )
  const answer = await web.request('/', {
    headers: { 'accept-encoding': 'gzip', cookie: 'nodepilot_theme=dark' },
  })
  assert.equal(answer.headers.get('content-encoding'), 'gzip')
  assert.equal(answer.headers.get('cache-control'), 'private, no-store')
  const text = gunzipSync(Buffer.from(await answer.arrayBuffer())).toString()
  assert.match(text, /<html lang="en" data-theme="dark">/)
  assert.doesNotMatch(text, /<img|<style| style=| on\w+=|<script(?! defer src="\/assets\/)/)
})

test('an asset is kept for ever under the name of its content, and asked for again under any other', async () => {
  const web = assetRoutes()
  const named = await web.request(asset('panel.css'), { headers: { 'accept-encoding': 'br' } })
  assert.equal(named.status, 200)
  assert.match(named.headers.get('cache-control') ?? '', /immutable/)
  assert.equal(named.headers.get('content-encoding'), 'br')
  const etag = named.headers.get('etag') ?? ''
  const old = await web.request('/assets/panel.css?v=old', { headers: { 'if-none-match': etag } })
  assert.deepEqual([old.status, old.headers.get('cache-control')], [304, 'no-cache'])
  assert.equal((await web.request('/assets/..%2f..%2fpackage.json')).status, 404)
})
