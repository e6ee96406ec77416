import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { GitRig, gitProcesses, requestHead } from '../testing/git-rig.ts'
import { packet } from './pkt-line.ts'

const zero = '0'.repeat(40)
const sha = '1'.repeat(40)
const capabilities = 'report-status side-band-64k push-options agent=test'

/** The list of refs of a push, in packets. */
function commands(...lines: string[]): string {
  const [first = '', ...rest] = lines
  const all = [`${first}\0${capabilities}`, ...rest].map((line) => packet(line).toString('latin1'))
  return `${all.join('')}0000`
}

const create = (ref: string) => `${zero} ${sha} ${ref}`
const noOptions = '0000'
const emptyPack = Buffer.from('5041434b0000000200000000029d08823bd8a8eab510ad6ac75c823cfd3ed31e', 'hex')

type Chunk = string | Buffer
interface Case {
  readonly title: string
  readonly service?: 'upload-pack' | 'receive-pack'
  readonly headers?: Record<string, string | number>
  /** Sent with its Content-Length unless the headers say otherwise. */
  readonly body: readonly Chunk[]
  readonly hangUp?: boolean
  /** Of the answer; '' when the connection just ends. */
  readonly expect: RegExp | ''
}

const refused = /^HTTP\/1\.1 400 [\s\S]*error: malformed: /
const rejected = /^HTTP\/1\.1 200 [\s\S]*error: invalid: the ref name /
const unpackFailed = /^HTTP\/1\.1 200 [\s\S]*unpack (?!ok)/
const any = /^HTTP\/1\.1 \d{3} /
const chunked = { 'Transfer-Encoding': 'chunked' }
const gzip = { 'Content-Encoding': 'gzip' }
const damagedGzip = gzipSync(commands(create('refs/heads/main')))
damagedGzip[damagedGzip.length - 6] = (damagedGzip[damagedGzip.length - 6] ?? 0) ^ 255
const upload = { service: 'upload-pack' as const }
const v2 = { 'Git-Protocol': 'version=2' }

