import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { removeDirectory, temporaryDirectory } from '../../testing/temporary.ts'
import { isRefusal } from '../domain/refusal.ts'
import { parseProcfile, readProcfile } from './procfile.ts'

test('every line with a type is a command, web and release stand for themselves', () => {
  const text = 'web: node web.js\nworker: node work.js\n\nclock:node tick.js\nrelease: npx migrate\n'
  assert.deepEqual(parseProcfile(text), {
    web: 'node web.js',
    release: 'npx migrate',
    workers: { worker: 'node work.js', clock: 'node tick.js' },
  })
})

test('lines may end as on Windows, and other types are not taken for web', () => {
  const { web } = parseProcfile('\uFEFFwebhook: no\r\nweb:   node a.js --x=1  \r\n')
  assert.equal(web, 'node a.js --x=1')
  assert.equal(parseProcfile('web:').web, null)
  assert.equal(parseProcfile('# web: no').web, null)
})

test('of two lines with one type the first counts', () => {
  assert.equal(parseProcfile('web: one\nweb: two').web, 'one')
})

test('types that are members of every object are types like others', () => {
  assert.deepEqual(Object.entries(parseProcfile('constructor: node c.js').workers), [
    ['constructor', 'node c.js'],
  ])
})

test('a name that no file or process can carry is refused, and so are too many', () => {
  const tooMany = Array.from({ length: 21 }, (_, n) => `w${n}: x`).join('\n')
  for (const text of ['9lives: x', '__proto__: x', `${'a'.repeat(41)}: x`, 'run: x', tooMany]) {
    assert.throws(
      () => parseProcfile(text),
      (error) => isRefusal(error, 'rejected_tree'),
      text,
    )
  }
})

test('a line of spaces without end is read in one pass, and a file without end not at all', async () => {
  const began = process.cpuUsage()
  parseProcfile(`web: a${' '.repeat(90_000)}b${' '.repeat(9_000)}\u2028`)
  // of its own work: the machine may have had other things to do
  assert.ok(process.cpuUsage(began).user < 1_000_000)
  const slug = await temporaryDirectory('procfile')
  try {
    await writeFile(path.join(slug, 'Procfile'), `web: node a.js${' '.repeat(100_000)}`)
    await assert.rejects(readProcfile(slug), (error) => isRefusal(error, 'rejected_tree'))
    assert.equal(await readProcfile(path.join(slug, 'none')), null)
  } finally {
    await removeDirectory(slug)
  }
})
