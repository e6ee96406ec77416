import assert from 'node:assert/strict'
import { appendFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { createLab, type Lab } from '../../testing/engine-lab.ts'
import { until } from '../../testing/until.ts'
import { unpackBackup } from '../backup/unpack.ts'
import { walk } from '../backup/walk.ts'
import { theServer as who } from '../domain/audit.ts'
import { isRefusal } from '../domain/refusal.ts'
import { createEngine, type Engine, type EngineDeps } from '../engine.ts'
import { openDatabase } from '../store/database.ts'

const plain = { keys: false, slugs: false }

async function withEngine(change: Partial<EngineDeps>, work: (lab: Lab, engine: Engine) => Promise<void>) {
  const lab = await createLab()
  const engine = createEngine({ ...lab.deps, ...change })
  try {
    await work(lab, engine)
    await engine.close()
  } finally {
    await lab.close()
  }
}

const onShelf = (lab: Lab) => readdir(lab.paths.backups).then((names) => names.sort())

test('the newest few are kept, and every one that is made is written down', async () => {
  await withEngine({ backups: { keep: 2, everyMs: 0 } }, async (lab, engine) => {
    const made = []
    for (let n = 0; n < 3; n++) made.push(await engine.backups.make(plain, who))
    const [, second, third] = made
    assert.deepEqual(await engine.backups.list(), [third, second])
    assert.equal((await onShelf(lab)).length, 4)
    const actions = engine.audit.list({ limit: 10 }).map(({ action }) => action)
    assert.equal(actions.filter((action) => action === 'backup.create').length, made.length)
  })
})

test('of two at once the second is refused, and nothing of it stays', async () => {
  await withEngine({}, async (lab, engine) => {
    const first = engine.backups.make(plain, who)
    await assert.rejects(engine.backups.make(plain, who), (error) => isRefusal(error, 'conflict'))
    const { id } = await first
    assert.deepEqual(await onShelf(lab), [`${id}.json`, `${id}.tar.gz`])
  })
})

test('a backup that cannot be proved is none', async () => {
  const broken = async () => Promise.reject(new Error('an object is missing'))
  await withEngine({}, async (lab, engine) => {
    await engine.projects.create({ name: 'shop' }, who)
    const bundle = async (_: string, file: string) => writeFile(file, 'no bundle').then(() => true)
    const repositories = { ...lab.deps.repositories, bundle, unbundle: broken }
    const other = createEngine({ ...lab.deps, repositories })
    await assert.rejects(other.backups.make(plain, who), /an object is missing/)
    assert.deepEqual(await onShelf(lab), [])
    assert.deepEqual(await other.backups.list(), [])
    await other.close()
  })
})

test('a damaged database is not saved over good backups', async () => {
  await withEngine({}, async (lab, engine) => {
    await engine.backups.make(plain, who)
    lab.db.pragma('foreign_keys = OFF')
    lab.db.exec(`INSERT INTO domains (domain, project_id, created_at) VALUES ('x.example', 999, 'now')`)
    await assert.rejects(engine.backups.make(plain, who), /the database is damaged/)
    assert.equal((await engine.backups.list()).length, 1)
  })
})

test('what a killed server left is cleared at the next start, and backups are not', async () => {
  await withEngine({}, async (lab, engine) => {
    const { id } = await engine.backups.make(plain, who)
    await mkdir(path.join(lab.paths.backups, '.making-99999999-20260101-000000-dead'))
    await mkdir(path.join(lab.paths.backups, '.making-1-20260101-000000-live'))
    await engine.reconcile()
    assert.deepEqual(await onShelf(lab), ['.making-1-20260101-000000-live', `${id}.json`, `${id}.tar.gz`])
  })
})

test('one is made by itself when the newest is old enough, and not before', async () => {
  let now = Date.parse('2026-01-01T00:00:00Z')
  const hour = 3_600_000
  await withEngine({ clock: () => now, backups: { keep: 7, everyMs: 24 * hour } }, async (_, engine) => {
    await engine.backups.keepMaking()
    assert.deepEqual(await engine.backups.list(), [])
    now += 23 * hour
    await engine.backups.keepMaking()
    assert.deepEqual(await engine.backups.list(), [])
    now += 2 * hour
    await engine.backups.keepMaking()
    await until('the regular backup', async () => (await engine.backups.list()).length === 1 || undefined)
  })
})

test('what was saved is what the saved database names, whatever changes meanwhile', async () => {
  await withEngine({}, async (lab, engine) => {
    const shop = await engine.projects.create({ name: 'shop' }, who)
    const projects = {
      ...lab.store.projects,
      list: () => {
        const found = lab.store.projects.list()
        // somebody is faster than the copy of the database
        lab.store.projects.remove(shop.id)
        lab.store.projects.create({ ...shop, name: 'other' })
        return found
      },
    }
    const { transaction, ...tables } = lab.store
    const other = createEngine({ ...lab.deps, store: { ...tables, transaction, projects } })
    const backup = await other.backups.make(plain, who)
    await other.close()
    const scratch = path.join(lab.home, 'scratch')
    await mkdir(scratch)
    const { file } = await engine.backups.download(backup.id, who)
    await unpackBackup(file, scratch, new AbortController().signal)
    const db = openDatabase(path.join(scratch, 'nodepilot.db'))
    const saved = db.prepare('SELECT name FROM projects').pluck().all()
    db.close()
    assert.deepEqual(backup.projects, saved)
  })
})

test('a clock that was wrong for a while does not keep backups from being made', async () => {
  const day = 24 * 3_600_000
  let now = Date.parse('2030-01-01T00:00:00Z')
  await withEngine({ clock: () => now, backups: { keep: 7, everyMs: day } }, async (_, engine) => {
    await engine.backups.keepMaking()
    const future = await engine.backups.make(plain, who)
    now = Date.parse('2026-01-01T00:00:00Z')
    // nobody knows since when there is none: counting begins anew
    await engine.backups.keepMaking()
    now += day
    await engine.backups.keepMaking()
    const others = async () => (await engine.backups.list()).filter(({ id }) => id !== future.id)
    await until('the regular backup', async () => (await others()).length === 1)
  })
})

test('what lies beside a backup and cannot be read hides the others from nobody', async () => {
  await withEngine({}, async (lab, engine) => {
    const { id } = await engine.backups.make(plain, who)
    const broken = '20260101-000000-torn'
    for (const [name, text] of [
      ['tar.gz', ''],
      ['json', '{"id":'],
    ]) {
      await writeFile(path.join(lab.paths.backups, `${broken}.${name}`), text ?? '')
    }
    assert.deepEqual(
      (await engine.backups.list()).map((backup) => backup.id),
      [id],
    )
    await assert.rejects(engine.backups.download(broken, who), (error) => isRefusal(error, 'not_found'))
  })
})

test('the end of the server ends a backup under way, and nothing of it stays', async () => {
  await withEngine({}, async (lab, engine) => {
    await engine.projects.create({ name: 'shop' }, who)
    let begun = () => {}
    const bundling = new Promise<void>((resolve) => {
      begun = resolve
    })
    const bundle = async (_: string, file: string, signal: AbortSignal) => {
      await writeFile(file, 'half of it')
      begun()
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
      // git needs a moment to end
      await new Promise<void>((resolve) => setTimeout(resolve, 50))
      throw signal.reason
    }
    const other = createEngine({ ...lab.deps, repositories: { ...lab.deps.repositories, bundle } })
    const made = other.backups.make(plain, who)
    const refused = assert.rejects(made, (error) => isRefusal(error, 'cancelled'))
    await bundling
    await other.close()
    assert.deepEqual(await onShelf(lab), [])
    await refused
  })
})

test('a file that an app writes to while it is read is saved as long as it was, and named', async () => {
  await withEngine({}, async (lab, engine) => {
    await engine.projects.create({ name: 'shop' }, who)
    const file = path.join(lab.paths.data('shop'), 'log')
    await writeFile(file, 'first')
    for await (const item of walk(lab.paths.data('shop'), 'data')) {
      if (item.kind !== 'file') continue
      await appendFile(file, ' and more')
      const body = item.body()
      assert.equal(Buffer.from((await body.next()).value as Uint8Array).toString(), 'first')
      assert.deepEqual(await body.next(), { done: true, value: { steady: false } })
    }
    assert.equal(await readFile(file, 'utf8'), 'first and more')
  })
})