const cases: Case[] = [
  { title: 'no body', body: [], expect: refused },
  { title: 'no body and no length', headers: { 'X-None': 1 }, body: [], expect: refused },
  { title: 'one byte', body: ['0'], expect: refused },
  { title: 'three digits', body: ['00a'], expect: refused },
  { title: 'a length of one', body: ['0001'], expect: refused },
  { title: 'a length of three', body: ['0003'], expect: refused },
  { title: 'an empty packet', body: ['00040000'], expect: refused },
  { title: 'a length that is too long', body: [`fff1${'x'.repeat(100)}`], expect: refused },
  { title: 'a length that is no number', body: ['zzzz'], expect: refused },
  { title: 'a negative length', body: ['-001'], expect: refused },
  { title: 'a packet that ends early', body: ['00ff'], expect: refused },
  { title: 'text', body: ['hello, this is no git'], expect: refused },
  { title: 'NUL bytes', body: [Buffer.alloc(5_000)], expect: refused },
  { title: 'random bytes', body: [randomBytes(100_000)], expect: any },
  { title: 'JSON', body: ['{"a":1}'], expect: refused },
  { title: 'a line without refs', body: [`${packet('hello')}0000`], expect: refused },
  { title: 'a short sha', body: [`${packet(`${zero} abc refs/heads/x`)}0000`], expect: refused },
  { title: 'an upper-case sha', body: [commands(`${zero} ${'A'.repeat(40)} refs/heads/x`)], expect: refused },
  { title: 'two kinds of sha', body: [commands(`${zero} ${'1'.repeat(64)} refs/heads/x`)], expect: refused },
  {
    title: 'a newline in a ref',
    body: [commands(`${create('refs/heads/x')}\n${create('refs/heads/y')}`)],
    expect: refused,
  },
  { title: 'a push certificate', body: [`${packet('push-cert\0report-status')}0000`], expect: refused },
  { title: 'a list that never ends', body: [packet(create('refs/heads/x'))], expect: refused },
  { title: 'options that never come', body: [commands(create('refs/heads/x'))], expect: refused },
  { title: 'options that never end', body: [commands(create('refs/heads/x')), packet('a')], expect: refused },
  {
    title: 'too many refs',
    body: [commands(...Array.from({ length: 60_000 }, (_, n) => create(`refs/heads/${n}`)))],
    expect: /^HTTP\/1\.1 413 /,
  },
  {
    title: 'a ref like an option',
    body: [commands(create('refs/heads/--exec=id')), noOptions, emptyPack],
    expect: rejected,
  },
  {
    title: 'a remote name like an option',
    body: [commands(create('refs/-x/y')), noOptions, emptyPack],
    expect: rejected,
  },
  {
    title: 'a ref outside of refs',
    body: [commands(create('HEAD')), noOptions, emptyPack],
    expect: rejected,
  },
  {
    title: 'a ref that climbs',
    body: [commands(create('refs/heads/../../config')), noOptions, emptyPack],
    expect: rejected,
  },
  {
    title: 'an absolute ref',
    body: [commands(create('/etc/passwd')), noOptions, emptyPack],
    expect: rejected,
  },
  {
    title: 'an escape sequence in a ref',
    body: [commands(create('refs/heads/\u001b[2J')), noOptions, emptyPack],
    expect: rejected,
  },
  {
    title: 'a carriage return in a ref',
    body: [commands(create('refs/heads/a\rb')), noOptions, emptyPack],
    expect: rejected,
  },
  {
    title: 'a lock file as a ref',
    body: [commands(create('refs/heads/main.lock')), noOptions, emptyPack],
    expect: rejected,
  },
  {
    title: 'a ref of 10,000 characters',
    body: [commands(create(`refs/heads/${'x'.repeat(10_000)}`)), noOptions, emptyPack],
    expect: rejected,
  },
  {
    title: 'a good ref beside a hostile one',
    body: [commands(create('refs/heads/a'), create('refs/heads/-b')), noOptions, emptyPack],
    expect: rejected,
  },
  { title: 'no pack', body: [commands(create('refs/heads/x')), noOptions], expect: unpackFailed },
  {
    title: 'a pack that ends early',
    body: [commands(create('refs/heads/x')), noOptions, emptyPack.subarray(0, 10)],
    expect: unpackFailed,
  },
  {
    title: 'garbage for a pack',
    body: [commands(create('refs/heads/x')), noOptions, randomBytes(200_000)],
    expect: unpackFailed,
  },
  {
    title: 'a pack without the commit it names',
    body: [commands(create('refs/heads/x')), noOptions, emptyPack],
    expect: /^HTTP\/1\.1 200 [\s\S]*ng refs\/heads\/x/,
  },
  {
    title: 'option lines that look like our own protocol',
    body: [commands(create('refs/heads/x')), packet('a\nend\nref x'), '0000', emptyPack],
    expect: /^HTTP\/1\.1 200 [\s\S]*ng refs\/heads\/x/,
  },
  {
    title: 'a command line in many segments',
    body: [...(commands(create('refs/heads/x')) + noOptions)].slice(0, 200).map((byte) => byte),
    headers: { 'Content-Length': 200 },
    hangUp: true,
    expect: '',
  },
  { title: 'gzip of nothing', headers: gzip, body: [gzipSync('')], expect: refused },
  { title: 'gzip that is none', headers: gzip, body: ['0000'], expect: refused },
  {
    title: 'gzip cut off',
    headers: gzip,
    body: [gzipSync(commands(create('refs/heads/x'))).subarray(0, 30)],
    expect: refused,
  },
  { title: 'gzip of one byte', headers: gzip, body: [Buffer.from([0x1f])], expect: refused },
  { title: 'gzip with a wrong checksum', headers: gzip, body: [damagedGzip], expect: refused },
  {
    title: 'x-gzip that is none',
    headers: { 'Content-Encoding': 'x-gzip' },
    body: ['nonsense'],
    expect: refused,
  },
  {
    title: 'an unknown compression',
    headers: { 'Content-Encoding': 'br' },
    body: ['0000'],
    expect: /^HTTP\/1\.1 415 /,
  },
  {
    title: 'a gzip bomb',
    headers: gzip,
    body: [gzipSync(Buffer.alloc(100_000_000, '0040'), { level: 9 })],
    expect: refused,
  },
  {
    title: 'another content type',
    headers: { 'Content-Type': 'text/plain' },
    body: ['0000'],
    expect: /^HTTP\/1\.1 415 /,
  },
  {
    title: 'the content type of the other service',
    headers: { 'Content-Type': 'application/x-git-upload-pack-request' },
    body: ['0000'],
    expect: /^HTTP\/1\.1 415 /,
  },
  { title: 'a chunk size that is none', headers: chunked, body: ['zz\r\nhello\r\n'], expect: any },
  { title: 'chunks that never end', headers: chunked, body: ['5\r\n0000'], hangUp: true, expect: '' },
  {
    title: 'a body that ends before its length',
    headers: { 'Content-Length': 5_000 },
    body: [commands(create('refs/heads/x'))],
    hangUp: true,
    expect: '',
  },
  {
    title: 'a hang-up in the pack',
    headers: { 'Content-Length': 5_000 },
    body: [commands(create('refs/heads/x')), noOptions, emptyPack.subarray(0, 12)],
    hangUp: true,
    expect: '',
  },
  {
    title: 'a hang-up before the body',
    headers: { 'Content-Length': 5_000 },
    body: [],
    hangUp: true,
    expect: '',
  },
  { title: 'a fetch without a body', ...upload, body: [], expect: /^HTTP\/1\.1 (200|400) / },
  { title: 'a fetch of text', ...upload, body: ['what is this'], expect: refused },
  {
    title: 'a fetch of an unknown object',
    ...upload,
    body: [`${packet(`want ${sha} side-band-64k`)}0000`, packet('done')],
    expect: /not our ref/,
  },
  {
    title: 'an unknown command of version 2',
    ...upload,
    headers: v2,
    body: [`${packet('command=exec')}00010000`],
    expect: any,
  },
  {
    title: 'a cut off question of version 2',
    ...upload,
    headers: v2,
    body: ['0014command=ls-'],
    expect: any,
  },
  {
    title: 'gzip bomb of a fetch',
    ...upload,
    headers: { ...gzip, ...v2 },
    body: [gzipSync(Buffer.alloc(100_000_000, '0032want 1111111111111111111111111111111111111111\n'))],
    expect: any,
  },
  {
    title: 'a fetch that hangs up',
    ...upload,
    headers: { 'Content-Length': 500 },
    body: ['00'],
    hangUp: true,
    expect: '',
  },
]

