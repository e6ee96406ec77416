import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { link, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { removeDirectory, temporaryDirectory } from '../../testing/temporary.ts'
import { listSource, packSource } from './pack.ts'

let root: string
beforeEach(async () => {
  root = await temporaryDirectory('pack')
})
afterEach(() => removeDirectory(root))

async function write(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(root, name, '..'), { recursive: true })
    await writeFile(join(root, name), content)
  }
}

const names = async (folder = root) => (await listSource(folder)).names
const git = (...args: string[]) => execFileSync('git', ['-C', root, ...args], { encoding: 'utf8' })

test('what .gitignore files leave out is what git leaves out', async () => {
  await write({
    '.gitignore':
      '*.log\n!keep.log\n/dist\nbuild/\ndoc/*.txt\n**/tmp\n# no\n\\#odd\nfoo/bar\n*.[oa]\nspace\\ \n',
    'a.log': '',
    'keep.log': '',
    'dist/x.js': '',
    'src/dist/x.js': '',
    'src/build/y.js': '',
    'doc/a.txt': '',
    'doc/deep/b.txt': '',
    'src/tmp/z': '',
    '#odd': '',
    'foo/bar/1': '',
    'src/foo/bar/1': '',
    'lib.o': '',
    'space ': '',
    'sub/.gitignore': '!a.log\nlocal\n/only-here\n*.tmp\n',
    'sub/a.log': '',
    'sub/local/file': '',
    'sub/only-here': '',
    'sub/deep/only-here': '',
    'sub/x.tmp': '',
    'Build/case.js': '',
    'ünï cödé': '',
    'x/y/.gitignore': '!*.log\n*.js\n',
    'x/y/z.log': '',
    'x/y/z.js': '',
  })
  git('init', '-q')
  const wanted = git('ls-files', '-z', '--cached', '--others', '--exclude-standard')
    .split('\0')
    .filter(Boolean)
  assert.deepEqual([...(await names())].sort(), wanted.sort())
  assert.ok(
    wanted.length > 10 && wanted.length < 20,
    `${wanted.length} of 25: the rules must decide something`,
  )
})

test('a folder inside a repository is bound by the rules above it', async () => {
  await write({
    '.gitignore': '.env\n/packages/api/made\n',
    'packages/api/.env': 'SECRET=1',
    'packages/api/made/x': '',
    'packages/api/server.js': '',
  })
  git('init', '-q')
  assert.deepEqual(await names(join(root, 'packages/api')), ['server.js'])
})

test('rules that a deeper file overruled do not take the inside of what it let in', async () => {
  await write({ '.gitignore': '/x/y\n', 'x/.gitignore': '!y\n', 'x/y/kept': '' })
  assert.deepEqual(await names(), ['.gitignore', 'x/.gitignore', 'x/y/kept'])
})

test('.git and node_modules never go along, .nodepilotignore decides last', async () => {
  await write({
    '.gitignore': '/generated\n',
    '.nodepilotignore': '!/generated\n/tests\n',
    'generated/client.js': '',
    'tests/a.test.js': '',
    'node_modules/x/index.js': '',
    'deep/node_modules/y/index.js': '',
    'sub/.git': 'gitdir: elsewhere',
    'sub/file': '',
    '.git/HEAD': '',
  })
  assert.deepEqual(await names(), ['.gitignore', '.nodepilotignore', 'generated/client.js', 'sub/file'])
})

test('links, empty folders, hard links, modes and odd names arrive as they are', async () => {
  await write({ 'run.sh': '#!/bin/sh\n', '@scope.tgz': 'no archive', '-rf': '', '--': 'x', 'a.txt': 'same' })
  await mkdir(join(root, 'empty'))
  await symlink('a.txt', join(root, 'link'))
  await symlink('/nowhere', join(root, 'dangling'))
  await link(join(root, 'a.txt'), join(root, 'b.txt'))
  execFileSync('chmod', ['755', join(root, 'run.sh')])
  const listing = await listSource(root)
  const stream = await packSource(root, listing.names, () => {})
  const parts: Buffer[] = []
  for await (const part of stream) parts.push(part)
  const listed = execFileSync('tar', ['-tvzf', '-'], { input: Buffer.concat(parts), encoding: 'utf8' })
  const rows = listed
    .trim()
    .split('\n')
    .map((row) => `${row.slice(0, 10)} ${row.replace(/^.*\d\d:\d\d /, '')}`)
  assert.deepEqual(rows, [
    '-rw-r--r-- ./--',
    '-rw-r--r-- ./-rf',
    '-rw-r--r-- ./@scope.tgz',
    '-rw-r--r-- ./a.txt',
    '-rw-r--r-- ./b.txt',
    'lrwxr-xr-x ./dangling -> /nowhere',
    'drwxr-xr-x ./empty/',
    'lrwxr-xr-x ./link -> a.txt',
    '-rwxr-xr-x ./run.sh',
  ])
})

test('what no archive can hold is named, and an empty folder is refused', async () => {
  await assert.rejects(listSource(root), /has no files to deploy/)
  execFileSync('mkfifo', [join(root, 'pipe')])
  await write({ file: '' })
  assert.deepEqual(await listSource(root), { names: ['file'], bytes: 0, skipped: ['pipe'] })
})
