import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import type { EntryFixture } from '../../testing/archives.ts'
import { ada, appFiles, createLab, type Lab, revisionOf } from '../../testing/engine-lab.ts'
import { until } from '../../testing/until.ts'
import { isRefusal } from '../domain/refusal.ts'
import type { ProjectRow } from '../store/projects.ts'
import { DeploymentFailed } from './deployment-failed.ts'

let lab: Lab
let shop: ProjectRow
/** Lets go of what a failed test holds. */
let held = () => {}

beforeEach(async () => {
  lab = await createLab()
  shop = await lab.project()
})
afterEach(async () => {
  held()
  await lab.close()
})

/** The next install waits until it is let go. */
function holdInstall() {
  let reached = () => {}
  let letGo = () => {}
  let count = 0
  const began = new Promise<void>((resolve) => (reached = resolve))
  const free = new Promise<void>((resolve) => (letGo = resolve))
  held = () => letGo()
  lab.faults.install = async () => {
    count++
    reached()
    await free
  }
  return { began, letGo, count: () => count }
}

function push(letter: string, project = shop, files?: readonly EntryFixture[]) {
  const lines: string[] = []
  const result = lab
    .deploy(project, lab.commit(revisionOf(letter), files), { output: (line) => void lines.push(line) })
    .then(
      ({ status }) => status as string,
      (error: unknown) => (error instanceof DeploymentFailed ? error.refusal.code : String(error)),
    )
  return { result, lines }
}

/** As the doors see it now. */
const fresh = () => lab.engine.projects.get('shop')

const status = (number: number, project = shop) =>
  lab.store.deployments.find(project.id, number)?.status ?? 'none'
/** For what leaves no lines here. */
const queued = (number: number) => until(`deployment ${number} waits`, () => status(number) === 'queued')

const forTurn = 'waiting for another deployment of this project to finish'
const forBuild = (others: string) => `waiting for ${others} on this machine`
/** In its place in the queue: its row says `queued` from the first moment on, when it has not taken it yet. */
const says = ({ lines }: { readonly lines: readonly string[] }, line = forTurn) =>
  until(`it says: ${line}`, () => lines.includes(line))

test('of pushes that wait only the newest is deployed, and the older ones name it', async () => {
  const install = holdInstall()
  const running = push('a')
  await install.began
  const second = push('b')
  await says(second)
  const third = push('c')
  assert.equal(await second.result, 'superseded')
  await says(third)
  install.letGo()
  assert.deepEqual([await running.result, await third.result], ['live', 'live'])
  assert.equal(status(2), 'superseded')
  const said = second.lines.join('\n')
  assert.match(said, /waiting for another deployment of this project to finish/)
  assert.match(said, /error: superseded: deployment 3 \(ccccccc\) is newer and took its place in the queue/)
  assert.equal(await lab.visit('shop.localhost'), '200 v2')
})

test('what is being built already is not superseded', async () => {
  const install = holdInstall()
  const running = push('a')
  await install.began
  const next = push('b')
  await says(next)
  install.letGo()
  assert.deepEqual([await running.result, await next.result], ['live', 'live'])
})

test('a rollback and new config vars that wait are never lost, and take nobody’s place', async () => {
  await lab.deploy(shop, lab.commit(revisionOf('a')))
  await lab.deploy(shop, lab.commit(revisionOf('b')))
  const install = holdInstall()
  const running = push('c')
  await install.began
  const waiting = push('d')
  await says(waiting)
  const back = lab.engine.releases.rollback(fresh(), { release: 1 }, { who: ada })
  await queued(5)
  const vars = lab.engine.configVars.patch(fresh(), { KEY: 'new' }, true, { who: ada })
  await queued(6)
  const newest = push('e')
  assert.equal(await waiting.result, 'superseded')
  install.letGo()
  assert.equal(await running.result, 'live')
  assert.equal((await back).status, 'live')
  assert.equal((await vars)?.status, 'live')
  assert.equal(await newest.result, 'live')
  assert.equal(lab.store.projects.find(shop.id)?.envVars.KEY, 'new')
  assert.equal(lab.store.projects.find(shop.id)?.currentRelease, 6)
})

