import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdir, readlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type ZipChanges, type ZipFixture, zip } from '../../testing/archives.ts'
import { removeDirectory, temporaryDirectory } from '../../testing/temporary.ts'
import { isRefusal } from '../domain/refusal.ts'
import { zipEntries } from './zip.ts'

let directory: string
before(async () => {
  directory = await temporaryDirectory('zip')
})
after(() => removeDirectory(directory))

let count = 0
async function read(content: Buffer): Promise<Record<string, string>> {
  const file = join(directory, `${++count}.zip`)
  await writeFile(file, content)
  const found: Record<string, string> = {}
  for await (const entry of zipEntries(file, new AbortController().signal)) {
    const chunks: Uint8Array[] = []
    for await (const chunk of entry.body()) chunks.push(chunk)
    found[entry.path] = `${entry.kind} ${entry.mode.toString(8)} ${Buffer.concat(chunks).toString('latin1')}`
  }
  return found
}

async function refuses(content: Buffer, sentence: RegExp): Promise<void> {
  await assert.rejects(read(content), (error: Error) => {
    assert.ok(isRefusal(error, 'rejected_tree'), `not refused but: ${String(error)}`)
    assert.match(error.message, sentence)
    return true
  })
}

const built = (fixture: ZipFixture, changes?: ZipChanges) => zip([fixture], changes)

test('files, folders, links and modes come as they were packed', async () => {
  const content = zip([
    { name: 'bin/' },
    { name: 'bin/run', data: '#!/bin/sh\r\n', mode: 0o100755 },
    { name: 'plain.txt', data: 'stored', method: 0 },
    { name: 'link', data: 'plain.txt', mode: 0o120777 },
    { name: 'empty', data: '' },
    { name: 'written-by-python', data: 'x', mode: 0o600 },
    { name: 'from-windows', data: 'x', host: 0 },
  ])
  assert.deepEqual(await read(content), {
    'bin/': 'directory 755 ',
    'bin/run': 'file 755 #!/bin/sh\r\n',
    'plain.txt': 'file 644 stored',
    link: 'symlink 777 plain.txt',
    empty: 'file 644 ',
    'written-by-python': 'file 600 x',
    'from-windows': 'file 0 x',
  })
})

test('large files stream through, stored and deflated, byte for byte', async () => {
  const noise = randomBytes(3_000_000)
  const text = Buffer.alloc(3_000_000, 'all work and no play ')
  const found = await read(
    zip([
      { name: 'a', data: noise, method: 0 },
      { name: 'b', data: noise },
      { name: 'c', data: text },
    ]),
  )
  assert.equal(found.a, `file 644 ${noise.toString('latin1')}`)
  assert.equal(found.b, `file 644 ${noise.toString('latin1')}`)
  assert.equal(found.c, `file 644 ${text.toString('latin1')}`)
})

test('ZIP64 sizes and offsets are understood', async () => {
  const content = zip([
    { name: 'a', data: 'first', zip64: true },
    { name: 'b', data: 'second', zip64: true },
  ])
  assert.deepEqual(await read(content), { a: 'file 644 first', b: 'file 644 second' })
})

test('names are UTF-8 where they are valid, else code page 437', async () => {
  assert.deepEqual(Object.keys(await read(built({ name: 'größe.txt', flags: 0 }))), ['größe.txt'])
  const old = Buffer.from([0x67, 0x72, 0x94, 0xe1, 0x65])
  assert.deepEqual(Object.keys(await read(built({ name: old, flags: 0 }))), ['größe'])
})

test('an empty ZIP has no entries', async () => {
  assert.deepEqual(await read(zip([])), {})
})

test('hostile names are handed on as they are, for the writer to judge', async () => {
  assert.deepEqual(Object.keys(await read(built({ name: '../evil' }))), ['../evil'])
  assert.deepEqual(Object.keys(await read(built({ name: 'a\\b' }))), ['a\\b'])
})

test('devices and pipes are named as what they are', async () => {
  assert.deepEqual(await read(built({ name: 'pipe', mode: 0o010644 })), { pipe: 'other 10000 ' })
})

test('a wrong checksum is refused, in small files and large ones', async () => {
  await refuses(built({ name: 'a', data: 'x', crc: 1 }), /"a" has a wrong checksum/)
  await refuses(built({ name: 'a', data: Buffer.alloc(500_000), crc: 1 }), /wrong checksum/)
  await refuses(built({ name: 'a', data: 'x', crc: 1, method: 0 }), /wrong checksum/)
})

