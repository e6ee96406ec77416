import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, rm, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { app, hello } from '../testing/apps.ts'
import { zip } from '../testing/archives.ts'
import { command } from '../testing/command.ts'
import { assertLive, assertRejected } from '../testing/git-output.ts'
import { nothingLeft } from '../testing/leftovers.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { answered, deploymentsOf, form, projectOf } from '../testing/project.ts'
import { removeDirectory, temporaryDirectory } from '../testing/temporary.ts'
import { type WorkTree, workTree } from '../testing/work-tree.ts'

const megabyte = 1_000_000

/** A file system of its own, so that it can be full. Needs the right to mount, which root has. */
describe('a full disk', { timeout: 120_000 }, () => {
  let folder: string
  let home: string
  let pilot: Pilot
  let work: WorkTree

  before(async () => {
    folder = await temporaryDirectory('disk')
    home = join(folder, 'h')
    await mkdir(home)
    const mounted = await command('mount', [
      '-t',
      'tmpfs',
      '-o',
      'size=40m,mode=0700',
      'nodepilot-test',
      home,
    ])
    assert.equal(mounted.code, 0, mounted.all)
    pilot = await startPilot({ home })
    work = await workTree(hello('before'))
    assertLive(await work.push(pilot.remote('shop')), 1)
  })
  after(async () => {
    await pilot?.stop()
    await work?.remove()
    await command('umount', ['-l', home])
    await removeDirectory(folder)
  })

  const ballast = () => join(home, 'ballast')
  /** Leaves about so many bytes. */
  const leave = async (bytes: number) => {
    await rm(ballast(), { force: true })
    const { bavail, bsize } = await statfs(home)
    await writeFile(ballast(), Buffer.alloc(Math.max(bavail * bsize - bytes, 0)))
  }
  const free = () => rm(ballast(), { force: true })
  const stillFine = async (text: string) => {
    assert.equal((await pilot.app('shop')).text, text)
    await nothingLeft(home)
  }

  test('a tree that does not fit is refused, the old version serves, a small push goes live afterwards', async () => {
    await leave(6 * megabyte)
    const before = await work.head()
    await work.commit({ ...hello('never'), 'zeros.bin': Buffer.alloc(30 * megabyte) })
    assertRejected(await work.push(pilot.remote('shop')), 'disk_full')
    const [newest] = await deploymentsOf(pilot, 'shop')
    assert.equal(newest?.error?.code, 'disk_full')
    assert.match(newest?.error?.hint ?? '', /free/)
    await stillFine('before')
    const ref = await work.git('ls-remote', pilot.remote('shop'), 'refs/heads/main')
    assert.ok(ref.out.startsWith(before))
    await work.git('reset', '-q', '--hard', before)
    await work.commit(hello('small'))
    assertLive(await work.push(pilot.remote('shop')), 2)
    assert.equal((await pilot.app('shop')).text, 'small')
    await free()
  })

  test('a pack that does not fit is refused by git, with words, and leaves no half of it', async () => {
    await leave(3 * megabyte)
    const noise = Buffer.from(Uint32Array.from({ length: 2_000_000 }, () => Math.random() * 2 ** 32).buffer)
    const before = await work.head()
    await work.commit({ 'noise.bin': noise })
    const pushed = await work.push(pilot.remote('shop'))
    assert.notEqual(pushed.code, 0)
    assert.match(pushed.all, /[Nn]o space left|disk_full|unpack|write error/, pushed.all)
    await work.git('reset', '-q', '--hard', before)
    await stillFine('small')
    await free()
  })

  test('a build that fills the disk is told so, and its files go', async () => {
    const manifest = { scripts: { build: 'head -c 60000000 /dev/zero > big', start: 'node server.js' } }
    const before = await work.head()
    await work.commit(app('', manifest))
    assertRejected(await work.push(pilot.remote('shop')), 'disk_full')
    await work.git('reset', '-q', '--hard', before)
    await stillFine('small')
    assert.ok(!existsSync(join(home, 'projects', 'shop', 'releases', '3')))
  })

  test('an upload that does not fit says so and leaves no file', async () => {
    await leave(3 * megabyte)
    const noise = Buffer.from(Uint32Array.from({ length: 2_000_000 }, () => Math.random() * 2 ** 32).buffer)
    const body = form({}, zip([{ name: 'noise.bin', data: noise }]))
    const answer = await pilot.api('/api/project/shop/deploy', { method: 'POST', body })
    assert.ok([422, 507].includes(answer.status), answer.text)
    assert.equal(answer.json<{ code: string }>().code, 'disk_full')
    await stillFine('small')
    await free()
  })

  test('with no byte left at all the projects serve, and after some were freed everything works again', async () => {
    await leave(0)
    assert.equal((await pilot.app('shop')).text, 'small')
    const before = await work.head()
    await work.commit(hello('squeezed'))
    const pushed = await work.push(pilot.remote('shop'))
    assert.notEqual(pushed.code, 0)
    assert.equal((await pilot.app('shop')).text, 'small')
    await free()
    await stillFine('small')
    await work.git('reset', '-q', '--hard', before)
    await work.commit(hello('roomy'))
    assertLive(await work.push(pilot.remote('shop')))
    assert.equal((await pilot.app('shop')).text, 'roomy')
    assert.equal((await projectOf(pilot, 'shop')).status, 'running')
    answered(await pilot.api('/api/project/list'))
  })
})
