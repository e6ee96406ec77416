import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ProjectView } from '../../engine/use-cases/project-view.ts'
import { differences } from './rollback.ts'
import { projectStatus } from './status.ts'

const asleepAt = '2026-01-02T12:00:00.000Z'
const asleep = (wakeProblem: string | null) => {
  const view = viewOf('running', 1)
  return { ...view, project: { ...view.project, asleepAt, wakeProblem } } as ProjectView
}

function viewOf(status: 'running' | 'stopped', release: number | null, ...states: string[]): ProjectView {
  const instances = states.map((state) => ({ status: state }))
  return {
    project: {
      name: 'shop',
      status,
      currentRelease: release,
      asleepAt: null,
      wakeProblem: null,
      settings: {},
    },
    instances,
  } as unknown as ProjectView
}
const gist = (status: 'live' | 'failed' | 'running') =>
  ({ number: 7, status, startedAt: '2026-01-02T12:00:00.000Z' }) as const

test('a status leads to the page that explains it', () => {
  const cases = [
    [viewOf('running', 1, 'online'), gist('live'), 'Running', '/projects/shop/logs'],
    [viewOf('running', 1, 'online'), gist('failed'), 'Last deploy failed', '/projects/shop/deploys/7'],
    [viewOf('running', 1, 'online'), gist('running'), 'Deploying', '/projects/shop/deploys/7'],
    [viewOf('running', 1, 'online', 'restarting'), gist('live'), 'Crash loop', '/projects/shop/logs'],
    [viewOf('running', 1, 'errored'), gist('failed'), 'Down', '/projects/shop/logs'],
    [viewOf('stopped', 1), gist('failed'), 'Stopped', '/projects/shop'],
    [asleep(null), gist('live'), 'Sleeping', '/projects/shop'],
    [asleep(null), gist('failed'), 'Last deploy failed', '/projects/shop/deploys/7'],
    [asleep('it exited'), gist('live'), 'Does not wake', '/projects/shop'],
    [viewOf('stopped', null), null, 'Waiting for a push', '/projects/shop'],
    [viewOf('stopped', null), gist('failed'), 'First deploy failed', '/projects/shop/deploys/7'],
  ] as const
  for (const [view, newest, word, href] of cases) {
    const said = projectStatus(view, newest)
    assert.deepEqual([said.word, said.href], [word, href])
  }
})

test('config vars are compared by name, and values stay where they are', () => {
  assert.deepEqual(differences({ A: '1', B: 'x', D: 'same' }, { B: 'y', C: '', D: 'same' }), [
    { name: 'A', how: 'removed' },
    { name: 'B', how: 'changed' },
    { name: 'C', how: 'added' },
  ])
})
