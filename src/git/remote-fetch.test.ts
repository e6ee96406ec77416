import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import net, { type AddressInfo } from 'node:net'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { makeDeployKey } from '../engine/domain/deploy-key.ts'
import { isRefusal, type RefusalCode } from '../engine/domain/refusal.ts'
import type { FetchFrom } from '../engine/domain/remote.ts'
import { GitRig, hooksDirectory } from '../testing/git-rig.ts'
import { startSshServer } from '../testing/ssh-server.ts'
import { removeDirectory, temporaryDirectory } from '../testing/temporary.ts'
import { sweepQuarantines } from './quarantine.ts'
import { type FetchPlace, fetchedRef, fetchRemote } from './remote-fetch.ts'
import { createRepositories } from './repository.ts'
import { halfPacks, removeHalfPacks } from './upkeep.ts'

const never = new AbortController().signal

describe('fetching from a remote', { timeout: 120_000 }, () => {
  let rig: GitRig
  let home: string
  let sha: string
  let place: FetchPlace
  const key = makeDeployKey('test')
  const environment = { PATH: process.env.PATH ?? '', HOME: '/nonexistent' }

  before(async () => {
    rig = await new GitRig().listen()
    const work = await rig.work()
    await rig.git(['push', '-q', rig.url(), 'main'], work)
    sha = await rig.tip()
    home = await temporaryDirectory('fetch')
    const repositories = createRepositories({
      root: path.join(home, 'repositories'),
      hooksDirectory,
      environment,
    })
    const directory = await repositories.create('mine')
    place = { directory, scratch: home, environment, allowLocal: true, maxPackBytes: 10_000_000 }
  })
  after(async () => {
    await rig?.close()
    await removeDirectory(home)
  })

  const from = (more: Partial<FetchFrom> = {}): FetchFrom => ({
    url: rig.url('shop', ''),
    branch: 'main',
    privateKey: key.privateKey,
    knownHosts: '',
    username: 'ana',
    token: 'pw',
    ...more,
  })
  const refused = (code: RefusalCode, words: RegExp) => (error: unknown) => {
    assert.ok(isRefusal(error, code), String(error))
    assert.match(error.message, words)
    return true
  }
  const refs = async () =>
    (await rig.git(['for-each-ref', '--format=%(refname) %(objectname)'], place.directory)).out.trim()
  const scratch = async () => (await readdir(home)).filter((name) => name.startsWith('fetch-'))

  test('the tip of a branch comes into a ref of our own, and no branch moves', async () => {
    assert.deepEqual(await fetchRemote(place, from(), never), { sha, knownHosts: '' })
    assert.equal(await refs(), `${fetchedRef} ${sha}`)
    assert.deepEqual(await scratch(), [])
  })

  test('a rewritten branch is fetched too', async () => {
    const work = await rig.work('other', { 'index.js': '2' })
    await rig.git(['push', '-q', '-f', rig.url(), 'main'], work)
    const tip = await rig.tip()
    assert.equal((await fetchRemote(place, from(), never)).sha, tip)
    assert.notEqual(tip, sha)
  })

  test('a wrong token, none, and a branch that is not there are told apart', async () => {
    await assert.rejects(
      fetchRemote(place, from({ token: 'wrong' }), never),
      refused('fetch_failed', /did not let us in/),
    )
    await assert.rejects(
      fetchRemote(place, from({ token: null }), never),
      refused('fetch_failed', /did not let us in/),
    )
    await assert.rejects(
      fetchRemote(place, from({ branch: 'nope' }), never),
      refused('fetch_failed', /no branch nope/),
    )
    await assert.rejects(
      fetchRemote(place, from({ branch: '-x' }), never),
      refused('fetch_failed', /name of a branch/),
    )
    assert.deepEqual(await scratch(), [])
  })

  test('a redirect is not followed, and the token is not carried there', async () => {
    const asked: string[] = []
    const elsewhere = createServer((request, response) => {
      asked.push(String(request.headers.authorization))
      response.end()
    }).listen(0, '127.0.0.1')
    await once(elsewhere, 'listening')
    const gone = createServer((request, response) => {
      const { port } = elsewhere.address() as AddressInfo
      response.writeHead(302, { location: `http://127.0.0.1:${port}${request.url}` }).end()
    }).listen(0, '127.0.0.1')
    await once(gone, 'listening')
    try {
      const url = `http://127.0.0.1:${(gone.address() as AddressInfo).port}/git/shop.git`
      await assert.rejects(fetchRemote(place, from({ url }), never), refused('fetch_failed', /./))
      assert.deepEqual(asked, [])
    } finally {
      elsewhere.close()
      gone.close()
    }
  })

  test('more than the server takes is refused, and leaves nothing', async () => {
    const work = await rig.work('big', { 'big.bin': randomBytes(2_000_000) })
    await rig.git(['push', '-q', rig.url('big'), 'main'], work)
    const before = await refs()
    await assert.rejects(
      fetchRemote({ ...place, maxPackBytes: 500_000 }, from({ url: rig.url('big', '') }), never),
      refused('too_large', /more than this server takes/),
    )
    assert.equal(await refs(), before)
    assert.deepEqual(await halfPacks(place.directory), [])
  })

  test('half a pack of a killed git goes, and what was there before stays', async () => {
    const pack = path.join(place.directory, 'objects', 'pack')
    await mkdir(pack, { recursive: true })
    for (const name of ['tmp_pack_old', 'tmp_pack_new']) await writeFile(path.join(pack, name), 'half')
    await removeHalfPacks(place.directory, ['tmp_pack_old'])
    assert.deepEqual(await halfPacks(place.directory), ['tmp_pack_old'])
    await sweepQuarantines(path.dirname(place.directory))
    assert.deepEqual(await halfPacks(place.directory), [])
  })

  test('without the leave to, nothing of this machine is fetched', async () => {
    const closed = { ...place, allowLocal: false }
    await assert.rejects(fetchRemote(closed, from(), never), refused('invalid', /https/))
    // a name that leads here, as anybody can have one
    await assert.rejects(
      fetchRemote(closed, from({ url: 'https://ip6-loopback/a.git' }), never),
      refused('fetch_failed', /this machine itself|no address/),
    )
  })

  test('a server that says nothing is left when the fetch is cancelled', async () => {
    const silent = net.createServer().listen(0, '127.0.0.1')
    await once(silent, 'listening')
    try {
      const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/a.git`
      const cancel = new AbortController()
      const connected = once(silent, 'connection')
      const fetching = assert.rejects(
        fetchRemote(place, from({ url }), cancel.signal),
        refused('cancelled', /./),
      )
      await connected
      cancel.abort()
      await fetching
      assert.deepEqual(await scratch(), [])
    } finally {
      silent.close()
    }
  })

  test('over ssh: with the deploy key, from a server that keeps its key', async () => {
    const ssh = await startSshServer({ authorized: key.publicKey })
    try {
      const url = `${ssh.url}${rig.directory()}`
      const first = await fetchRemote(place, from({ url }), never)
      assert.equal(first.sha, await rig.tip())
      assert.match(first.knownHosts, new RegExp(`^\\[127\\.0\\.0\\.1\\]:${ssh.port} ssh-ed25519 `))
      const again = await fetchRemote(place, from({ url, knownHosts: first.knownHosts }), never)
      assert.equal(again.knownHosts, first.knownHosts)
      const stranger = makeDeployKey('stranger').privateKey
      await assert.rejects(
        fetchRemote(place, from({ url, privateKey: stranger }), never),
        refused('fetch_failed', /did not let us in/),
      )
      const other = first.knownHosts.replace(/AAAA\S+/, makeDeployKey('x').publicKey.split(' ')[1] ?? '')
      await assert.rejects(
        fetchRemote(place, from({ url, knownHosts: other }), never),
        refused('fetch_failed', /another host key/),
      )
      assert.deepEqual(await scratch(), [])
    } finally {
      await ssh.stop()
    }
  })

  test('what is fetched is shown to nobody and cannot be pushed', async () => {
    const advertised = await rig.git(['upload-pack', '--advertise-refs', place.directory], home)
    assert.ok(!advertised.out.includes('refs/nodepilot'))
    const config = await readFile(path.join(place.directory, 'config'), 'utf8')
    assert.match(config, /hideRefs = refs\/nodepilot/)
  })
})
