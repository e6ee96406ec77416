import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { isRefusal } from '../domain/refusal.ts'
import { parsePackageJson, readPackageJson } from './package-json.ts'

const sentence = (text: string): string => {
  try {
    parsePackageJson(text)
  } catch (error) {
    assert.ok(isRefusal(error, 'rejected_tree'))
    return error.message
  }
  return ''
}

test('an app without package.json is no error', async (t) => {
  const directory = await mkdtemp(path.join(tmpdir(), 'nodepilot-package-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  assert.equal(await readPackageJson(directory), null)
  assert.equal(await readPackageJson(directory, 'packages/missing'), null)
})

test('broken JSON is refused by the name of the file', () => {
  assert.match(sentence('{ "name": }'), /^package\.json is not valid JSON: /)
  assert.match(sentence('{\n<<<<<<< HEAD\n'), /a merge conflict is left in it/)
  assert.equal(sentence('[]'), 'package.json must hold an object')
  assert.match(sentence('{"scripts": 3}'), /^package\.json has a wrong "scripts": /)
})

test('what npm ignores is ignored, and unknown fields stay', () => {
  const app = parsePackageJson(
    '\uFEFF{"scripts": {"a": "b", "c": 1}, "engines": ["old"], "prisma": {"seed": "x"}}',
  )
  assert.deepEqual(app.scripts, { a: 'b' })
  assert.equal(app.engines, undefined)
  assert.deepEqual(app.dependencies, {})
  assert.deepEqual(app.prisma, { seed: 'x' })
})

test('both spellings of workspaces mean the same', () => {
  assert.deepEqual(parsePackageJson('{"workspaces": {"packages": ["a/*"]}}').workspaces, ['a/*'])
  assert.deepEqual(parsePackageJson('{"workspaces": ["a/*"]}').workspaces, ['a/*'])
})