test('a redeploy gives way to a push, and never the other way round', async () => {
  const first = lab.commit(revisionOf('a'))
  await lab.deploy(shop, first)
  const install = holdInstall()
  const running = push('b')
  await install.began
  const pushed = push('c')
  await says(pushed)
  const again = lab.engine.deployments.redeploy(fresh(), { who: ada })
  await queued(4)
  assert.equal(status(3), 'queued')
  const once = lab.engine.deployments.redeploy(fresh(), { who: ada })
  await assert.rejects(
    again,
    (error) => error instanceof DeploymentFailed && isRefusal(error.refusal, 'superseded'),
  )
  install.letGo()
  assert.deepEqual([await running.result, await pushed.result], ['live', 'live'])
  // its own source, as it stands when its turn has come
  const deployed = await once
  assert.equal(deployed.source.revision, revisionOf('c'))
})

test('a newer push keeps the place among the builds that the older one had', async () => {
  const install = holdInstall()
  const [blog, wiki, docs] = [await lab.project('blog'), await lab.project('wiki'), await lab.project('docs')]
  const builds = [push('a', blog), push('a', wiki)]
  await until('two builds', () => install.count() === 2)
  const mine = push('a')
  await says(mine, forBuild('another build'))
  const later = push('a', docs)
  await says(later, forBuild('2 other builds'))
  const newer = push('b')
  assert.equal(await mine.result, 'superseded')
  await says(newer, forBuild('another build'))
  assert.ok(!newer.lines.includes(forBuild('2 other builds')), newer.lines.join('\n'))
  install.letGo()
  for (const { result } of [...builds, newer, later]) assert.equal(await result, 'live')
})

test('a push with nothing to install and nothing to build does not wait for builds of others', async () => {
  const install = holdInstall()
  const builds = [push('a', await lab.project('blog')), push('a', await lab.project('wiki'))]
  await until('two builds', () => install.count() === 2)
  delete lab.faults.install
  const hotfix = push('a')
  assert.equal(await hotfix.result, 'live')
  assert.doesNotMatch(hotfix.lines.join('\n'), /waiting/)
  install.letGo()
  for (const { result } of builds) assert.equal(await result, 'live')
})

test('builds of others wait for no release command, and none waits for them', async () => {
  const migrates = (command: string) => [
    ...appFiles('a'),
    { path: 'Procfile', data: `release: ${command}\n` },
  ]
  // a package manager was at work before
  lab.faults.install = async () => {}
  const slow = push('a', shop, migrates('echo migrating; until test -e ../go; do sleep 0.05; done'))
  await until('it migrates', () => slow.lines.some((line) => line.endsWith('migrating')))
  const install = holdInstall()
  const builds = [push('b', await lab.project('blog')), push('b', await lab.project('wiki'))]
  await until('two builds', () => install.count() === 2)
  delete lab.faults.install
  const quick = push('c', await lab.project('docs'), migrates('echo migrated'))
  assert.equal(await quick.result, 'live')
  assert.ok(quick.lines.some((line) => line.endsWith('migrated')))
  await writeFile(path.join(lab.paths.releases('shop'), 'go'), '')
  assert.equal(await slow.result, 'live')
  install.letGo()
  for (const { result } of builds) assert.equal(await result, 'live')
})

test('a rollback does not wait for builds of others', async () => {
  await lab.deploy(shop, lab.commit(revisionOf('a')))
  await lab.deploy(shop, lab.commit(revisionOf('b')))
  const install = holdInstall()
  const builds = [push('a', await lab.project('blog')), push('a', await lab.project('wiki'))]
  await until('two builds', () => install.count() === 2)
  assert.equal((await lab.engine.releases.rollback(fresh(), {}, { who: ada })).status, 'live')
  install.letGo()
  for (const { result } of builds) assert.equal(await result, 'live')
})

test('who is cancelled while it waits to build gives its place up and leaves nothing behind', async () => {
  const install = holdInstall()
  const builds = [push('a', await lab.project('blog')), push('a', await lab.project('wiki'))]
  await until('two builds', () => install.count() === 2)
  const mine = push('a')
  await says(mine, forBuild('another build'))
  const deployment = lab.engine.deployments.find(shop, 1)
  lab.engine.deployments.cancel(shop, deployment, ada)
  assert.equal(await mine.result, 'cancelled')
  assert.equal(status(1), 'cancelled')
  assert.deepEqual(await lab.releasesOnDisk('shop'), [])
  install.letGo()
  for (const { result } of builds) assert.equal(await result, 'live')
})
