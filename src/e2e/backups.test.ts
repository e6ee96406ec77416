import assert from 'node:assert/strict'
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Backup } from '../engine/backup/shelf.ts'
import { app, hello } from '../testing/apps.ts'
import { zip } from '../testing/archives.ts'
import type { Answer } from '../testing/ask.ts'
import { command } from '../testing/command.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { answered, deploymentsOf, form, projectOf } from '../testing/project.ts'
import { root } from '../testing/root.ts'
import { removeDirectory, temporaryDirectory } from '../testing/temporary.ts'
import { until } from '../testing/until.ts'
import { gitEnvironment, type WorkTree, workTree } from '../testing/work-tree.ts'

/** Answers with the data it was left, and keeps what is posted to it. */
const keeper = app(`const fs = require('node:fs'), file = process.env.NODEPILOT_DATA_DIR + '/notes'
require('node:http').createServer((q, s) => {
  if (q.method === 'POST') fs.appendFileSync(file, q.url)
  s.end(fs.existsSync(file) ? fs.readFileSync(file) : 'nothing')
}).listen(process.env.PORT)
`)

describe('backup and restore', { timeout: 300_000 }, () => {
  let old: Pilot
  let tree: WorkTree
  let folder: string
  let made: Backup
  let file: string

  const nodepilot = (home: string, ...words: string[]) =>
    command(join(root, 'bin', 'nodepilot'), words, { env: { NODEPILOT_HOME: home }, timeoutMs: 120_000 })
  const backUp = async (pilot: Pilot, body: object = {}) =>
    answered(await pilot.api('/api/system/backup', { method: 'POST', body }), 201).json<{ backup: Backup }>()
      .backup
  const list = async (pilot: Pilot) =>
    answered(await pilot.api('/api/system/backups')).json<{ backups: Backup[] }>().backups
  const eventually = (pilot: Pilot, project: string, text: string) =>
    // a restored project is installed and built again first
    until(
      `${project} to answer`,
      async () => {
        const answer: Answer = await pilot.app(project)
        return answer.status === 200 && answer.text === text ? answer : undefined
      },
      60_000,
    )

  before(async () => {
    folder = await temporaryDirectory('saved')
    old = await startPilot({ env: { NODEPILOT_TESTING: '1', NODEPILOT_SLEEP_MINUTE_MS: '200' } })
    tree = await workTree(hello('before'))
    const remote = old.remote('shop')
    assert.equal((await tree.push(remote)).code, 0)
    await tree.commit(keeper, 'Keep notes')
    const pushed = await tree.push(remote)
    assert.equal(pushed.code, 0, pushed.all)
    await old.app('shop', '/remembered', { method: 'POST' })
    const entries = Object.entries(keeper).map(([path, data]) => ({ name: path, data: String(data) }))
    const upload = form({ name: 'uploaded' }, zip(entries))
    answered(await old.api('/api/project/create', { method: 'POST', body: upload }), 201)
    await old.app('uploaded', '/kept', { method: 'POST' })
    answered(await old.api('/api/project/uploaded', { method: 'PATCH', body: { sleepAfterMinutes: 1 } }))
    const asleep = form({ name: 'asleep' }, zip(entries))
    answered(await old.api('/api/project/create', { method: 'POST', body: asleep }), 201)
    answered(await old.api('/api/project/asleep/stop', { method: 'POST' }))
    answered(await old.api('/api/project/create', { method: 'POST', body: { name: 'empty' } }), 201)
    answered(await old.api('/api/project/shop', { method: 'PATCH', body: { previews: true } }))
    await tree.commit(hello('a preview'), 'Try something')
    const previewed = await tree.push(remote, 'HEAD:feature')
    assert.equal(previewed.code, 0, previewed.all)
    await tree.commit(keeper, 'Back to the notes')
    const domain = { domain: 'shop.example' }
    answered(await old.api('/api/project/shop/domains', { method: 'POST', body: domain }), 201)
    const data = join(old.home, 'projects', 'shop', 'data')
    await mkdir(join(data, 'närrisch', 'x'.repeat(150)), { recursive: true })
    await writeFile(join(data, 'närrisch', 'x'.repeat(150), 'file'), 'long')
    await writeFile(join(data, 'secret'), 'private')
    await chmod(join(data, 'secret'), 0o600)
    await symlink('notes', join(data, 'link'))
  })
  after(async () => {
    await tree?.remove()
    await old?.stop()
    await removeDirectory(folder)
  })

  test('a backup is made while everything runs, proved, listed, and can be downloaded', async () => {
    await until('what nobody asks for to sleep', async () => (await projectOf(old, 'uploaded')).sleeping)
    made = await backUp(old)
    assert.ok(made.bytes > 1_000 && made.verifiedAt >= made.createdAt)
    assert.deepEqual(made.projects, ['asleep', 'empty', 'feature--shop', 'shop', 'uploaded'])
    assert.deepEqual(await list(old), [made])
    assert.equal((await stat(join(old.home, 'backups', `${made.id}.tar.gz`))).mode & 0o777, 0o600)
    const path = `/api/system/backups/${made.id}/download`
    const got = await fetch(new URL(path, old.url), { headers: { authorization: `Bearer ${old.token}` } })
    assert.equal(got.headers.get('content-type'), 'application/gzip')
    const bytes = Buffer.from(await got.arrayBuffer())
    assert.equal(bytes.length, made.bytes)
    file = join(folder, 'backup.tar.gz')
    await writeFile(file, bytes)
    const listing = await command('tar', ['-tzf', file], {})
    assert.equal(listing.code, 0, listing.all)
    assert.doesNotMatch(listing.out, /^keys\/|node_modules/m)
    assert.equal((await fetch(new URL(path, old.url))).status, 401)
    assert.deepEqual((await readdir(join(old.home, 'backups'))).sort(), [
      `${made.id}.json`,
      `${made.id}.tar.gz`,
    ])
  })

  test('a running home, and one that is not empty, are not restored over', async () => {
    const running = await nodepilot(old.home, 'restore', file, '--force')
    assert.notEqual(running.code, 0)
    assert.match(running.all, /stop --all/)
    const full = await temporaryDirectory('full')
    await writeFile(join(full, 'mine'), 'mine')
    const refused = await nodepilot(full, 'restore', file)
    assert.notEqual(refused.code, 0)
    assert.match(refused.all, /is not empty/)
    assert.deepEqual(await readdir(full), ['mine'])
    await removeDirectory(full)
  })

  test('a backup with one wrong byte is refused, and leaves nothing', async () => {
    const bytes = await readFile(file)
    const home = await temporaryDirectory('bad')
    for (const at of [100, Math.floor(bytes.length / 2), bytes.length - 6]) {
      const wrong = Buffer.from(bytes)
      wrong.writeUInt8((wrong.readUInt8(at) + 1) % 256, at)
      await writeFile(join(folder, 'wrong.tar.gz'), wrong)
      const refused = await nodepilot(home, 'restore', join(folder, 'wrong.tar.gz'))
      assert.notEqual(refused.code, 0, `byte ${at}`)
      assert.match(refused.all, /the backup cannot be used/)
    }
    await writeFile(join(folder, 'half.tar.gz'), bytes.subarray(0, bytes.length / 2))
    assert.notEqual((await nodepilot(home, 'restore', join(folder, 'half.tar.gz'))).code, 0)
    assert.deepEqual(await readdir(home).catch(() => []), [])
    await removeDirectory(home)
  })

  test('restored to another home, every project comes back with its data, and pushes go on', async () => {
    // afterwards: none of it may be in the restored home
    await old.app('shop', '/later', { method: 'POST' })
    const home = await temporaryDirectory('new')
    const restored = await nodepilot(home, 'restore', file)
    assert.equal(restored.code, 0, restored.all)
    const pilot = await startPilot({ home })
    try {
      await eventually(pilot, 'shop', '/remembered')
      await eventually(pilot, 'uploaded', '/kept')
      await eventually(pilot, 'feature--shop', 'a preview')
      const { previews } = answered(await pilot.api('/api/project/shop/previews')).json<{
        previews: { name: string; branch: string; usedAt: string }[]
      }>()
      assert.deepEqual(
        previews.map(({ name, branch }) => [name, branch]),
        [['feature--shop', 'feature']],
      )
      assert.ok((previews[0]?.usedAt ?? '') > made.createdAt, 'its idle days begin with the restore')
      const built = async () => {
        const project = await projectOf(pilot, 'asleep')
        return project.release === 2 && project.status === 'stopped' ? project : undefined
      }
      const asleep = await until('asleep to be built', built, 60_000)
      assert.equal(asleep.deploying, false)
      assert.equal((await projectOf(pilot, 'empty')).release, null)
      assert.equal((await pilot.app('shop', '/', { host: 'shop.example' })).text, '/remembered')
      const data = join(home, 'projects', 'shop', 'data')
      assert.equal(await readFile(join(data, 'link'), 'utf8'), '/remembered')
      assert.equal(await readFile(join(data, 'närrisch', 'x'.repeat(150), 'file'), 'utf8'), 'long')
      assert.equal((await stat(join(data, 'secret'))).mode & 0o777, 0o600)
      const [newest, ...older] = await deploymentsOf(pilot, 'shop')
      assert.deepEqual([newest?.status, newest?.release, older.length], ['live', 3, 2])
      const rollback = await pilot.api('/api/project/shop/rollback', { method: 'POST', body: { release: 1 } })
      assert.equal(rollback.status, 409, rollback.text)
      answered(await pilot.api('/api/project/asleep/start', { method: 'POST' }))
      await eventually(pilot, 'asleep', 'nothing')
      const copy = await command('git', ['clone', '-q', pilot.remote('shop'), 'copy'], {
        cwd: folder,
        env: gitEnvironment,
      })
      assert.equal(copy.code, 0, copy.all)
      await tree.commit({ 'more.txt': 'more' }, 'More')
      const pushed = await tree.push(pilot.remote('shop'))
      assert.equal(pushed.code, 0, pushed.all)
      await eventually(pilot, 'shop', '/remembered')
      await tree.commit(hello('still a preview'), 'Go on')
      const previewed = await tree.push(pilot.remote('shop'), 'HEAD:feature')
      assert.equal(previewed.code, 0, previewed.all)
      await eventually(pilot, 'feature--shop', 'still a preview')
      await tree.git('reset', '--quiet', '--hard', 'HEAD~1')
      assert.doesNotMatch(pilot.log(), /failed|internal error/)
    } finally {
      await pilot.stop()
      await removeDirectory(home)
    }
  })

  test('with whole slugs projects start, or sleep, as they were, without being built; with keys sessions stay valid', async () => {
    const whole = await nodepilot(old.home, 'backup', '--slugs', '--keys', '--json')
    assert.equal(whole.code, 0, whole.all)
    const { file: saved } = JSON.parse(whole.out) as { file: string }
    const home = await temporaryDirectory('new')
    assert.equal((await nodepilot(home, 'restore', saved)).code, 0)
    const pilot = await startPilot({ home })
    try {
      await eventually(pilot, 'shop', '/remembered/later')
      assert.equal((await projectOf(pilot, 'uploaded')).sleeping, true)
      assert.equal((await pilot.app('uploaded')).text, '/kept', 'the first request wakes it')
      assert.equal((await projectOf(pilot, 'shop')).release, 2)
      assert.equal((await pilot.api('/api/auth/verify', { token: old.token })).status, 200)
    } finally {
      await pilot.stop()
      await removeDirectory(home)
    }
  })

  test('--force moves the old home aside, and its backups come along', async () => {
    const home = await temporaryDirectory('force')
    const first = await nodepilot(home, 'restore', file)
    assert.equal(first.code, 0, first.all)
    const again = await nodepilot(home, 'backup')
    assert.equal(again.code, 0, again.all)
    const forced = await nodepilot(home, 'restore', again.out.trim(), '--force', '--json')
    assert.equal(forced.code, 0, forced.all)
    const { restored } = JSON.parse(forced.out) as { restored: { aside: string } }
    assert.ok((await readdir(restored.aside)).includes('nodepilot.db'))
    assert.equal((await readdir(join(home, 'backups'))).length, 2)
    await removeDirectory(home)
    await removeDirectory(restored.aside)
  })

  test('a backup can be removed, and only by its name', async () => {
    const one = await backUp(old)
    for (const wrong of ['..%2F..%2Fnodepilot.db', 'nodepilot', one.id.slice(1)]) {
      assert.equal((await old.api(`/api/system/backups/${wrong}`, { method: 'DELETE' })).status, 404, wrong)
    }
    assert.equal((await old.api(`/api/system/backups/${one.id}`, { method: 'DELETE' })).status, 204)
    assert.ok(!(await list(old)).some(({ id }) => id === one.id))
  })
})
