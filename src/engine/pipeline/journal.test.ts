import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createVeil } from '../secrets.ts'
import { openDatabase } from '../store/database.ts'
import { createStore } from '../store/store.ts'
import { createJournal, silentJournal } from './journal.ts'

function createRig() {
  const db = openDatabase(':memory:')
  const store = createStore(db, () => 0)
  const project = store.projects.create({
    name: 'shop',
    displayName: 'Shop',
    path: '/',
    startCommand: '',
    port: null,
    envVars: {},
  })
  const source = { kind: 'git' as const, revision: 'a', message: null }
  const deploymentId = store.deployments.create({ projectId: project.id, number: 1, source, by: 'ada' })
  const lines: string[] = []
  const time = { now: 0 }
  const log = { write: (line: string) => void lines.push(line), close() {} }
  const veil = createVeil()
  const journal = createJournal({ store, deploymentId, log, veil, elapsed: () => time.now })
  return { journal, veil, lines, time, steps: () => store.deployments.find(project.id, 1)?.steps }
}

test('a step runs, is done, and leaves one line with its time', async () => {
  const { journal, lines, time, steps } = createRig()
  const result = await journal.step('Install', async (step) => {
    assert.deepEqual(steps(), [{ name: 'Install', status: 'running', ms: null, note: '' }])
    step.say('added 71 packages')
    step.note('npm ci')
    time.now = 1_250
    return 42
  })
  assert.equal(result, 42)
  assert.deepEqual(steps(), [{ name: 'Install', status: 'done', ms: 1250, note: 'npm ci' }])
  assert.equal(lines[0], '  | added 71 packages')
  assert.match(lines[1] ?? '', /^\[2\/5\] Install {3}npm ci +1\.\ds$/)
})

test('a step that throws has failed, and the error goes on up', async () => {
  const { journal, lines, steps } = createRig()
  await assert.rejects(
    journal.step('Build', async () => {
      throw new Error('no')
    }),
    /no/,
  )
  assert.equal(steps()?.[0]?.status, 'failed')
  assert.match(lines.at(-1) ?? '', /FAILED$/)
})

test('skipped steps are named, in their place', async () => {
  const { journal, steps } = createRig()
  await journal.step('Start', async () => {})
  journal.skip(['Receive', 'Install', 'Build'], 'files of v1')
  assert.deepEqual(
    steps()?.map(({ name, status }) => `${name} ${status}`),
    ['Receive skipped', 'Install skipped', 'Build skipped', 'Start done'],
  )
})

test('a silent step shows every 15 s that it lives, a talking one does not', async (t: TestContext) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const { journal, lines, time } = createRig()
  await journal.step('Build', async (step) => {
    time.now = 15_000
    t.mock.timers.tick(15_000)
    assert.deepEqual(lines, ['  | … build: still at it (15.0s)'])
    t.mock.timers.tick(10_000)
    step.say('webpack')
    t.mock.timers.tick(10_000)
    assert.equal(lines.length, 2)
  })
  t.mock.timers.tick(60_000)
  assert.equal(lines.length, 3, 'nothing after the end')
})

test('what a step waits for is not its own time, and it is silent meanwhile', async (t: TestContext) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const { journal, lines, steps, time } = createRig()
  await journal.step('Install', async (step) => {
    time.now = 100
    await step.beside(async () => {
      t.mock.timers.tick(60_000)
      time.now = 60_100
    })
    assert.deepEqual(lines, [])
    time.now = 60_200
    t.mock.timers.tick(15_000)
    assert.deepEqual(lines, ['  | … install: still at it (0.2s)'])
  })
  assert.equal(steps()?.[0]?.ms, 200)
})

test('a restart runs its steps without writing anything down', async () => {
  assert.equal(
    await silentJournal.step('Start', async (step) => {
      step.say('x')
      step.note('y')
      return 'done'
    }),
    'done',
  )
  silentJournal.skip(['Build'], '')
})

test('values behind the veil are in no line and no note, also when one goes on in the next line', async () => {
  const { journal, veil, lines, steps } = createRig()
  veil.hide({ TOKEN: 'very-secret-token' })
  await journal.step('Build', async (step) => {
    step.note('echo very-secret-token')
    step.say('TOKEN=very-secret-token')
    step.say('TOKEN=very-secret')
    step.say('-token, and so on')
    veil.hide({ LATER: 'learnt-later' })
    step.say('learnt-later')
  })
  journal.say('between: very-secret-token')
  assert.deepEqual(
    [...lines.slice(0, 4), lines.at(-1)],
    ['  | TOKEN=***', '  | TOKEN=***', '  | ***, and so on', '  | ***', '  | between: ***'],
  )
  assert.deepEqual(steps()?.[0]?.note, 'echo ***')
  assert.doesNotMatch(lines.join(), /secret|learnt/)
})
