import { test } from 'node:test'
import type { Failpoint } from '../../engine/failpoints.ts'
import type { Operation } from '../../testing/fault-lab.ts'
import { onFaultLab } from './survive.suite.ts'
import { deploying, owning, releasing, running, switchingOnAndOff } from './walks.ts'

const walks = { ...deploying, ...releasing, ...running, ...switchingOnAndOff, ...owning }

/** Where PM2 is asked for something next, or has just done something. */
const moments: readonly (readonly [string, readonly Failpoint[]])[] = [
  [
    'push',
    [
      'deploy.installed',
      'boot.reserved',
      'boot.started',
      'routes.applying',
      'retire.drained',
      'workers.ended',
    ],
  ],
  ['rollback', ['slug.linked', 'routes.applied']],
  ['restart', ['boot.healthy', 'workers.started']],
  ['scaling up', ['boot.reserved', 'boot.started', 'routes.applying']],
  ['scaling down', ['routes.applied', 'retire.drained']],
  ['stop', ['routes.applied']],
  ['deleting a project', ['remove.committed']],
  // the last one: the setting stays
  ['a restart in place', ['handover.stopped', 'boot.started', 'processes.committing', 'routes.applying']],
]

onFaultLab('PM2 killed in the middle of everything', (lab) => {
  for (const [name, points] of moments) {
    let begun: Operation | undefined
    for (const point of points) {
      test(`${name}, PM2 lost at ${point}: it is done all the same, and everything runs once within 15 s`, () => {
        begun ??= walks[name]?.operation(lab())
        if (!begun) throw new Error(`there is no walk "${name}"`)
        return lab().outlivesPm2(begun, point)
      })
    }
  }
})
