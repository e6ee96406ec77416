import assert from 'node:assert/strict'
import type { Failpoint } from '../../engine/failpoints.ts'
import { hello } from '../../testing/apps.ts'
import type { FaultLab, Operation } from '../../testing/fault-lab.ts'
import { until } from '../../testing/until.ts'

/** An operation, and every point that it passes. */
export interface Walk {
  readonly points: readonly Failpoint[]
  operation(lab: FaultLab): Operation
}

const boot = ['boot.reserved', 'boot.started', 'boot.healthy'] as const
const routes = ['routes.applying', 'routes.applied'] as const
const retirement = ['retire.drained', 'retire.ended', 'workers.ended', 'workers.started'] as const

const post = (lab: FaultLab, path: string, body?: object) => () =>
  lab.call('POST', `/api/project/app/${path}`, body)

export const deploying: Readonly<Record<string, Walk>> = {
  push: {
    points: [
      'attempt.opened',
      'attempt.begun',
      'deploy.unpacked',
      'deploy.installed',
      'deploy.built',
      'deploy.released',
      ...boot,
      'push.accepted',
      'push.moved',
      'live.committing',
      ...routes,
      'live.told',
      ...retirement,
      'retire.pruned',
    ],
    operation: (lab) => ({ serves: true, run: () => lab.push() }),
  },
  'a push that fails': {
    points: ['undo.ended'],
    operation: (lab) => ({
      serves: true,
      run: async () => !(await lab.push({ ...hello(), Procfile: 'web: node nothing.js\n' })),
    }),
  },
}

export const releasing: Readonly<Record<string, Walk>> = {
  rollback: {
    points: [
      'attempt.opened',
      'attempt.begun',
      'slug.linked',
      ...boot,
      'live.committing',
      ...routes,
      'live.told',
      ...retirement,
      'retire.pruned',
    ],
    operation: (lab) => ({ serves: true, run: post(lab, 'rollback', {}) }),
  },
  'a change of config vars': {
    points: ['attempt.begun', 'slug.linked', 'boot.healthy', 'live.committing', ...routes, 'retire.ended'],
    operation: (lab) => {
      let colours = 0
      return {
        serves: true,
        run: () => lab.call('PATCH', '/api/project/app/env', { envVars: { COLOUR: `c${++colours}` } }),
      }
    },
  },
  'a backup': {
    points: ['backup.written', 'backup.shelved'],
    operation: (lab) => ({ serves: true, run: () => lab.call('POST', '/api/system/backup', {}) }),
  },
}

export const running: Readonly<Record<string, Walk>> = {
  restart: {
    points: [...boot, 'processes.committing', ...routes, ...retirement],
    operation: (lab) => ({ serves: true, run: post(lab, 'restart') }),
  },
  'scaling up': {
    points: [...boot, 'processes.committing', ...routes, 'workers.started'],
    operation: (lab) => ({
      serves: true,
      prepare: post(lab, 'scale', { web: 1, worker: 1 }),
      run: post(lab, 'scale', { web: 2, worker: 2 }),
    }),
  },
  'scaling down': {
    points: ['processes.committing', ...routes, 'retire.drained', 'retire.ended', 'workers.ended'],
    operation: (lab) => ({
      serves: true,
      prepare: post(lab, 'scale', { web: 2, worker: 2 }),
      run: post(lab, 'scale', { web: 1, worker: 1 }),
    }),
  },
}

export const switchingOnAndOff: Readonly<Record<string, Walk>> = {
  stop: {
    points: ['processes.committing', ...routes, 'retire.drained', 'retire.ended', 'workers.ended'],
    operation: (lab) => ({ serves: false, prepare: post(lab, 'start'), run: post(lab, 'stop') }),
  },
  start: {
    points: [...boot, 'processes.committing', ...routes, 'workers.started'],
    operation: (lab) => ({ serves: false, prepare: post(lab, 'stop'), run: post(lab, 'start') }),
  },
  // the last one: the setting stays
  'a restart in place': {
    points: ['handover.stopped', 'boot.started', 'boot.healthy', 'processes.committing', ...routes],
    operation: (lab) => ({
      serves: true,
      prepare: async () => {
        await lab.call('PATCH', '/api/project/app', { overlap: false })
        // what is stopped makes room for nobody
        return lab.call('POST', '/api/project/app/start')
      },
      run: post(lab, 'restart'),
    }),
  },
}

