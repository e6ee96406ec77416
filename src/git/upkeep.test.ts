import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { removeDirectory, temporaryDirectory } from '../testing/temporary.ts'
import { sweepQuarantines } from './quarantine.ts'
import { createRepositories, gitEnvironment, type Repositories } from './repository.ts'

let root: string
let environment: Record<string, string>
let repositories: Repositories
before(async () => {
  root = await temporaryDirectory('upkeep')
  environment = { PATH: process.env.PATH ?? '', HOME: root }
  repositories = createRepositories({ root, hooksDirectory: join(root, 'hooks'), environment })
})
after(() => removeDirectory(root))

function git(name: string, args: readonly string[], input = ''): string {
  const who = {
    GIT_AUTHOR_NAME: 'a',
    GIT_AUTHOR_EMAIL: 'a@b',
    GIT_COMMITTER_NAME: 'a',
    GIT_COMMITTER_EMAIL: 'a@b',
  }
  const env = { ...gitEnvironment(environment), ...who }
  return execFileSync('git', args, { cwd: repositories.path(name), env, input, encoding: 'utf8' }).trim()
}

const tree = (name: string) => git(name, ['mktree'])
const commit = (name: string, message: string) => git(name, ['commit-tree', tree(name), '-F', '-'], message)
const isThere = (name: string, sha: string) =>
  repositories.commitMessage(name, sha).then((text) => text !== null)

/** As if everything had been written a month ago. */
async function age(name: string): Promise<void> {
  const objects = join(repositories.path(name), 'objects')
  const monthAgo = new Date(Date.now() - 30 * 86_400_000)
  for (const file of await readdir(objects, { recursive: true }))
    await utimes(join(objects, file), monthAgo, monthAgo)
}

test('what was pushed away by force goes after two weeks, but the commits of kept releases stay', async () => {
  await repositories.create('shop')
  const [live, released, lost] = ['live', 'released', 'lost'].map((message) => commit('shop', message))
  assert.ok(live && released && lost)
  git('shop', ['update-ref', 'refs/heads/main', live])
  await repositories.collect('shop', [released])
  assert.equal(await isThere('shop', lost), true, 'younger than two weeks')
  await age('shop')
  const young = commit('shop', 'of a push that is under way')
  await repositories.collect('shop', [released, 'f'.repeat(40)])
  const there = await Promise.all([live, released, lost, young].map((sha) => isThere('shop', sha)))
  assert.deepEqual(there, [true, true, false, true])
  await age('shop')
  await repositories.collect('shop', [])
  assert.deepEqual(await Promise.all([live, released].map((sha) => isThere('shop', sha))), [true, false])
  assert.equal(git('shop', ['for-each-ref', '--format=%(refname)']), 'refs/heads/main')
})

test('commits that are held for releases are not shown to clients', async () => {
  await repositories.create('hidden')
  const sha = commit('hidden', 'released')
  await repositories.collect('hidden', [sha])
  assert.match(git('hidden', ['for-each-ref']), /refs\/nodepilot\/kept/)
  assert.equal(git('hidden', ['upload-pack', '--advertise-refs', '.']).includes('nodepilot'), false)
})

test('a lock that a killed git left does not keep a ref from moving; one that was just taken is respected', async () => {
  const directory = await repositories.create('locked')
  const sha = commit('locked', 'next')
  const locks = ['refs/heads/main.lock', 'packed-refs.lock', 'HEAD.lock', 'config.lock'].map((name) =>
    join(directory, name),
  )
  const minuteAgo = new Date(Date.now() - 60_000)
  for (const lock of locks) await writeFile(lock, '')
  await repositories.create('locked')
  assert.ok(locks.every(existsSync), 'they may be in use')
  for (const lock of locks) await utimes(lock, minuteAgo, minuteAgo)
  await repositories.create('locked')
  assert.ok(!locks.some(existsSync))
  git('locked', ['update-ref', 'refs/heads/main', sha])
  for (const lock of locks) await writeFile(lock, '')
  await sweepQuarantines(root)
  assert.ok(!locks.some(existsSync), 'nobody holds one when the server starts')
})
