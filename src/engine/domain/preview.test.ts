import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inherited, previewName } from './preview.ts'
import { projectNamePattern } from './project.ts'

test('a preview is called as its branch and its project, to the letter where that is a name', () => {
  assert.equal(previewName('shop', 'feature-x'), 'feature-x--shop')
  assert.equal(previewName('shop', 'a'), 'a--shop')
  assert.match(previewName('shop', 'Feature/Login_Page'), /^feature-login-page-[0-9a-f]{6}--shop$/)
  assert.match(previewName('shop', '2024.1'), /^b[0-9a-f]{6}--shop$|^[a-z][0-9a-f]{5}--shop$/)
  assert.match(previewName('shop', 'größe'), /^grosse?-[0-9a-f]{6}--shop$|^gro-e-[0-9a-f]{6}--shop$/)
})

test('whatever a branch is called, its preview has a valid name, and no two have the same', () => {
  const branches = [
    'x',
    'x-',
    '-x',
    'x/y',
    'x-y',
    'X-Y',
    'x_y',
    'ünïcode',
    '日本',
    '9',
    'a'.repeat(200),
    `${'a'.repeat(200)}b`,
    'main--',
  ]
  const projects = [
    'shop',
    'sh',
    'a'.repeat(40),
    `b${'-'.repeat(30)}9`,
    'very-long-name-of-a-project-0123456789ab',
  ]
  const names = projects.flatMap((project) => branches.map((branch) => previewName(project, branch)))
  for (const name of names) assert.match(name, projectNamePattern)
  assert.equal(new Set(names).size, names.length)
  assert.equal(previewName('shop', '日本'), previewName('shop', '日本'))
})

test('a preview follows its project, but for what was changed or removed in the preview itself', () => {
  const parent = { A: 'new', B: 'new', C: 'new', D: 'new' }
  assert.deepEqual(inherited(parent, { A: 'old', B: 'own', GONE: 'old', MINE: 'own' }, ['B', 'C', 'MINE']), {
    A: 'new',
    B: 'own',
    D: 'new',
    MINE: 'own',
  })
})
