import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readdir, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { app, hello } from '../testing/apps.ts'
import { tar, type ZipFixture, zip } from '../testing/archives.ts'
import { command } from '../testing/command.ts'
import { nothingLeft } from '../testing/leftovers.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { answered, deploymentsOf, form, projectOf, type ShownProblem } from '../testing/project.ts'
import { removeDirectory, temporaryDirectory } from '../testing/temporary.ts'
import { until } from '../testing/until.ts'
import type { Files } from '../testing/work-tree.ts'

const entries = (files: Files, below = ''): ZipFixture[] =>
  Object.entries(files).map(([name, data]) => ({ name: below + name, data: Buffer.from(data as string) }))
const tarball = (files: Files, below = '') =>
  gzipSync(
    tar(
      Object.entries(files).map(([name, data]) => ({
        name: below + name,
        data: Buffer.from(data as string),
      })),
    ),
  )

describe('uploads', { timeout: 180_000 }, () => {
  let pilot: Pilot
  let home: string

  before(async () => {
    home = await temporaryDirectory('upl')
    await writeFile(join(home, 'nodepilot.json'), JSON.stringify({ uploadLimitMb: 3, treeLimitMb: 6 }))
    pilot = await startPilot({ home })
    const made = await create({ name: 'zipped' }, zip(entries(hello('first'))))
    answered(made, 201)
  })
  after(async () => {
    await pilot?.stop()
    await removeDirectory(home)
  })

  const create = (fields: Record<string, string>, file?: Uint8Array, filename?: string) =>
    pilot.api('/api/project/create', { method: 'POST', body: form(fields, file, filename) })
  const deploy = (file: Uint8Array, filename?: string, name = 'zipped') =>
    pilot.api(`/api/project/${name}/deploy`, { method: 'POST', body: form({}, file, filename) })
  const serves = async () => (await pilot.app('zipped')).text
  const uploads = () => readdir(join(home, 'run', 'uploads')).catch(() => [] as string[])

  test('ZIP, tar.gz and tgz, plain or inside one folder, all deploy', async () => {
    for (const [filename, file, body] of [
      ['app.zip', zip(entries(hello('zip'))), 'zip'],
      ['app-main.zip', zip(entries(hello('wrapped'), 'app-main/')), 'wrapped'],
      ['app.tar.gz', tarball(hello('tar')), 'tar'],
      ['app.tgz', tarball(hello('wrapped tar'), 'package/'), 'wrapped tar'],
    ] as const) {
      answered(await deploy(file, filename))
      assert.equal(await serves(), body)
    }
    await nothingLeft(home)
  })

  test('a form with all fields makes a project with them', async () => {
    const server = `require('node:http').createServer((q, s) => s.end(process.env.GREETING + ' ' + process.argv[2])).listen(process.env.PORT)`
    const fields = {
      name: 'full',
      displayName: 'Full of fields',
      startCommand: 'node server.js "an argument"',
      envVars: '{"GREETING":"hi"}',
      port: '',
    }
    answered(await create(fields, tarball(app(server)), 'x.tar.gz'), 201)
    assert.equal((await pilot.app('full')).text, 'hi an argument')
    assert.equal((await projectOf(pilot, 'full')).displayName, 'Full of fields')
  })

  test('an archive that fails to start: 422 with its deployment, and the project waits for a better one', async () => {
    const failed = await create({ name: 'phoenix' }, zip(entries(app('throw new Error("not yet")'))))
    assert.equal(failed.status, 422, failed.text)
    const problem = failed.json<unknown>() as ShownProblem
    assert.equal(problem.code, 'boot_crashed')
    assert.equal(problem.deployment?.status, 'failed')
    assert.equal((await projectOf(pilot, 'phoenix')).release, null)
    assert.equal((await pilot.app('phoenix')).status, 503)
    answered(await deploy(zip(entries(hello('risen'))), 'app.zip', 'phoenix'))
    assert.equal((await pilot.app('phoenix')).text, 'risen')
    await nothingLeft(home)
  })

  test('hostile archives are refused with 422 and leave nothing anywhere in the home', async () => {
    await deploy(zip(entries(hello('good'))))
    const outside = join(home, 'pwned')
    const good = entries(hello('evil'))
    const hostile: readonly (readonly [string, Uint8Array, string?])[] = [
      ['a name that climbs out', zip([...good, { name: '../../../../pwned', data: 'x' }])],
      ['a name that begins like the folder', zip([...good, { name: '../2-pwned/x', data: 'x' }])],
      ['an absolute name', zip([...good, { name: outside, data: 'x' }])],
      ['a backslash', zip([...good, { name: '..\\..\\pwned', data: 'x' }])],
      ['a NUL', zip([...good, { name: 'a\0b', data: 'x' }])],
      ['a link out', zip([...good, { name: 'link', data: '/etc', mode: 0o120777 }])],
      [
        'a file through a link',
        zip([...good, { name: 'd', data: '..', mode: 0o120777 }, { name: 'd/pwned', data: 'x' }]),
      ],
      ['a duplicate', zip([...good, { name: 'server.js', data: 'x' }])],
      ['case that differs', zip([...good, { name: 'SERVER.js', data: 'x' }])],
      ['a wrong checksum', zip([...good, { name: 'crc', data: 'x', crc: 1 }])],
      ['an encrypted entry', zip([...good, { name: 'secret', data: 'x', flags: 0x801 }])],
      ['a lying size', zip([...good, { name: 'size', data: 'x'.repeat(1000), size: 10 }])],
      [
        'overlapping entries',
        zip([...good, { name: 'again', data: hello('evil')['server.js'] as string, sameBytesAs: 1 }]),
      ],
      ['a count that lies', zip(good, { count: 60 })],
      ['a device', zip([...good, { name: 'null', data: '', mode: 0o020666 }])],
      ['a bomb', zip([...good, { name: 'zeros', data: Buffer.alloc(20_000_000) }])],
      [
        'a tar link out',
        gzipSync(
          tar([
            { name: 'package.json', data: '{}' },
            { name: 'l', type: '2', target: '../../..' },
          ]),
        ),
        'x.tar.gz',
      ],
      ['a tar hard link', gzipSync(tar([{ name: 'h', type: '1', target: '/etc/passwd' }])), 'x.tar.gz'],
      ['a tar that climbs out', gzipSync(tar([{ name: '../../pwned', data: 'x' }])), 'x.tar.gz'],
      ['a tar cut off', gzipSync(tar([{ name: 'a', data: 'x'.repeat(2000) }]).subarray(0, 1000)), 'x.tgz'],
      ['a gzip cut off', tarball(hello('x')).subarray(0, 60), 'x.tgz'],
    ]
    for (const [what, file, filename] of hostile) {
      const answer = await deploy(file, filename)
      assert.ok(answer.status === 422 || answer.status === 413, `${what}: ${answer.status} ${answer.text}`)
      const problem = answer.json<unknown>() as ShownProblem
      assert.match(problem.code, /^(rejected_tree|too_large)$/, `${what}: ${answer.text}`)
      assert.ok(problem.detail.length > 0 && !problem.detail.includes('\0'))
    }
    assert.equal(await serves(), 'good')
    assert.ok(!existsSync(outside))
    assert.equal((await command('find', [home, '-name', '*pwned*'])).out, '')
    await nothingLeft(home)
  })

  test('what is no archive is told so, and a missing file is named', async () => {
    for (const [file, filename] of [
      [Buffer.from('hello'), 'app.zip'],
      [Buffer.from('hello'), 'app.exe'],
      [Buffer.alloc(0), 'app.zip'],
    ] as const) {
      const answer = await deploy(file, filename)
      assert.ok([415, 422].includes(answer.status), `${filename}: ${answer.status} ${answer.text}`)
    }
    const none = await pilot.api('/api/project/zipped/deploy', { method: 'POST', body: form({ a: 'b' }) })
    assert.equal(none.status, 422)
    assert.match(none.text, /"field":"file"/)
    await until('no upload to stay', async () => (await uploads()).length === 0)
  })

  test('wrong fields of a form are named, and nothing is made', async () => {
    for (const [fields, field] of [
      [{ name: 'form', envVars: 'no json' }, 'envVars'],
      [{ name: 'form', envVars: '{"PORT":"1"}' }, 'envVars.PORT'],
      [{ name: 'form', port: 'abc' }, 'port'],
      [{ name: 'form', color: 'red' }, 'color'],
      [{ displayName: 'no name' }, 'name'],
    ] as const) {
      const answer = await create(fields, zip(entries(hello())))
      assert.equal(answer.status, 422, answer.text)
      const { errors } = answer.json<unknown>() as ShownProblem
      assert.ok(
        errors?.some((error) => error.field === field),
        `${field}: ${answer.text}`,
      )
    }
    assert.equal((await pilot.api('/api/project/form')).status, 404)
    await until('no upload to stay', async () => (await uploads()).length === 0)
  })

  test('an upload over the limit is 413, with a declared length and without', async () => {
    const big = Buffer.alloc(5_000_000, 7)
    const declared = await deploy(big)
    assert.equal(declared.status, 413, declared.text)
    assert.equal(declared.json<{ code: string }>().code, 'too_large')
    assert.equal(await sendChunked(multipart(big)), 413)
    await until('no upload to stay', async () => (await uploads()).length === 0)
    assert.equal((await pilot.api('/health')).status, 200)
  })

  test('an upload cut off in the middle leaves no file, no project and no open descriptor', async () => {
    const before = await descriptors()
    const body = multipart(Buffer.alloc(2_000_000, 7), { name: 'cut-off' })
    for (const at of [10, 200, 1_000_000]) {
      for (let i = 0; i < 3; i++) await cutOff(body.subarray(0, at), body.length)
    }
    await until('no upload to stay', async () => (await uploads()).length === 0)
    await until('no descriptor to stay', async () => (await descriptors()) <= before)
    assert.equal((await pilot.api('/api/project/cut-off')).status, 404)
    answered(await deploy(zip(entries(hello('after the cut')))))
    assert.equal(await serves(), 'after the cut')
  })

  test('redeploying an upload boots its files again', async () => {
    await deploy(zip(entries(hello('again'))))
    const { release } = await projectOf(pilot, 'zipped')
    answered(await pilot.api('/api/project/zipped/deploy', { method: 'POST', body: {} }))
    assert.equal((await projectOf(pilot, 'zipped')).release, (release ?? 0) + 1)
    assert.equal(await serves(), 'again')
    assert.equal((await deploymentsOf(pilot, 'zipped'))[0]?.status, 'live')
    await nothingLeft(home)
  })

  const descriptors = async () =>
    (await command('find', [`/proc/${pilot.pid}/fd`, '-lname', '*uploads*'])).out.split('\n').filter(Boolean)
      .length

  function multipart(file: Buffer, fields: Record<string, string> = {}): Buffer {
    const parts = Object.entries(fields).map(
      ([name, value]) => `--edge\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
    )
    return Buffer.concat([
      Buffer.from(
        `${parts.join('')}--edge\r\ncontent-disposition: form-data; name="file"; filename="a.zip"\r\n\r\n`,
      ),
      file,
      Buffer.from('\r\n--edge--\r\n'),
    ])
  }

  function send(path: string, more: Record<string, string | number> = {}) {
    const headers = {
      authorization: `Bearer ${pilot.token}`,
      'content-type': 'multipart/form-data; boundary=edge',
      ...more,
    }
    return request({ host: '127.0.0.1', port: pilot.port, path, method: 'POST', headers })
  }

  function sendChunked(body: Buffer): Promise<number> {
    return new Promise((resolve, reject) => {
      const sent = send('/api/project/zipped/deploy')
      sent.on('response', (response) => resolve(response.resume().statusCode ?? 0))
      sent.on('error', reject)
      for (let at = 0; at < body.length; at += 65_536) sent.write(body.subarray(at, at + 65_536))
      sent.end()
    })
  }

  async function cutOff(part: Buffer, announced: number): Promise<void> {
    const sent = send('/api/project/create', { 'content-length': announced })
    sent.on('error', () => {})
    await new Promise((resolve) => sent.write(part, resolve))
    const reached = part.length > 10_000
    if (reached) await until('the upload to reach the disk', async () => (await uploads()).length > 0)
    sent.destroy()
  }
})
