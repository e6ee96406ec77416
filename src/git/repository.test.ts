import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { isRefusal } from '../engine/domain/refusal.ts'
import { removeDirectory, temporaryDirectory } from '../testing/temporary.ts'
import { createRepositories, gitEnvironment, type Repositories } from './repository.ts'

let home: string
let root: string
let repositories: Repositories
let environment: Record<string, string>
before(async () => {
  home = await temporaryDirectory('repos')
  root = join(home, 'repositories')
  environment = { PATH: process.env.PATH ?? '', HOME: home }
  repositories = createRepositories({ root, hooksDirectory: join(home, 'my "hooks"'), environment })
})
after(() => removeDirectory(home))

function git(name: string, args: string[], input = ''): string {
  const author = {
    GIT_AUTHOR_NAME: 'a',
    GIT_AUTHOR_EMAIL: 'a@example.org',
    GIT_AUTHOR_DATE: '1700000000 +0000',
  }
  const committer = { GIT_COMMITTER_NAME: 'a', GIT_COMMITTER_EMAIL: 'a@example.org' }
  const env = { ...gitEnvironment(environment), ...author, ...committer }
  const options = { cwd: repositories.path(name), env, input, encoding: 'utf8', stdio: 'pipe' } as const
  return execFileSync('git', args, options).trim()
}

async function withCommit(name: string, message: string): Promise<string> {
  await repositories.create(name)
  const tree = git(name, ['mktree'])
  const sha = git(name, ['commit-tree', tree, '-F', '-'], message)
  git(name, ['update-ref', 'refs/heads/main', sha])
  return sha
}

test("a new repository is bare, on main, private, and its hooks are NodePilot's", async () => {
  const directory = await repositories.create('fresh')
  assert.equal(directory, join(root, 'fresh.git'))
  assert.equal(git('fresh', ['symbolic-ref', 'HEAD']), 'refs/heads/main')
  assert.equal(git('fresh', ['rev-parse', '--is-bare-repository']), 'true')
  assert.equal(git('fresh', ['config', 'core.hooksPath']), join(home, 'my "hooks"'))
  assert.equal(git('fresh', ['config', 'receive.shallowUpdate']), 'true')
  assert.equal((await stat(directory)).mode & 0o777, 0o700)
  assert.equal(await repositories.exists('fresh'), true)
})

test('creating twice keeps what is there, and follows NodePilot where it moved', async () => {
  const sha = await withCommit('twice', 'first')
  const moved = createRepositories({ root, hooksDirectory: '/elsewhere/hooks', environment })
  await moved.create('twice')
  assert.equal(await moved.branchTip('twice', 'main'), sha)
  assert.match(await readFile(join(root, 'twice.git', 'config'), 'utf8'), /hooksPath = "\/elsewhere\/hooks"/)
})

test('ten creations at once make one repository and leave no draft', async () => {
  await Promise.all(Array.from({ length: 10 }, () => repositories.create('crowd')))
  assert.equal(git('crowd', ['rev-parse', '--is-bare-repository']), 'true')
  assert.deepEqual(
    (await readdir(root)).filter((name) => name.startsWith('.')),
    [],
  )
})

test('a name that no project can have never becomes a path', async () => {
  for (const name of [
    '',
    '..',
    '../x',
    'a/b',
    '/etc',
    'a.git',
    'UPPER',
    '-x',
    'nul\0',
    'a%2fb',
    'x'.repeat(60),
  ]) {
    assert.throws(
      () => repositories.path(name),
      (error) => isRefusal(error, 'not_found'),
    )
    assert.equal(await repositories.exists(name), false)
    await assert.rejects(repositories.create(name), (error) => isRefusal(error, 'not_found'))
    assert.equal(await repositories.resolve(name, 'main'), null)
  }
})

test('a removed repository is gone, and removing it again is fine', async () => {
  await repositories.create('gone')
  await repositories.remove('gone')
  await repositories.remove('gone')
  assert.equal(await repositories.exists('gone'), false)
  assert.deepEqual(
    (await readdir(root)).filter((name) => name.includes('gone') || name.startsWith('.')),
    [],
  )
})

test('branches, tags, whole and shortened ids are resolved to commits', async () => {
  const sha = await withCommit('refs', 'message')
  git('refs', ['update-ref', 'refs/heads/feature/größe', sha])
  git('refs', ['tag', '-a', 'v1.0', '-m', 'annotated', sha])
  for (const ref of ['main', 'feature/größe', 'v1.0', sha, sha.slice(0, 8)]) {
    assert.equal(await repositories.resolve('refs', ref), sha, ref)
  }
  assert.equal(await repositories.branchTip('refs', 'main'), sha)
  assert.equal(await repositories.branchTip('refs', 'v1.0'), null)
  assert.equal(await repositories.branchTip('refs', 'missing'), null)
})

