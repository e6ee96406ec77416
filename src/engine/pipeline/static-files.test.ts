import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdir, readdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { removeDirectory, temporaryDirectory } from '../../testing/temporary.ts'
import { openSite } from '../router/static-site.ts'
import { prepareFiles, routeFilesOf } from './static-files.ts'

const long = 'Static files are served by the front door. '.repeat(100)

async function site(t: TestContext, files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await temporaryDirectory('site')
  t.after(() => removeDirectory(folder))
  for (const [name, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true })
    await writeFile(path.join(folder, name), text)
  }
  return folder
}

interface List {
  readonly files: Readonly<Record<string, { type: string; hash: string; encodings: string[] }>>
}

const signal = new AbortController().signal
const filesOf = (folder: string, directory = '') =>
  routeFilesOf(folder, { rootDir: '' }, { directory, spa: false })
const listOf = async (folder: string) => JSON.parse(await readFile(filesOf(folder).index, 'utf8')) as List

const sorted = (files: List['files']) => Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1))

test('the list has type and hash of every file, and text has twins that are the same text', async (t) => {
  const folder = await site(t, {
    'index.html': long,
    'a/app.js': long,
    'tiny.css': 'a{}',
    'pic.png': long,
    LICENSE: 'x',
  })
  const prepared = await prepareFiles(filesOf(folder), { signal, earlier: null, anew: false })
  assert.deepEqual([prepared.files, prepared.leftOut], [5, []])
  const { files } = await listOf(folder)
  assert.deepEqual(
    sorted(files).map(([name, { type, encodings }]) => [name, type, encodings.join()]),
    [
      ['LICENSE', 'application/octet-stream', ''],
      ['a/app.js', 'text/javascript; charset=utf-8', 'br,gz'],
      ['index.html', 'text/html; charset=utf-8', 'br,gz'],
      ['pic.png', 'image/png', ''],
      ['tiny.css', 'text/css; charset=utf-8', ''],
    ],
  )
  const { hash = '' } = files['index.html'] ?? {}
  assert.equal(hash, files['a/app.js']?.hash)
  const twin = (encoding: string) =>
    readFile(path.join(path.dirname(filesOf(folder).index), `${hash}.${encoding}`))
  assert.equal(brotliDecompressSync(await twin('br')).toString(), long)
  assert.equal(gunzipSync(await twin('gz')).toString(), long)
})

test('what begins with a dot, what speaks to NodePilot and npm, and links that lead out are not listed', async (t) => {
  const folder = await site(t, {
    'index.html': 'x',
    '.env': 'SECRET=1',
    '.git/config': 'x',
    '.well-known/security.txt': 'x',
    'nodepilot.json': '{}',
    Procfile: '',
    'node_modules/x/index.js': '',
    'docs/nodepilot.json': '{}',
    'v2/page.html': 'x',
  })
  await symlink('/etc/passwd', path.join(folder, 'passwd'))
  await symlink('..', path.join(folder, 'up'))
  await symlink('gone', path.join(folder, 'nowhere'))
  await symlink('.env', path.join(folder, 'env.txt'))
  await symlink('v2', path.join(folder, 'latest'))
  await symlink('../v2', path.join(folder, 'v2/again'))
  const { leftOut } = await prepareFiles(filesOf(folder), { signal, earlier: null, anew: false })
  assert.deepEqual(leftOut, ['nowhere', 'passwd', 'up'])
  assert.deepEqual(
    sorted((await listOf(folder)).files).map(([name]) => name),
    ['.well-known/security.txt', 'docs/nodepilot.json', 'index.html', 'latest/page.html', 'v2/page.html'],
  )
})

test('a list that is there is not made again, and a folder of that name from outside is replaced', async (t) => {
  const folder = await site(t, { 'index.html': long, '.nodepilot-static/evil.br': 'x' })
  await prepareFiles(filesOf(folder), { signal, earlier: null, anew: false })
  const names = await readdir(path.dirname(filesOf(folder).index))
  assert.equal(names.includes('evil.br'), false)
  await writeFile(path.join(folder, 'later.html'), 'x')
  assert.equal((await prepareFiles(filesOf(folder), { signal, earlier: null, anew: false })).files, 1)
})

test('twins of bytes that an earlier release has are taken over as they are', async (t) => {
  const first = await site(t, { 'dist/index.html': long })
  await prepareFiles(filesOf(first, 'dist'), { signal, earlier: null, anew: false })
  const second = await site(t, { 'dist/index.html': long, 'dist/new.html': `${long}new` })
  await prepareFiles(filesOf(second, 'dist'), { signal, earlier: first, anew: false })
  const { files } = await listOf(second)
  const inode = async (folder: string) =>
    (await stat(path.join(folder, '.nodepilot-static', `${files['index.html']?.hash}.br`))).ino
  assert.equal(await inode(second), await inode(first))
  assert.deepEqual(files['new.html']?.encodings, ['br', 'gz'])
})

test('an aborted preparation leaves no list', async (t) => {
  const folder = await site(t, { 'index.html': long })
  const aborted = AbortSignal.abort(new Error('cancelled'))
  await assert.rejects(
    prepareFiles(filesOf(folder), { signal: aborted, earlier: null, anew: false }),
    /cancelled/,
  )
  await assert.rejects(stat(filesOf(folder).index), /ENOENT/)
})

test('what an app left at the place of the list is not taken for it, be it a list, a pipe or a link', async (t) => {
  const folder = await site(t, {
    'index.html': long,
    '.nodepilot-static/list.json':
      '{"files":{".env":{"type":"text/plain","hash":"aaaaaaaaaaaaaaaaaaaaaaaa","encodings":[]}}}',
  })
  const { index } = filesOf(folder)
  const place = path.dirname(index)
  const prepare = (anew: boolean) => prepareFiles(filesOf(folder), { signal, earlier: null, anew })
  const assertOwn = async () => {
    assert.deepEqual(Object.keys((await listOf(folder)).files), ['index.html'])
    assert.ok((await openSite(filesOf(folder))).find('/', false))
  }
  assert.equal((await prepare(false)).files, 1, 'without what belongs to ours')
  await assertOwn()
  await writeFile(index, JSON.stringify({ prepared: { files: 9, bytes: 9, leftOut: [] }, files: {} }))
  assert.equal((await prepare(true)).files, 1)
  await assertOwn()
  for (const hostile of ['pipe', '/dev/zero']) {
    await rm(place, { recursive: true })
    await mkdir(place)
    if (hostile === 'pipe') assert.equal(spawnSync('mkfifo', [index]).status, 0)
    else await symlink(hostile, index)
    await assert.rejects(openSite(filesOf(folder)), /list of files/)
    assert.equal((await prepare(false)).files, 1)
    await assertOwn()
  }
  await rm(place, { recursive: true })
  const elsewhere = await site(t, { 'list.json': 'theirs' })
  await symlink(elsewhere, place)
  await prepare(true)
  await assertOwn()
  assert.equal(await readFile(path.join(elsewhere, 'list.json'), 'utf8'), 'theirs')
})

test('a large file is hashed without being read into memory', async (t) => {
  const folder = await site(t, { 'index.html': 'x' })
  await writeFile(path.join(folder, 'film.mp4'), '')
  await truncate(path.join(folder, 'film.mp4'), 250_000_000)
  const before = process.memoryUsage.rss()
  await prepareFiles(filesOf(folder), { signal, earlier: null, anew: true })
  assert.match((await listOf(folder)).files['film.mp4']?.hash ?? '', /^[\w-]{32}$/)
  assert.ok(process.memoryUsage.rss() - before < 100_000_000)
})
