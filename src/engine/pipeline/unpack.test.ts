import assert from 'node:assert/strict'
import { mkdir, readdir, realpath, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { type EntryFixture, sourceOf, tar, treeOf, zip } from '../../testing/archives.ts'
import { removeDirectory, temporaryDirectory } from '../../testing/temporary.ts'
import { openUpload } from '../archive.ts'
import { isRefusal, type RefusalCode } from '../domain/refusal.ts'
import type { Source, SourceKind } from '../ports.ts'
import { type Unpacked, type UnpackLimits, type UnpackOptions, unpack } from './unpack.ts'

const limits: UnpackLimits = { maxBytes: 1_000_000, maxEntries: 100, maxDepth: 10 }

let directory: string
before(async () => {
  directory = await realpath(await temporaryDirectory('unpack'))
})
after(() => removeDirectory(directory))

let count = 0
interface Result extends Unpacked {
  readonly tree: Record<string, string>
}

async function unpacked(source: Source, options: UnpackOptions = {}, within = limits): Promise<Result> {
  const destination = join(directory, `tree-${++count}`)
  const result = await unpack(source, destination, within, new AbortController().signal, options)
  return { ...result, tree: await treeOf(destination) }
}

const entries = (fixtures: EntryFixture[], kind: SourceKind = 'git') => unpacked(sourceOf(fixtures, kind))
const wrapped = (fixtures: EntryFixture[]) =>
  unpacked(sourceOf(fixtures, 'zip'), { unwrapSingleFolder: true })

/** The refusal, and proof that nothing was left behind. */
async function refused(
  source: Source,
  sentence: RegExp,
  code: RefusalCode = 'rejected_tree',
  within = limits,
) {
  const parent = join(directory, `refused-${++count}`)
  await mkdir(parent)
  const running = unpack(source, join(parent, 'tree'), within, new AbortController().signal, {
    unwrapSingleFolder: source.kind !== 'git',
  })
  await assert.rejects(running, (error: Error) => {
    assert.ok(isRefusal(error, code), `not refused but: ${error.stack}`)
    assert.match(error.message, sentence)
    assert.doesNotMatch(error.message, /[\p{Cc}]/u)
    assert.ok(error.hint)
    return true
  })
  assert.deepEqual(await readdir(parent), [])
}

const refuses = (fixtures: EntryFixture[], sentence: RegExp, kind: SourceKind = 'git') =>
  refused(sourceOf(fixtures, kind), sentence)

test('files, folders and links are written, with modes 0644 and 0755 only', async () => {
  const { tree, files, bytes, dropped } = await entries([
    { path: 'a.js', data: 'a\r\n', mode: 0o100644 },
    { path: 'bin/run', data: '#!', mode: 0o104755 },
    { path: 'loose', data: '', mode: 0o666 },
    { path: 'group-only', mode: 0o074 },
    { path: 'empty/', kind: 'directory', mode: 0o2777 },
    { path: 'bin/link', kind: 'symlink', data: '../a.js' },
  ])
  assert.deepEqual(tree, {
    'a.js': '644 a\r\n',
    'bin/': '755',
    'bin/link': '-> ../a.js',
    'bin/run': '755 #!',
    'empty/': '755',
    'group-only': '644 ',
    loose: '644 ',
  })
  assert.deepEqual({ files, bytes, dropped }, { files: 4, bytes: 12, dropped: [] })
})

test('modes do not depend on the umask', async () => {
  const before = process.umask(0o077)
  try {
    const { tree } = await entries([{ path: 'd/a' }, { path: 'd/run', mode: 0o755 }])
    assert.deepEqual(tree, { 'd/': '755', 'd/a': '644 ', 'd/run': '755 ' })
    assert.equal((await stat(join(directory, `tree-${count}`))).mode & 0o777, 0o755)
  } finally {
    process.umask(before)
  }
})

test('large files arrive byte for byte, in chunks of any size', async () => {
  const data = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7919) % 256))
  async function* chunks() {
    for (let at = 0; at < data.length; at += 50_001) yield data.subarray(at, at + 50_001)
  }
  const { tree } = await entries([{ path: 'big', data: chunks(), size: data.length }])
  assert.ok(tree.big === `644 ${data.toString('latin1')}`)
})

test('an existing destination is refused and stays as it is', async () => {
  const destination = join(directory, 'existing')
  await mkdir(destination)
  await writeFile(join(destination, 'mine'), 'x')
  const running = unpack(sourceOf([{ path: 'a' }]), destination, limits, new AbortController().signal)
  await assert.rejects(running, { code: 'EEXIST' })
  assert.deepEqual(await treeOf(destination), { mine: '644 x' })
})