test('what names no commit is null, not an error', async () => {
  const sha = await withCommit('nothing', 'message')
  const tree = git('nothing', ['rev-parse', `${sha}^{tree}`])
  for (const ref of ['missing', 'f'.repeat(40), 'abcdef', tree]) {
    assert.equal(await repositories.resolve('nothing', ref), null, ref)
  }
  assert.equal(await repositories.resolve('never-made', 'main'), null)
  await repositories.create('empty')
  assert.equal(await repositories.branchTip('empty', 'main'), null)
})

test('a ref that could be an option, a range or a query never reaches git', async () => {
  await withCommit('hostile', 'message')
  const refs = [
    '--exec=id',
    '-h',
    '--output=x',
    'main..main',
    'main~0',
    'main^{tree}',
    '@{-1}',
    ':/message',
    'a b',
    '',
  ]
  for (const ref of [...refs, 'main\0', '../HEAD', 'x.lock', 'main@{0}', '*', 'HEAD:x']) {
    assert.equal(await repositories.resolve('hostile', ref), null, ref)
    assert.equal(await repositories.branchTip('hostile', ref), null, ref)
  }
})

test('the message is the first line, and null for no commit', async () => {
  const sha = await withCommit('message', 'größe: first line\n\nand a body\n')
  assert.equal(await repositories.commitMessage('message', sha), 'größe: first line')
  assert.equal(await repositories.commitMessage('message', 'f'.repeat(40)), null)
  assert.equal(await repositories.commitMessage('message', '--output=x'), null)
  const empty = git('message', ['commit-tree', git('message', ['mktree'])], '')
  assert.equal(await repositories.commitMessage('message', empty), '')
})

test("a commit in quarantine is visible with the hook's environment only", async () => {
  await withCommit('quarantine', 'message')
  const directory = repositories.path('quarantine')
  const objects = {
    GIT_OBJECT_DIRECTORY: join(directory, 'objects', 'incoming-test'),
    GIT_ALTERNATE_OBJECT_DIRECTORIES: join(directory, 'objects'),
    GIT_QUARANTINE_PATH: join(directory, 'objects', 'incoming-test'),
  }
  await mkdir(objects.GIT_OBJECT_DIRECTORY)
  const env = {
    ...gitEnvironment(environment, objects),
    GIT_AUTHOR_NAME: 'a',
    GIT_AUTHOR_EMAIL: 'a@example.org',
  }
  const committer = { GIT_COMMITTER_NAME: 'a', GIT_COMMITTER_EMAIL: 'a@example.org' }
  const run = (args: string[]) =>
    execFileSync('git', args, {
      cwd: directory,
      env: { ...env, ...committer },
      input: 'waiting',
      encoding: 'utf8',
    })
  const sha = run(['commit-tree', git('quarantine', ['mktree']), '-F', '-']).trim()
  assert.equal(await repositories.commitMessage('quarantine', sha, objects), 'waiting')
  assert.equal(await repositories.commitMessage('quarantine', sha), null)
})

test('what has piled up is packed, and a little is left alone', async () => {
  const sha = await withCommit('tidy', 'kept')
  const packs = async () =>
    (await readdir(join(repositories.path('tidy'), 'objects', 'pack'))).filter((name) =>
      name.endsWith('.pack'),
    )
  await repositories.tidy('tidy')
  assert.deepEqual(await packs(), [])
  // git counts one of the 256 folders to guess how much there is
  for (let found = 0, i = 0; found < 9; i++) {
    const text = `junk ${i}`
    if (!createHash('sha1').update(`blob ${text.length}\0${text}`).digest('hex').startsWith('17')) continue
    git('tidy', ['hash-object', '-w', '--stdin'], text)
    found++
  }
  await repositories.tidy('tidy')
  assert.equal((await packs()).length, 1)
  assert.equal(await repositories.branchTip('tidy', 'main'), sha)
})

test('a clone checks out the branch that is deployed', async () => {
  const sha = await withCommit('head', 'on main')
  git('head', ['update-ref', 'refs/heads/master', sha])
  await repositories.setHead('head', 'master')
  assert.equal(git('head', ['symbolic-ref', 'HEAD']), 'refs/heads/master')
  await assert.rejects(repositories.setHead('head', '../x'), (error) => isRefusal(error, 'invalid'))
})

test('a push whose last step failed is taken back, unless the ref has moved on', async () => {
  const first = await withCommit('back', 'first')
  const second = git('back', ['commit-tree', git('back', ['mktree']), '-p', first, '-F', '-'], 'second')
  git('back', ['update-ref', 'refs/heads/main', second])
  const update = { ref: 'refs/heads/main', oldSha: first, newSha: second }
  await repositories.moveBack('back', update)
  assert.equal(await repositories.branchTip('back', 'main'), first)
  await assert.rejects(repositories.moveBack('back', update))
  const made = { ref: 'refs/heads/main', oldSha: '0'.repeat(40), newSha: first }
  await repositories.moveBack('back', made)
  assert.equal(await repositories.branchTip('back', 'main'), null)
})
