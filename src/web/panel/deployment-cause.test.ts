import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Deployment } from '../../engine/domain/deployment.ts'
import { deploymentCause } from './deployment-cause.ts'

const failed: Deployment = {
  id: 1,
  projectId: 1,
  number: 1,
  status: 'failed',
  source: { kind: 'git', revision: 'a'.repeat(40), message: null },
  release: null,
  startedAt: '2026-01-01T00:00:00.000Z',
  finishedAt: '2026-01-01T00:00:01.000Z',
  steps: [],
  error: { code: 'build_failed', message: 'npm run build ended with 2', hint: null },
  by: 'ada',
  comparison: null,
}

function lineOf(...texts: string[]): string | undefined {
  const lines = texts.map((text, index) => ({ text, number: index + 1 }))
  return deploymentCause(failed, { lines, skipped: 0 })?.line?.text
}

test('the line that names a place says it best, then one that begins with an error', () => {
  const compiler = 'src/search.ts(12,7): error TS2322: no'
  assert.equal(lineOf('error: something', compiler), compiler)
  assert.equal(
    lineOf('it failed', './@scope/page.vue:3 cannot be read'),
    './@scope/page.vue:3 cannot be read',
  )
  assert.equal(lineOf('it failed', 'TypeError: x is not a function'), 'TypeError: x is not a function')
  assert.equal(lineOf('all is well'), undefined)
})

test('thousands of long lines made for it do not keep the server busy', () => {
  const began = process.cpuUsage()
  for (const part of ['a.', 'a-', 'a.js-', 'Error', ':', 'node:'])
    lineOf(...Array.from({ length: 100 }, () => `fail ${part.repeat(8_000 / part.length)}`))
  const { user } = process.cpuUsage(began)
  assert.ok(user < 2_000_000, `${user / 1000} ms`)
})