test('a path out of the tree is refused by name, from every kind of source', async () => {
  for (const path of ['../evil', '/evil', 'a/../../evil', 'C:/evil', 'a\\..\\evil', 'nul\0', '']) {
    for (const kind of ['git', 'zip', 'tar'] as const) await refuses([{ path: 'a.js' }, { path }], /"/, kind)
  }
  await refuses([{ path: '../evil.sh' }], /"..\/evil.sh" points out of its folder/)
})

test('names that are one name on some file system are refused, both named', async () => {
  await refuses([{ path: 'README' }, { path: 'readme' }], /"readme" and "README" are one name/)
  await refuses([{ path: 'caf\u00e9' }, { path: 'cafe\u0301' }], /are one name/)
  await refuses([{ path: 'src/a' }, { path: 'SRC/b' }], /"SRC" and "src" are one name/)
  await refuses([{ path: 'src/a' }, { path: 'Src' }], /are one name/)
  await refuses([{ path: 'a' }, { path: 'a' }], /"a" comes twice/)
})

test('a name with two meanings is refused', async () => {
  await refuses([{ path: 'a' }, { path: 'a/b' }], /"a" is both a file and a folder/)
  await refuses([{ path: 'a/b' }, { path: 'a' }], /"a" is both a folder and a file/)
  await refuses([{ path: 'a/', kind: 'directory' }, { path: 'a' }], /"a" is both a folder and a file/)
})

test('a folder may be named any number of times', async () => {
  const folder = { path: 'a/', kind: 'directory' } as const
  assert.deepEqual((await entries([folder, { path: 'a/b' }, folder])).tree, { 'a/': '755', 'a/b': '644 ' })
})

test('nothing is written through a link, in either order', async () => {
  const link = { path: 'out', kind: 'symlink', data: 'inside' } as const
  await refuses([link, { path: 'out/evil' }], /"out" is both a symbolic link and a folder/)
  await refuses([{ path: 'out/evil' }, link], /"out" is both a folder and a symbolic link/)
  await refuses([link, { path: 'out' }], /"out" is both a symbolic link and a file/)
  await refuses([link, { path: 'OUT/evil' }], /are one name/)
})

test('a link out of the tree is refused by name', async () => {
  const targets = [
    '/etc/passwd',
    '..',
    '../x',
    'a/../../x',
    'C:/x',
    'a\\b',
    'x\0y',
    'x\ny',
    '',
    'x'.repeat(2000),
  ]
  for (const data of targets) {
    await refuses([{ path: 'link', kind: 'symlink', data }], /"link" is a symbolic link/)
  }
  await refuses([{ path: 'a/b/link', kind: 'symlink', data: '../../../x' }], /points out of the project/)
})

test('a chain of links that leads out is refused, also while its end does not exist', async () => {
  const chain = (last: string): EntryFixture[] => [
    { path: 'deep/er/keep' },
    { path: 'deep/er/up', kind: 'symlink', data: '../..' },
    { path: 'out', kind: 'symlink', data: last },
  ]
  await refuses(chain('deep/er/up/..'), /"out" is a symbolic link that points out/)
  await refuses(chain('deep/er/up/../nowhere/yet'), /"out" is a symbolic link that points out/)
  const before = await entries([{ path: 'out', kind: 'symlink', data: 'later' }])
  assert.equal(before.tree.out, '-> later')
})

test('links in circles and links without end are refused', async () => {
  await refuses([{ path: 'a', kind: 'symlink', data: 'a' }], /circles/)
  const pair: EntryFixture[] = [
    { path: 'a', kind: 'symlink', data: 'b' },
    { path: 'b', kind: 'symlink', data: 'a' },
  ]
  await refuses(pair, /circles/)
  const doubling = Array.from({ length: 60 }, (_, index): EntryFixture => {
    return { path: `l${index}`, kind: 'symlink', data: `l${index + 1}/l${index + 1}` }
  })
  await refuses(doubling, /circles|too far/)
})

test('links that stay inside are kept, through other links and to the top', async () => {
  const { tree } = await entries([
    { path: 'packages/a/index.js' },
    { path: 'current', kind: 'symlink', data: 'packages' },
    { path: 'main.js', kind: 'symlink', data: 'current/a/index.js' },
    { path: 'packages/a/top', kind: 'symlink', data: '../..' },
    { path: 'bin', kind: 'symlink', data: './node_modules/.bin' },
  ])
  assert.equal(tree['main.js'], '-> current/a/index.js')
  assert.equal(tree['packages/a/top'], '-> ../..')
  assert.equal(tree.bin, '-> ./node_modules/.bin')
})

test('hard links, devices, pipes and submodules are refused by what they are', async () => {
  const other = (mode: number): EntryFixture[] => [{ path: 'thing', kind: 'other', mode }]
  await refuses(other(0o100000), /"thing" is a hard link/)
  await refuses(other(0o010644), /"thing" is a named pipe/)
  await refuses(other(0o020644), /"thing" is a device/)
  await refuses(other(0o060644), /"thing" is a device/)
  await refuses(other(0o140644), /"thing" is a socket/)
  await refuses(other(0o160000), /"thing" is a git submodule/)
  await refuses(other(0), /neither a file nor a folder/)
})

test('.git is left out of uploads and refused in commits', async () => {
  const files: EntryFixture[] = [
    { path: 'a' },
    { path: '.git/config' },
    { path: 'sub/.git', data: 'gitdir: x' },
  ]
  const upload = await entries(files, 'zip')
  assert.deepEqual(upload.tree, { a: '644 ' })
  assert.deepEqual(upload.dropped, ['.git', 'sub/.git'])
  await refuses(files, /git's own folder/)
  await refuses([{ path: '.git', kind: 'symlink', data: 'a' }], /git's own folder/, 'zip')
})

test('.git in disguise is refused everywhere', async () => {
  for (const name of ['.GIT', 'git~1', '.git ', '.git.', '.g\u200cit', '.git::$INDEX_ALLOCATION']) {
    for (const kind of ['git', 'zip', 'tar'] as const) {
      await refuses([{ path: `${name}/hooks/post-checkout` }], /git's own folder/, kind)
    }
  }
})

test('.gitmodules as a link is refused, as a file it is kept', async () => {
  await refuses([{ path: 'a' }, { path: '.gitmodules', kind: 'symlink', data: 'a' }], /does not allow/)
  assert.deepEqual((await entries([{ path: '.gitmodules', data: 'x' }])).tree, { '.gitmodules': '644 x' })
})

test('node_modules at the top is left out and named, deeper ones are kept', async () => {
  const { tree, dropped } = await entries([
    { path: 'node_modules/x/index.js' },
    { path: 'node_modules/.bin/x', kind: 'symlink', data: '../../../../out' },
    { path: 'packages/a/node_modules/y.js' },
    { path: 'package.json' },
  ])
  assert.deepEqual(Object.keys(tree), [
    'package.json',
    'packages/',
    'packages/a/',
    'packages/a/node_modules/',
    'packages/a/node_modules/y.js',
  ])
  assert.deepEqual(dropped, ['node_modules'])
})

test('one folder around everything is unwrapped, without what macOS adds', async () => {
  const { tree, dropped } = await wrapped([
    { path: '._shop' },
    { path: 'shop/', kind: 'directory' },
    { path: '__MACOSX/._shop' },
    { path: 'shop/.DS_Store' },
    { path: 'shop/.git/HEAD' },
    { path: 'shop/node_modules/x.js' },
    { path: 'shop/package.json', data: '{}' },
    { path: 'shop/shop/index.js' },
    { path: 'shop/link', kind: 'symlink', data: 'shop/index.js' },
  ])
  assert.deepEqual(tree, {
    link: '-> shop/index.js',
    'package.json': '644 {}',
    'shop/': '755',
    'shop/index.js': '644 ',
  })
  assert.deepEqual(dropped, ['.git', 'node_modules'])
})

test('several things at the top stay where they are, nested node_modules included', async () => {
  const { tree, dropped } = await wrapped([
    { path: 'api/node_modules/own.js' },
    { path: 'api/index.js' },
    { path: 'web/index.html' },
  ])
  assert.ok(tree['api/node_modules/own.js'])
  assert.deepEqual(dropped, [])
  assert.deepEqual(Object.keys((await wrapped([{ path: 'shop/a' }, { path: 'b' }])).tree), [
    'b',
    'shop/',
    'shop/a',
  ])
  assert.deepEqual(Object.keys((await wrapped([{ path: 'only.js' }])).tree), ['only.js'])
  assert.deepEqual(Object.keys((await entries([{ path: 'shop/a' }], 'zip')).tree), ['shop/', 'shop/a'])
})

test('node_modules is left out of one folder only while there is one', async () => {
  const { tree } = await wrapped([
    { path: 'api/node_modules/a.js' },
    { path: 'web/node_modules/b.js' },
    { path: 'web/index.html' },
  ])
  assert.ok(tree['api/node_modules/a.js'])
  assert.ok(tree['web/node_modules/b.js'])
})

test('a link out of the folder that is unwrapped is refused', async () => {
  await refuses(
    [{ path: 'shop/a' }, { path: 'shop/b', kind: 'symlink', data: '../shop/a' }],
    /points out/,
    'zip',
  )
})

test('more bytes than allowed are refused by what is announced, and by what comes', async () => {
  let read = false
  async function* huge() {
    read = true
    for (;;) yield Buffer.alloc(64 * 1024)
  }
  await refused(sourceOf([{ path: 'a', data: huge(), size: 2e9 }]), /larger than 1 MB/, 'too_large')
  assert.equal(read, false)
  await refused(sourceOf([{ path: 'a', data: huge(), size: 10 }]), /larger than 1 MB/, 'too_large')
  await refused(sourceOf([{ path: 'a', data: huge(), size: null }]), /larger than 1 MB/, 'too_large')
  const halves = ['a', 'b', 'c'].map((path) => ({ path, data: Buffer.alloc(400_000) }))
  await refused(sourceOf(halves), /larger than 1 MB/, 'too_large')
})

test('a file that is not as long as announced is refused', async () => {
  await refuses([{ path: 'a', data: 'abc', size: 2 }], /"a" is not as long as announced/)
  await refuses([{ path: 'a', data: 'abc', size: 4 }], /"a" is not as long as announced/)
})

test('ten million entries are refused after the first few, whatever they are', async () => {
  let sent = 0
  const many = function* (path: (index: number) => string, kind: 'file' | 'directory' = 'file') {
    for (let index = 0; index < 10_000_000; index++) {
      sent = index
      yield { path: path(index), kind }
    }
  }
  const bombs = [
    many((index) => `f${index}`),
    many((index) => `d${index}/`, 'directory'),
    many((index) => `node_modules/f${index}`),
  ]
  for (const bomb of bombs) {
    await refused(sourceOf(bomb), /more than 100 files and folders/, 'too_large')
    assert.ok(sent <= 1000)
  }
})

test('folders that only a path names are counted too', async () => {
  const paths = Array.from({ length: 12 }, (_, index) => ({ path: `${index}${'/d'.repeat(8)}/f` }))
  await refused(sourceOf(paths), /more than 100 files and folders/, 'too_large')
})

test('a path that is too deep is refused', async () => {
  await refuses([{ path: `${'d/'.repeat(10)}file` }], /more than 10 folders deep/)
})

test('a cancel leaves nothing behind', async () => {
  const cancel = new AbortController()
  async function* endless() {
    for (;;) {
      yield Buffer.from('x')
      cancel.abort()
    }
  }
  const source = sourceOf([{ path: 'a' }, { path: 'b', data: endless(), size: null }])
  const destination = join(directory, 'cancelled')
  await assert.rejects(unpack(source, destination, limits, cancel.signal), { name: 'AbortError' })
  await assert.rejects(stat(destination), { code: 'ENOENT' })
})

test('an error of the disk comes through as it is, and nothing is left behind', async () => {
  async function* failing() {
    yield Buffer.alloc(1000)
    throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
  }
  const destination = join(directory, 'full')
  const source = sourceOf([{ path: 'a' }, { path: 'b', data: failing(), size: null }])
  const running = unpack(source, destination, limits, new AbortController().signal)
  await assert.rejects(running, { code: 'ENOSPC' })
  await assert.rejects(stat(destination), { code: 'ENOENT' })
})

test('a real ZIP and a real tar.gz become the same tree', async () => {
  const big = Buffer.alloc(200_000, 'big ')
  const files = [
    { name: 'shop/', type: '5', mode: 0o40755 },
    { name: 'shop/bin/run', data: '#!/bin/sh\n', mode: 0o100755 },
    { name: 'shop/big', data: big },
    { name: 'shop/crlf.txt', data: 'a\r\nb' },
  ]
  const link = { name: 'shop/run', mode: 0o120777 }
  const archives = [
    zip([...files, { ...link, data: 'bin/run' }]),
    gzipSync(tar([...files, { ...link, type: '2', target: 'bin/run' }])),
  ]
  for (const content of archives) {
    const file = join(directory, `archive-${++count}`)
    await writeFile(file, content)
    const { tree } = await unpacked(await openUpload({ file, filename: 'shop' }), {
      unwrapSingleFolder: true,
    })
    assert.deepEqual(tree, {
      big: `644 ${big.toString('latin1')}`,
      'bin/': '755',
      'bin/run': '755 #!/bin/sh\n',
      'crlf.txt': '644 a\r\nb',
      run: '-> bin/run',
    })
  }
})

test('a hostile ZIP is refused with nothing left behind', async () => {
  const hostile: [Buffer, RegExp, RefusalCode][] = [
    [zip([{ name: 'ok' }, { name: '../slip' }]), /slip/, 'rejected_tree'],
    [zip([{ name: 'ok' }, { name: 'bad', data: 'x', crc: 7 }]), /wrong checksum/, 'rejected_tree'],
    [zip([{ name: 'ok' }, { name: 'l', data: '/etc', mode: 0o120777 }]), /symbolic link/, 'rejected_tree'],
    [zip([{ name: 'bomb', data: Buffer.alloc(20_000_000) }]), /larger than/, 'too_large'],
  ]
  for (const [content, sentence, code] of hostile) {
    const file = join(directory, `hostile-${++count}`)
    await writeFile(file, content)
    await refused(await openUpload({ file, filename: 'x.zip' }), sentence, code)
  }
})
