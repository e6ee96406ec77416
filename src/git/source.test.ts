import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { isRefusal } from '../engine/domain/refusal.ts'
import { unpack } from '../engine/pipeline/unpack.ts'
import type { SourceEntry } from '../engine/ports.ts'
import { processesWithEnvironment } from '../engine/shell.ts'
import { treeOf } from '../testing/archives.ts'
import { removeDirectory, temporaryDirectory } from '../testing/temporary.ts'
import { gitEnvironment } from './repository.ts'
import { type GitSourceOptions, gitSource } from './source.ts'

let home: string
let directory: string
let environment: Record<string, string>
before(async () => {
  home = await temporaryDirectory('git-source')
  directory = join(home, 'app.git')
  // The mark finds processes that outlive their reading.
  environment = { PATH: process.env.PATH ?? '', HOME: home, NODEPILOT_JOB: `source-${process.pid}` }
  execFileSync('git', ['init', '-q', '--bare', directory], { env: gitEnvironment(environment) })
})
after(() => removeDirectory(home))

const author = { GIT_AUTHOR_NAME: 'a', GIT_AUTHOR_EMAIL: 'a@example.org' }
const committer = { GIT_COMMITTER_NAME: 'a', GIT_COMMITTER_EMAIL: 'a@example.org' }

function git(args: string[], input: string | Buffer = '', more: Record<string, string> = {}): string {
  const env = { ...gitEnvironment(environment), ...author, ...committer, ...more }
  return execFileSync('git', args, { cwd: directory, env, input, encoding: 'utf8', stdio: 'pipe' }).trim()
}

const blob = (data: string | Buffer) => git(['hash-object', '-w', '--stdin'], data)

/** A tree object byte for byte as told, however hostile. */
function tree(lines: readonly (readonly [mode: string, name: string | Buffer, id: string])[]): string {
  const parts = lines.flatMap(([mode, name, id]) => {
    return [Buffer.from(`${mode} `), Buffer.from(name as string), Buffer.from([0]), Buffer.from(id, 'hex')]
  })
  return git(['hash-object', '-w', '--stdin', '-t', 'tree', '--literally'], Buffer.concat(parts))
}

const commit = (id: string) => git(['commit-tree', id, '-m', 'test'])

function source(sha: string, more: Partial<GitSourceOptions> = {}) {
  return gitSource({ directory, sha, message: 'test', environment, ...more })
}

let count = 0
async function unpacked(sha: string, more: Partial<GitSourceOptions> = {}): Promise<Record<string, string>> {
  const destination = join(home, `tree-${++count}`)
  const limits = { maxBytes: 50_000_000, maxEntries: 5_000, maxDepth: 50 }
  await unpack(source(sha, more), destination, limits, new AbortController().signal)
  return await treeOf(destination)
}

async function refuses(sha: string, sentence: RegExp, more: Partial<GitSourceOptions> = {}): Promise<void> {
  const before = await readdir(home)
  await assert.rejects(unpacked(sha, more), (error: Error) => {
    assert.ok(isRefusal(error), `not refused but: ${error.stack}`)
    assert.match(error.message, sentence)
    return true
  })
  assert.deepEqual(await readdir(home), before)
  assert.deepEqual(await ours(), [])
}

const ours = () => processesWithEnvironment(`NODEPILOT_JOB=source-${process.pid}`)

test('a commit is told by its id and message', () => {
  const sha = 'a'.repeat(40)
  const { kind, label, revision, message, bytes } = source(sha)
  assert.deepEqual(
    { kind, label, revision, message, bytes },
    {
      kind: 'git',
      label: 'aaaaaaa',
      revision: sha,
      message: 'test',
      bytes: null,
    },
  )
  assert.throws(
    () => source('--output=x'),
    (error) => isRefusal(error),
  )
})