export const owning: Readonly<Record<string, Walk>> = {
  'making a project': {
    points: ['create.stored', ...routes],
    operation: (lab) => {
      let made = 0
      return {
        serves: true,
        run: () => lab.call('POST', '/api/project/create', { name: `made-${++made}` }),
      }
    },
  },
  'deleting a project': {
    points: [...routes, 'remove.committed', 'remove.ended', 'remove.cleared'],
    operation: (lab) => ({
      serves: true,
      prepare: () => lab.pushTo('gone'),
      run: () => lab.call('DELETE', '/api/project/gone'),
    }),
  },
  'adding a domain': {
    points: routes,
    operation: (lab) => {
      let added = 0
      return {
        serves: true,
        run: () => lab.call('POST', '/api/project/app/domains', { domain: `a${++added}.example.org` }),
      }
    },
  },
  'removing a domain': {
    points: routes,
    operation: (lab) => {
      const domain = () => `gone${removed}.example.org`
      let removed = 0
      return {
        serves: true,
        prepare: () => {
          removed++
          return lab.call('POST', '/api/project/app/domains', { domain: domain() })
        },
        run: () => lab.call('DELETE', `/api/project/app/domains/${domain()}`),
        survived: async () => assert.equal((await lab.pilot.app('app', '/', { host: domain() })).status, 404),
      }
    },
  },
}

/** What nobody waits for, so that nobody does it again. */
export const byItself: Readonly<Record<string, Walk>> = {
  'a delivery of a webhook': {
    points: ['hook.taken', 'attempt.opened', 'hook.begun', 'fetch.fetched', 'fetch.moved'],
    operation: (lab) => ({
      serves: true,
      prepare: async () => (await lab.remote()).commit(),
      run: async () => (await lab.remote()).deliver(),
      survived: async () => (await lab.remote()).isLiveOnce(),
    }),
  },
  'a scheduled job': {
    points: ['cron.begun', 'cron.ended'],
    operation: (lab) => {
      const job = { name: 'once', schedule: '0 0 1 1 *', command: 'echo ran >> "$NODEPILOT_DATA_DIR/ran"' }
      let begun = 0
      return {
        serves: true,
        prepare: () => lab.call('PATCH', '/api/project/app', { cron: [job] }),
        run: () => {
          begun++
          return lab.call('POST', '/api/project/app/cron/once/run')
        },
        survived: async () => {
          const ran = (await lab.dataFile('ran')).split('\n').length - 1
          assert.ok(ran <= begun, `it ran ${ran} times, and was begun ${begun} times`)
        },
      }
    },
  },
  'falling asleep': {
    points: ['sleep.written', 'sleep.quiet', 'sleep.committed'],
    operation: (lab) => ({
      serves: false,
      prepare: post(lab, 'start'),
      run: async () => {
        await lab.call('PATCH', '/api/project/app', { sleepAfterMinutes: 1 })
        if (!(await fallsAsleep(lab))) return false
        return lab.call('PATCH', '/api/project/app', { sleepAfterMinutes: null })
      },
      survived: () => lab.call('PATCH', '/api/project/app', { sleepAfterMinutes: null }),
    }),
  },
}

/** False where the server dies meanwhile. */
async function fallsAsleep(lab: FaultLab): Promise<boolean> {
  const answer = () => lab.pilot.api('/api/project/app').catch(() => null)
  const seen = await until('app to sleep', async () => {
    const found = await answer()
    if (found?.status !== 200) return 'the server is away'
    const { project } = found.json<{ project: { sleeping: boolean; instances: unknown[] } }>()
    return project.sleeping && project.instances.length === 0 && 'asleep'
  })
  return seen === 'asleep'
}

export const allWalks: readonly Walk[] = [
  deploying,
  releasing,
  running,
  switchingOnAndOff,
  owning,
  byItself,
].flatMap((walks) => Object.values(walks))
