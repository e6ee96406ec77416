import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ada, createLab, type Lab } from '../../testing/engine-lab.ts'
import { isRefusal } from '../domain/refusal.ts'

const day = 86_400_000

async function withShop(
  work: (rig: {
    readonly lab: Lab
    readonly later: (ms: number) => void
    readonly preview: (branch: string) => ReturnType<Lab['engine']['previews']['forPush']>
    readonly names: () => string[]
  }) => Promise<void>,
): Promise<void> {
  let now = Date.UTC(2026, 0, 1)
  const lab = await createLab({ clock: () => now })
  try {
    const created = await lab.engine.projects.create({ name: 'shop', envVars: { TOKEN: 'of-shop' } }, ada)
    const settings = { previews: true, previewIdleDays: 3, previewLimit: 2 }
    const shop = await lab.engine.projects.change(created, { settings }, ada)
    await work({
      lab,
      later: (ms) => {
        now += ms
      },
      preview: (branch) => lab.engine.previews.forPush(lab.engine.projects.get(shop.id), branch, ada),
      names: () =>
        lab.engine.previews.list(lab.engine.projects.get(shop.id)).map(({ project }) => project.name),
    })
  } finally {
    await lab.close()
  }
}

test('a preview that nobody pushes to is removed after the idle days, and not before', async () =>
  withShop(async ({ lab, later, preview, names }) => {
    await preview('one')
    later(2 * day)
    await preview('two')
    await lab.engine.previews.sweep()
    assert.deepEqual(names(), ['two--shop', 'one--shop'])
    await preview('one')
    later(day + 1)
    await lab.engine.previews.sweep()
    assert.deepEqual(names().sort(), ['one--shop', 'two--shop'], 'a push counts as use')
    later(2 * day)
    await lab.engine.previews.sweep()
    assert.deepEqual(names(), [])
    assert.equal(lab.engine.projects.find('one--shop'), null)
  }))

test('no more previews than the limit, and a name that is taken is never taken over', async () =>
  withShop(async ({ lab, preview }) => {
    const refused = (branch: string, words: RegExp) =>
      assert.rejects(preview(branch), (error) => isRefusal(error, 'conflict') && words.test(error.message))
    await lab.engine.projects.create({ name: 'mine--shop' }, ada)
    await refused('mine', /mine--shop already/)
    await preview('one')
    await preview('two')
    await refused('three', /2 previews/)
    await preview('two')
  }))

test('pushes at once make one preview a branch, and no more than the limit', async () =>
  withShop(async ({ preview, names }) => {
    const pushed = await Promise.allSettled(['one', 'one', 'two', 'three', 'four'].map(preview))
    const made = pushed.flatMap((push) => (push.status === 'fulfilled' ? [push.value.name] : []))
    assert.deepEqual(made, ['one--shop', 'one--shop', 'two--shop'])
    assert.deepEqual(names().sort(), ['one--shop', 'two--shop'])
    for (const push of pushed) {
      if (push.status === 'rejected') assert.ok(isRefusal(push.reason, 'conflict'), String(push.reason))
    }
  }))

test('previews go with their project, and those that a cut-off deletion left are swept', async () =>
  withShop(async ({ lab, preview }) => {
    await preview('one')
    const two = await preview('two')
    lab.store.projects.makePreview(two.id, { parent: 4711, branch: 'two', repository: 'gone' })
    const shop = lab.engine.projects.get('shop')
    await lab.engine.projects.remove(shop, ada)
    assert.equal(lab.engine.projects.find('one--shop'), null)
    assert.notEqual(lab.engine.projects.find('two--shop'), null)
    await lab.engine.previews.sweep()
    assert.equal(lab.engine.projects.find('two--shop'), null)
  }))

test('config vars come from the project at every push, but for those that are the preview’s own', async () =>
  withShop(async ({ lab, preview }) => {
    const one = await preview('one')
    assert.deepEqual(one.envVars, { TOKEN: 'of-shop' })
    await lab.engine.configVars.patch(one, { OWN: '1' }, false, { who: ada })
    const shop = lab.engine.projects.get('shop')
    await lab.engine.configVars.patch(shop, { TOKEN: 'changed', OWN: '2', MORE: '3' }, false, { who: ada })
    assert.deepEqual((await preview('one')).envVars, { TOKEN: 'changed', MORE: '3', OWN: '1' })
    await lab.engine.configVars.patch(lab.engine.projects.get(one.id), { MORE: null }, false, { who: ada })
    assert.deepEqual((await preview('one')).envVars, { TOKEN: 'changed', OWN: '1' })
  }))