test('a file that is longer or shorter than announced is refused', async () => {
  for (const data of [Buffer.alloc(1000, 'x'), Buffer.alloc(500_000, 'x')]) {
    await refuses(built({ name: 'a', data, size: data.length - 1 }), /the ZIP is damaged/)
    await refuses(built({ name: 'a', data, size: data.length + 1 }), /the ZIP is damaged/)
    await refuses(built({ name: 'a', data, size: 0 }), /the ZIP is damaged/)
    await refuses(built({ name: 'a', data, size: 1, method: 0 }), /the ZIP is damaged/)
  }
})

test('entries that share bytes are refused', async () => {
  const files = [
    { name: 'a', data: Buffer.alloc(1000) },
    { name: 'a', data: Buffer.alloc(1000), sameBytesAs: 0 },
  ]
  await refuses(zip(files), /two of its entries overlap/)
})

test('encrypted entries are refused with what to do', async () => {
  await refuses(built({ name: 'secret', data: 'x', flags: 0x801 }), /"secret" in the ZIP is encrypted/)
  await refuses(built({ name: 'secret', data: 'x', flags: 0x841 }), /encryption/)
})

test('an unknown compression is refused', async () => {
  await refuses(built({ name: 'a', data: 'x', method: 12 }), /unknown method \(12\)/)
})

test('malformed extra fields are refused', async () => {
  const tooLong = Buffer.from([0x34, 0x12, 0xff, 0xff, 0x00])
  await refuses(built({ name: 'a', data: 'x', extra: tooLong }), /extra field/)
  const shortUnicodeName = Buffer.from([0x75, 0x70, 0x02, 0x00, 0x01, 0x00])
  const outcome = await read(built({ name: 'a', data: 'x', extra: shortUnicodeName })).catch((error) => error)
  assert.ok(isRefusal(outcome, 'rejected_tree') || 'a' in outcome)
})

test('two different names for one entry are refused', async () => {
  await refuses(
    built({ name: 'safe.js', localName: 'evil.js', data: 'x' }),
    /the two headers of "safe.js" differ/,
  )
})

test('a directory that hides entries, or invents some, is refused', async () => {
  const files = [{ name: 'a' }, { name: 'b' }]
  await refuses(zip(files, { count: 1 }), /more entries than it says/)
  await refuses(zip(files, { count: 3 }), /the ZIP is damaged/)
})

test('a folder with contents and a file that is called like a folder are refused', async () => {
  await refuses(built({ name: 'a/', data: 'x' }), /has contents of its own/)
  await refuses(built({ name: 'a/', data: 'x', mode: 0o100644 }), /named like a folder/)
})

test('a ZIP that is cut off anywhere, or has anything behind it, is refused', async () => {
  const content = zip([
    { name: 'a', data: randomBytes(200) },
    { name: 'b', data: 'b' },
  ])
  for (let length = 4; length < content.length; length += 13) {
    await refuses(content.subarray(0, length), /the ZIP is damaged/)
  }
  await refuses(Buffer.concat([content, Buffer.from('behind')]), /the ZIP is damaged/)
})

test('random damage is refused or harmless, and never a crash', async () => {
  const content = zip([
    { name: 'a', data: randomBytes(100), zip64: true },
    { name: 'b/', method: 0 },
    { name: 'b/c', data: 'text '.repeat(50) },
  ])
  for (let at = 0; at < content.length; at += 3) {
    const changed = Buffer.from(content)
    changed[at] = (changed[at] ?? 0) ^ 0xff
    const outcome = await read(changed).catch((error) => error)
    if (outcome instanceof Error) assert.ok(isRefusal(outcome, 'rejected_tree'), `${at}: ${outcome.stack}`)
  }
})

test('breaking off closes the file', async () => {
  const file = join(directory, 'breaking-off.zip')
  await writeFile(file, zip([{ name: 'a', data: Buffer.alloc(900_000) }, { name: 'b' }]))
  for await (const entry of zipEntries(file, new AbortController().signal)) {
    for await (const _chunk of entry.body()) break
    break
  }
  const open = await readdir('/proc/self/fd').catch(() => [])
  const targets = await Promise.all(open.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')))
  assert.ok(!targets.includes(file))
})
