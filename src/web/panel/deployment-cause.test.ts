import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Deployment } from '../../engine/domain/deployment.ts'
import { deploymentCause } from './deployment-cause.ts'
import { stepViews } from './deployment-steps.ts'

const failed = {
  number: 5,
  status: 'failed',
  source: { kind: 'git', revision: 'e75b86e', message: null },
  startedAt: '2030-01-01T00:00:00.000Z',
  finishedAt: '2030-01-01T00:00:06.000Z',
  steps: [
    { name: 'Receive', status: 'done', ms: 21, note: '' },
    { name: 'Start', status: 'failed', ms: 6_000, note: 'npm start' },
  ],
  error: { code: 'wrong_port', message: 'nothing answered on PORT 20014 within 6s', hint: 'use PORT' },
} as unknown as Deployment

const output = (...texts: string[]) => ({
  skipped: 0,
  lines: texts.map((text, at) => ({ text, number: at + 1 })),
})

test('the cause tells the facts that stand between the verdict and the hint, and what served meanwhile', () => {
  const cause = deploymentCause(
    failed,
    output(
      '  | v9 is still live. Full output:',
      'error: wrong_port: nothing answered on PORT 20014 within 6s',
      '  The app is running, but it listens on port 3000.',
      'hint: use PORT',
      '  v4 is still live. Full output:',
      '  http://127.0.0.1:3000/projects/shop/deploys/5',
    ),
  )
  assert.deepEqual(cause?.facts, ['The app is running, but it listens on port 3000.'])
  assert.equal(cause?.served, 'v4')
})

test('a first deploy that failed, or one without output, has nothing that served', () => {
  const alone = deploymentCause(
    failed,
    output('error: no_package: nothing to run', '  nothing else has changed. Full output:', '  http://x/1'),
  )
  assert.deepEqual([alone?.facts, alone?.served], [[], null])
  const silent = deploymentCause(failed, null)
  assert.deepEqual([silent?.facts, silent?.served], [[], null])
})

test('the step of a release command is listed only where there was one', () => {
  const names = (steps: readonly object[]) =>
    stepViews({ ...failed, steps } as Deployment).map(({ name }) => name)
  assert.deepEqual(names(failed.steps), ['Receive', 'Install', 'Build', 'Start', 'Health'])
  assert.ok(names([{ name: 'Release', status: 'done', ms: 1, note: '' }]).includes('Release'))
})