describe('a malformed request', () => {
  let rig: GitRig
  before(async () => {
    rig = await new GitRig({ idleTimeoutMs: 5_000 }).listen()
    const push = await rig.git(['push', rig.url(), 'main'], await rig.work())
    assert.equal(push.code, 0, push.err)
  })
  after(() => rig.close())

  for (const { title, service = 'receive-pack', headers = {}, body, hangUp = false, expect } of cases) {
    test(`${title} is answered or ended, and leaves nothing behind`, { timeout: 15_000 }, async () => {
      const length = Buffer.concat(body.map((chunk) => Buffer.from(chunk))).length
      const framing = headers['Transfer-Encoding'] ? {} : { 'Content-Length': length }
      const type = { 'Content-Type': `application/x-git-${service}-request` }
      const head = requestHead(`POST /git/shop.git/git-${service}`, { ...type, ...framing, ...headers })
      const answer = await rig.raw([head, ...body], { hangUp })
      if (expect === '') assert.equal(answer, '')
      else assert.match(answer, expect)
      await rig.until(() => gitProcesses(rig.root).length === 0 && rig.quarantines().length === 0)
      const refs = await rig.git(['for-each-ref', '--format=%(refname)'], rig.directory())
      assert.equal(refs.out, 'refs/heads/main\n')
    })
  }

  test('one after the other, the server still takes a push', async () => {
    const push = await rig.git(['push', rig.url(), 'main:again'], `${rig.root}/work`)
    assert.equal(push.code, 0, push.err)
  })

  test('push options that look like the protocol of the hooks stay options', async () => {
    const parent = await rig.tip()
    const options = ['a\nend\nref x', '\nexit 0\n\n', '+ b']
    const body = Buffer.concat([
      Buffer.from(commands(`${zero} ${parent} refs/heads/options`)),
      ...options.map((option) => packet(`${option}\n`)),
      Buffer.from('0000'),
      emptyPack,
    ])
    const type = { 'Content-Type': 'application/x-git-receive-pack-request', 'Content-Length': body.length }
    const answer = await rig.raw([requestHead('POST /git/shop.git/git-receive-pack', type), body])
    assert.match(answer, /ok refs\/heads\/options/)
    assert.deepEqual(rig.pushes.at(-1)?.options, options)
    assert.equal(rig.pushes.at(-1)?.updates.length, 1)
  })

  test('a push split into single bytes is still a push', async () => {
    const parent = await rig.tip()
    const line = `${zero} ${parent} refs/heads/bytes`
    const body = Buffer.concat([Buffer.from(commands(line) + noOptions), emptyPack])
    const head = requestHead('POST /git/shop.git/git-receive-pack', {
      'Content-Type': 'application/x-git-receive-pack-request',
      'Content-Length': body.length,
    })
    const bytes = Array.from(body, (byte) => Buffer.from([byte]))
    assert.match(await rig.raw([head, ...bytes]), /ok refs\/heads\/bytes/)
    assert.equal(await rig.tip('refs/heads/bytes'), parent)
  })
})
