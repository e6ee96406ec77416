import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { tar, zip } from '../testing/archives.ts'
import { removeDirectory, temporaryDirectory } from '../testing/temporary.ts'
import { openUpload } from './archive.ts'
import { isRefusal } from './domain/refusal.ts'
import type { Source } from './ports.ts'

let directory: string
before(async () => {
  directory = await temporaryDirectory('upload')
})
after(() => removeDirectory(directory))

let count = 0
async function upload(content: Buffer, filename = 'shop.zip', sha256?: string): Promise<Source> {
  const file = join(directory, `upload-${++count}`)
  await writeFile(file, content)
  return await openUpload({ file, filename, ...(sha256 === undefined ? {} : { sha256 }) })
}

async function paths(source: Source): Promise<string[]> {
  const found: string[] = []
  for await (const entry of source.entries(new AbortController().signal)) found.push(entry.path)
  return found
}

test('an upload is recognised by its bytes, whatever it is called', async () => {
  const files = [{ name: 'index.js', data: 'x' }]
  const kinds: [Buffer, string][] = [
    [zip(files), 'zip'],
    [tar(files), 'tar'],
    [gzipSync(tar(files)), 'tar'],
  ]
  for (const [content, kind] of kinds) {
    const source = await upload(content, 'misleading.rar')
    assert.equal(source.kind, kind)
    assert.equal(source.bytes, content.length)
    assert.deepEqual(await paths(source), ['index.js'])
  }
})

test('an upload can be read twice', async () => {
  const source = await upload(gzipSync(tar([{ name: 'a' }, { name: 'b' }])))
  assert.deepEqual(await paths(source), await paths(source))
})

test('an upload is identified by the hash of its bytes', async () => {
  const content = zip([{ name: 'a' }])
  const digest = createHash('sha256').update(content).digest('hex')
  assert.equal((await upload(content)).revision, `sha256:${digest}`)
  assert.equal((await upload(content, 'a.zip', 'given')).revision, 'sha256:given')
})

test('a file name is only for people: cleaned, shortened, without folders', async () => {
  const content = zip([{ name: 'a' }])
  assert.equal((await upload(content, 'C:\\Users\\me\\shop.zip')).label, 'shop.zip')
  assert.equal((await upload(content, '../../etc/\u001b[31mred.zip')).label, '?[31mred.zip')
  assert.equal((await upload(content, '')).label, 'upload')
  assert.equal(Array.from((await upload(content, 'ü'.repeat(300))).label).length, 80)
})

test('what is neither ZIP nor tar is refused with what to send instead', async () => {
  const cases: [Buffer, RegExp][] = [
    [Buffer.from('hello'), /neither a ZIP nor a tar/],
    [Buffer.alloc(0), /neither a ZIP nor a tar/],
    [Buffer.alloc(2048), /neither a ZIP nor a tar/],
    [gzipSync('hello'), /no tar archive/],
    [gzipSync(Buffer.alloc(5000, 'x')), /no tar archive/],
    [gzipSync(gzipSync(tar([{ name: 'a' }]))), /no tar archive/],
    [Buffer.from('526172211a0700', 'hex'), /RAR archives are not supported/],
    [Buffer.from('fd377a585a000004', 'hex'), /xz archives are not supported/],
  ]
  for (const [content, sentence] of cases) {
    await assert.rejects(upload(content), (error: Error) => {
      assert.ok(isRefusal(error, 'unsupported_media_type'), String(error))
      assert.match(error.message, sentence)
      assert.match(error.hint ?? '', /\.zip/)
      return true
    })
  }
})

test('a gzip that is cut off at its beginning is refused', async () => {
  const content = gzipSync(tar([{ name: 'a', data: Buffer.alloc(4000, 'y') }])).subarray(0, 20)
  await assert.rejects(upload(content), (error) => isRefusal(error, 'rejected_tree'))
})
