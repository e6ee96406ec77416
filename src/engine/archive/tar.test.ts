import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdir, readlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { pax, tar } from '../../testing/archives.ts'
import { removeDirectory, temporaryDirectory } from '../../testing/temporary.ts'
import { isRefusal } from '../domain/refusal.ts'
import { tarEntries } from './tar.ts'

let directory: string
before(async () => {
  directory = await temporaryDirectory('tar')
})
after(() => removeDirectory(directory))

let count = 0
async function store(content: Buffer): Promise<string> {
  const file = join(directory, `${++count}.tar`)
  await writeFile(file, content)
  return file
}

async function read(content: Buffer, gzip = false, bodies = true): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for await (const entry of tarEntries(await store(content), gzip, new AbortController().signal)) {
    const chunks: Uint8Array[] = []
    if (bodies) for await (const chunk of entry.body()) chunks.push(chunk)
    found[entry.path] = `${entry.kind} ${entry.mode.toString(8)} ${Buffer.concat(chunks).toString('latin1')}`
  }
  return found
}

async function refuses(content: Buffer, sentence: RegExp, gzip = false): Promise<void> {
  await assert.rejects(read(content, gzip), (error: Error) => {
    assert.ok(isRefusal(error, 'rejected_tree'), `not refused but: ${String(error)}`)
    assert.match(error.message, sentence)
    return true
  })
}

test('files, folders and links come as they were packed, gzipped or not', async () => {
  const content = tar([
    { name: './', type: '5', mode: 0o755 },
    { name: './bin/run', data: '#!/bin/sh\r\n', mode: 0o755 },
    { name: './empty' },
    { name: './link', type: '2', target: 'bin/run', mode: 0o777 },
    { name: './old/', type: '\0', mode: 0o755 },
  ])
  const expected = {
    './': 'directory 755 ',
    './bin/run': 'file 755 #!/bin/sh\r\n',
    './empty': 'file 644 ',
    './link': 'symlink 777 bin/run',
    './old/': 'directory 755 ',
  }
  assert.deepEqual(await read(content), expected)
  assert.deepEqual(await read(gzipSync(content), true), expected)
})

test('bodies that nobody reads are passed over', async () => {
  const content = tar([
    { name: 'a', data: randomBytes(200_000) },
    { name: 'b', data: 'b' },
  ])
  assert.deepEqual(Object.keys(await read(content, false, false)), ['a', 'b'])
})

test('long names of PAX and of GNU tar are whole, accents and all', async () => {
  const long = `${'größe/'.repeat(100)}ende.js`
  const content = tar([
    { name: 'pax', type: 'x', data: pax({ path: long, mtime: '1.5' }) },
    { name: 'cut', data: 'pax' },
    { name: '././@LongLink', type: 'L', data: `${'ä'.repeat(150)}\0` },
    { name: 'cut', data: 'gnu' },
    { name: '././@LongLink', type: 'K', data: `${'t'.repeat(150)}\0` },
    { name: 'link', type: '2', target: 'cut' },
    { name: 'after', data: 'x' },
  ])
  assert.deepEqual(await read(content), {
    [long]: 'file 644 pax',
    [`${'ä'.repeat(150)}`]: 'file 644 gnu',
    link: `symlink 644 ${'t'.repeat(150)}`,
    after: 'file 644 x',
  })
})

test('the global header that git archive writes is no file', async () => {
  const content = tar([
    { name: 'pax_global_header', type: 'g', data: pax({ comment: 'a'.repeat(40) }) },
    { name: 'a', data: 'a' },
  ])
  assert.deepEqual(await read(content), { a: 'file 644 a' })
})

test('hard links, devices and pipes are named as what they are', async () => {
  const content = tar([
    { name: 'hard', type: '1', target: 'a' },
    { name: 'tty', type: '3' },
    { name: 'disk', type: '4' },
    { name: 'pipe', type: '6' },
    { name: 'sparse', type: 'S' },
  ])
  assert.deepEqual(await read(content), {
    hard: 'other 100000 ',
    tty: 'other 20000 ',
    disk: 'other 60000 ',
    pipe: 'other 10000 ',
    sparse: 'other 0 ',
  })
})

test('an archive that is cut off anywhere is refused', async () => {
  const content = tar([
    { name: 'a', data: randomBytes(700) },
    { name: 'b', data: 'b' },
  ])
  for (let length = 512; length < content.length - 1024; length += 128) {
    await refuses(content.subarray(0, length), /it ends too early/)
  }
  await refuses(tar([{ name: 'a', data: 'x' }], { end: false }), /it ends too early/)
})

test('a gzip that is cut off or changed is refused', async () => {
  const zipped = gzipSync(tar([{ name: 'a', data: randomBytes(5000) }]))
  await refuses(zipped.subarray(0, zipped.length - 1), /the tar archive is damaged/, true)
  await refuses(zipped.subarray(0, 2000), /the tar archive is damaged/, true)
  const changed = Buffer.from(zipped)
  changed[changed.length - 8] = (changed[changed.length - 8] ?? 0) ^ 1
  await refuses(changed, /incorrect data check/, true)
})

test('a header with a wrong checksum is refused', async () => {
  const content = tar([{ name: 'a', data: 'x' }, { name: 'b' }])
  content[1024] = 0x7a
  await refuses(content, /wrong checksum/)
})

test('anything behind the end is refused, padding is not', async () => {
  const content = tar([{ name: 'a' }])
  assert.deepEqual(await read(Buffer.concat([content, Buffer.alloc(9000)])), { a: 'file 644 ' })
  await refuses(Buffer.concat([content, tar([{ name: 'hidden' }])]), /something follows after its end/)
  await refuses(Buffer.concat([content, Buffer.alloc(2_000_000)]), /something follows after its end/)
})

test('an extended header of many megabytes is refused before it is read', async () => {
  await refuses(tar([{ name: 'x', type: 'x', data: 'a', size: 50_000_000 }]), /extended header is too long/)
})

test('a gzip bomb is unpacked only as far as it is asked for', async () => {
  const bomb = gzipSync(tar([{ name: 'zeros', data: Buffer.alloc(100_000_000) }]))
  const file = await store(bomb)
  const before = process.memoryUsage().arrayBuffers
  for await (const entry of tarEntries(file, true, new AbortController().signal)) {
    let seen = 0
    for await (const chunk of entry.body()) {
      seen += chunk.length
      if (seen > 1_000_000) break
    }
    break
  }
  assert.ok(process.memoryUsage().arrayBuffers - before < 20_000_000)
})

test('breaking off closes the file, and so does a cancel', async () => {
  const file = await store(gzipSync(tar([{ name: 'a', data: randomBytes(900_000) }, { name: 'b' }])))
  for await (const entry of tarEntries(file, true, new AbortController().signal)) {
    for await (const _chunk of entry.body()) break
    break
  }
  const cancel = new AbortController()
  const reading = async () => {
    for await (const _entry of tarEntries(file, true, cancel.signal)) cancel.abort()
  }
  await assert.rejects(reading(), { name: 'AbortError' })
  const open = await readdir('/proc/self/fd').catch(() => [])
  const targets = await Promise.all(open.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')))
  assert.ok(!targets.includes(file))
})
