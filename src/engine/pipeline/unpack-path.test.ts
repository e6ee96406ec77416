import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal } from '../domain/refusal.ts'
import { foldName, gitFolder, isGitModules, splitPath } from './unpack-path.ts'

test('honest paths are split, with the dot of tar in front left out', () => {
  assert.deepEqual(splitPath('src/index.js', 'file'), ['src', 'index.js'])
  assert.deepEqual(splitPath('./src/', 'directory'), ['src'])
  assert.deepEqual(splitPath('./', 'directory'), [])
  assert.deepEqual(splitPath('größe/日本語/…/.env', 'file'), ['größe', '日本語', '…', '.env'])
  assert.deepEqual(splitPath(`${'a'.repeat(255)}`, 'file'), ['a'.repeat(255)])
})

test('paths that no honest program makes are refused, and the sentence is safe to print', () => {
  const hostile = [
    '',
    '/etc/passwd',
    '//host/share',
    'C:/Windows',
    'c:evil',
    '..',
    '../out',
    'a/../../out',
    'a/..',
    'a//b',
    'a/./b',
    'a/',
    './',
    'a\\b',
    '..\\out',
    'nul\0byte',
    'line\nbreak',
    '\u001b[2Jclear',
    '\u0085next',
    'bad\uFFFDutf8',
    'lone\uD800',
    'x'.repeat(256),
    'ü'.repeat(128),
    `${'deep/'.repeat(500)}file`,
  ]
  for (const path of hostile) {
    assert.throws(
      () => splitPath(path, 'file'),
      (error: Error) => {
        assert.ok(isRefusal(error, 'rejected_tree'), path)
        assert.doesNotMatch(error.message, /[\p{Cc}\p{Cs}]/u)
        assert.ok(error.message.length < 160)
        assert.ok(error.hint)
        return true
      },
    )
  }
})

test('names that some file system takes for one are folded to one', () => {
  const pairs = [
    ['README', 'readme'],
    ['caf\u00e9', 'cafe\u0301'],
    ['CAF\u00c9', 'cafe\u0301'],
    ['stra\u00dfe', 'STRASSE'],
    ['\u212b', '\u00e5'],
  ] as const
  for (const [one, other] of pairs) assert.equal(foldName(one), foldName(other), `${one} ${other}`)
  assert.notEqual(foldName('a'), foldName('b'))
  assert.notEqual(foldName('cafe'), foldName('caf\u00e9'))
})

test('git folders are known in every disguise', () => {
  assert.equal(gitFolder('.git'), 'plain')
  const disguises = ['.GIT', '.Git', '.git ', '.git.', '.git. .', '.git::$INDEX_ALLOCATION', 'git~1', 'GIT~1']
  const invisible = ['.g\u200cit', '.git\u200d', '\ufeff.git', '.gi\u206ft']
  for (const name of [...disguises, ...invisible]) assert.equal(gitFolder(name), 'disguised', name)
  for (const name of ['.gitignore', '.github', 'git', '.gitx', 'git~2', 'x.git'])
    assert.equal(gitFolder(name), null)
  assert.ok(isGitModules('.GitModules') && isGitModules('gitmod~1') && !isGitModules('gitmodules'))
})