test('files arrive byte for byte: binary, CRLF, modes, links, odd names', async () => {
  const binary = randomBytes(300_000)
  const id = tree([
    ['100644', ' spaces  and "quotes" ', blob('x')],
    ['100755', 'run.sh', blob('#!/bin/sh\n')],
    ['40000', 'sub', tree([['100644', 'crlf.txt', blob('a\r\nb\r\n')]])],
    ['100644', 'z-binary', blob(binary)],
    ['100644', 'zz-empty', blob('')],
    ['120000', 'zz-link', blob('sub/crlf.txt')],
    ['100644', 'zz-größe', blob('ü')],
  ])
  assert.deepEqual(await unpacked(commit(id)), {
    ' spaces  and "quotes" ': '644 x',
    'run.sh': '755 #!/bin/sh\n',
    'sub/': '755',
    'sub/crlf.txt': '644 a\r\nb\r\n',
    'z-binary': `644 ${binary.toString('latin1')}`,
    'zz-empty': '644 ',
    'zz-größe': `644 ${Buffer.from('ü').toString('latin1')}`,
    'zz-link': '-> sub/crlf.txt',
  })
  assert.deepEqual(await ours(), [])
})

test('attributes of the repository have no effect, and nothing of it runs', async () => {
  const canary = join(home, 'canary')
  git(['config', 'filter.evil.smudge', `touch ${canary}`])
  git(['config', 'core.fsmonitor', `touch ${canary}`])
  const attributes =
    '* filter=evil text eol=crlf ident export-ignore export-subst working-tree-encoding=UTF-16\n'
  const id = tree([
    ['100644', '.gitattributes', blob(attributes)],
    ['100644', 'a.txt', blob('$Id$ $Format:%H$\nlf\n')],
  ])
  assert.deepEqual(await unpacked(commit(id)), {
    '.gitattributes': `644 ${attributes}`,
    'a.txt': '644 $Id$ $Format:%H$\nlf\n',
  })
  await assert.rejects(readFile(canary), { code: 'ENOENT' })
})

test('a pushed replacement of an object shows nobody other files', async () => {
  const honest = commit(tree([['100644', 'a', blob('honest')]]))
  const other = commit(tree([['100644', 'a', blob('other')]]))
  git(['update-ref', `refs/replace/${honest}`, other])
  assert.deepEqual(await unpacked(honest), { a: '644 honest' })
})

test('hundreds of files come in order, whether they are read or not', async () => {
  const names = Array.from({ length: 300 }, (_, index) => `f${String(index).padStart(3, '0')}`)
  const sha = commit(tree(names.map((name) => ['100644', name, blob(name.repeat(50))] as const)))
  for (const every of [1, 2, 7, 1000]) {
    const seen: string[] = []
    for await (const entry of source(sha).entries(new AbortController().signal)) {
      seen.push(entry.path)
      if (seen.length % every === 0) assert.equal(await text(entry), entry.path.repeat(50))
    }
    assert.deepEqual(seen, names)
  }
})

