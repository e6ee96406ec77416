import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { refNameProblem } from './ref-name.ts'

const fine = [
  'refs/heads/main',
  'refs/heads/feature/ABC-123_x',
  'refs/heads/dependabot/npm_and_yarn/foo-1.2',
  'refs/heads/fix-#12',
  "refs/heads/user's",
  'refs/heads/größe',
  'refs/heads/日本',
  'refs/heads/a@b',
  'refs/tags/v1.0.0',
  'refs/notes/commits',
]

const refused = [
  'main',
  'HEAD',
  'refs',
  'refs/heads',
  'refs/heads/',
  'refs//heads/x',
  '/refs/heads/x',
  'refs/heads/--exec=id',
  'refs/heads/-x',
  'refs/heads/a/-x',
  'refs/-x/a',
  'refs/heads/HEAD',
  'refs/heads/../x',
  'refs/heads/a..b',
  'refs/heads/.x',
  'refs/heads/x.',
  'refs/heads/x.lock',
  'refs/heads/x.lock/y',
  'refs/heads/a@{1}',
  'refs/heads/a b',
  'refs/heads/a~1',
  'refs/heads/a^',
  'refs/heads/a:b',
  'refs/heads/a?',
  'refs/heads/a*',
  'refs/heads/a[b',
  'refs/heads/a\\b',
  'refs/heads/a\tb',
  'refs/heads/a\u007f',
  'refs/heads/a\u0085',
  'refs/heads/a\u202eb',
  'refs/heads/a\u200bb',
  'refs/heads/a\ufffd',
  `refs/heads/${'x'.repeat(300)}`,
  `refs/heads/${'ü'.repeat(200)}`,
]

test('ordinary names of branches, tags and notes are fine', () => {
  for (const ref of fine) assert.equal(refNameProblem(ref), null, ref)
})

test('a name that could mislead a command, a person or a file system is refused', () => {
  for (const ref of refused) assert.notEqual(refNameProblem(ref), null, ref)
})

test('nothing that git itself calls malformed is let through', () => {
  for (const ref of [...fine, ...refused]) {
    const git = spawnSync('git', ['check-ref-format', ref])
    if (git.status !== 0) assert.notEqual(refNameProblem(ref), null, ref)
  }
})