test('hostile trees are refused by name with nothing left behind', async () => {
  const evil = blob('evil')
  const inner = (name: string) => commit(tree([['40000', name, tree([['100644', 'config', evil]])]]))
  await refuses(inner('..'), /"..\/config" points out/)
  await refuses(inner('.git'), /git's own folder/)
  await refuses(inner('.GIT'), /git's own folder/)
  await refuses(inner('git~1'), /git's own folder/)
  await refuses(commit(tree([['100644', '/etc/evil', evil]])), /absolute path/)
  await refuses(commit(tree([['100644', 'a\\b', evil]])), /backslash/)
  await refuses(commit(tree([['100644', 'a\u001bb', evil]])), /control character/)
  await refuses(commit(tree([['100644', Buffer.from([0x61, 0xe9]), evil]])), /not valid UTF-8/)
  await refuses(
    commit(
      tree([
        ['100644', 'a', evil],
        ['100644', 'a', evil],
      ]),
    ),
    /comes twice/,
  )
  await refuses(
    commit(
      tree([
        ['100644', 'A', evil],
        ['100644', 'a', evil],
      ]),
    ),
    /one name/,
  )
  await refuses(commit(tree([['120000', 'l', blob('/etc/passwd')]])), /symbolic link/)
  const through = [
    ['120000', 'l', blob('d')],
    ['40000', 'l', tree([['100644', 'x', evil]])],
  ] as const
  await refuses(commit(tree(through)), /both a symbolic link and a folder/)
})

test('a submodule is refused with a hint, and no connection is made', async () => {
  const modules = '[submodule "lib"]\n\tpath = lib\n\turl = http://127.0.0.1:1/x.git\n'
  const sha = commit(
    tree([
      ['100644', '.gitmodules', blob(modules)],
      ['160000', 'lib', 'b'.repeat(40)],
    ]),
  )
  await refuses(sha, /"lib" is a git submodule/)
})

test('a tree of millions of paths is given up after the first few thousand', async () => {
  let id = tree([['100644', 'f', blob('x')]])
  for (let level = 0; level < 7; level++) {
    id = tree(Array.from({ length: 10 }, (_, index) => ['40000', `d${index}`, id] as const))
  }
  await refuses(commit(id), /more than 5000 files and folders/)
})

test('a commit that is not there, or lacks a file, is refused in a sentence', async () => {
  await refuses('c'.repeat(40), /git cannot read the commit/)
  await refuses(commit(tree([['100644', 'a', 'd'.repeat(40)]])), /git cannot read the commit/)
  await refuses(commit(tree([['40000', 'a', 'd'.repeat(40)]])), /git cannot read the commit/)
})

test("a commit in quarantine is read with the hook's environment, and not without", async () => {
  const objects = {
    GIT_OBJECT_DIRECTORY: join(directory, 'objects', 'incoming-test'),
    GIT_ALTERNATE_OBJECT_DIRECTORIES: join(directory, 'objects'),
    GIT_QUARANTINE_PATH: join(directory, 'objects', 'incoming-test'),
  }
  await mkdir(objects.GIT_OBJECT_DIRECTORY)
  const old = blob('old')
  const hidden = git(['hash-object', '-w', '--stdin'], 'hidden in quarantine', objects)
  const id = git(['mktree'], `100644 blob ${hidden}\tnew\n100644 blob ${old}\told\n`, objects)
  const sha = git(['commit-tree', id, '-m', 'x'], '', objects)
  const found = await unpacked(sha, { objectEnvironment: { ...objects, LD_PRELOAD: '/nowhere' } })
  assert.deepEqual(found, { new: '644 hidden in quarantine', old: '644 old' })
  await refuses(sha, /git cannot read the commit/)
})

test('breaking off, a cancel and a time limit all end both processes', async () => {
  const sha = commit(
    tree([
      ['100644', 'a', blob(randomBytes(5_000_000))],
      ['100644', 'b', blob('b')],
    ]),
  )
  for await (const entry of source(sha).entries(new AbortController().signal)) {
    for await (const _chunk of entry.body()) break
    break
  }
  assert.deepEqual(await ours(), [])

  const cancel = new AbortController()
  const reading = drain(source(sha).entries(cancel.signal), () => cancel.abort())
  await assert.rejects(reading, { name: 'AbortError' })
  assert.deepEqual(await ours(), [])

  const slow = source(sha, { timeoutMs: 1 })
  await assert.rejects(drain(slow.entries(new AbortController().signal)), (error) =>
    isRefusal(error, 'timeout'),
  )
  assert.deepEqual(await ours(), [])
})

test("without git on the PATH the error is the system's own", async () => {
  const bare = source('a'.repeat(40), { environment: { PATH: home, HOME: home } })
  await assert.rejects(drain(bare.entries(new AbortController().signal)), { code: 'ENOENT' })
})

async function drain(entries: AsyncIterable<SourceEntry>, each = () => {}): Promise<void> {
  for await (const entry of entries) {
    each()
    for await (const _chunk of entry.body()) each()
  }
}

async function text(entry: SourceEntry): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of entry.body()) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}
