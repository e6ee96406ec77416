import assert from 'node:assert/strict'
import { test } from 'node:test'
import { projectSettings } from '../../engine/domain/settings.ts'
import type { ProjectRow } from '../../engine/store/projects.ts'
import { changeProject } from '../api/schemas.ts'
import { rowsOf } from './metrics.ts'
import { changeOf, formOf } from './project-settings.ts'
import { byProject } from './server.ts'
import { nameOfAgent } from './settings-account.ts'
import { changesOf } from './settings-audit.ts'
import { labelOf } from './settings-fields.ts'
import { editsIn, shownAs, shownField } from './shown.ts'

const row = {
  displayName: 'Shop',
  startCommand: '',
  deployBranch: 'main',
  healthPath: null,
  bootTimeoutMs: 60_000,
  keepReleases: null,
  memoryLimitMb: 512,
  privateModules: true,
  overlapWorkers: false,
  settings: projectSettings.parse({
    cluster: true,
    buildCommand: 'make',
    cron: [{ schedule: '@daily', command: 'node report.js', name: 'report', timeoutMs: 60_000 }],
  }),
} as ProjectRow

test('a project that is shown and sent back unchanged stays as it is', () => {
  const { settings, ...columns } = row
  assert.deepEqual(changeProject.parse(changeOf(formOf(row))), { ...columns, ...settings })
})

test('fields that are empty or no numbers are refused or mean none, never 0', () => {
  const change = (input: object) => changeProject.safeParse(changeOf({ ...formOf(row), ...input }))
  assert.equal(change({ memoryLimitMb: '' }).data?.memoryLimitMb, null)
  assert.equal(change({ memoryLimitMb: 'much' }).success, false)
  assert.equal(change({ bootTimeoutSeconds: '' }).success, false)
  assert.equal(change({ displayName: '' }).success, false)
})

test('of a form only what was changed in it counts, however its lines were ended', () => {
  const shown = { name: 'Shop', text: 'a\nb', box: 'yes', other: '1' }
  const sent = { [shownField]: shownAs(shown), name: 'Shop', text: 'a\r\nb', other: '2' }
  assert.deepEqual(editsIn(sent, { ...shown, name: 'Theirs', text: 'c' }), { box: '', other: '2' })
  assert.deepEqual(editsIn(sent, { ...shown, other: '2' }), { box: '', other: '2' }, 'both want the same')
  const conflict = (word: string) => ({ code: 'conflict', message: new RegExp(word) })
  assert.throws(() => editsIn(sent, { ...shown, other: '3' }), conflict('other .it is 3 now'))
  assert.throws(() => editsIn(sent, { ...shown, other: '3' }, { secret: true }), conflict('another text'))
  assert.throws(() => editsIn(sent, {}), conflict('box .it is gone now., other'))
  assert.throws(() => editsIn(sent, { ...shown, name: 'Theirs' }, { bound: ['name'] }), conflict('Theirs'))
  for (const marks of [undefined, '', '{', 'null', '7']) {
    assert.throws(() => editsIn({ ...sent, [shownField]: marks }, shown), { code: 'malformed' })
  }
})

test('a field that others have changed is called as the form calls it, with what the form shows', () => {
  const sent = { ...formOf(row), [shownField]: shownAs(formOf(row)), webSocketGraceMs: '7' }
  const now = formOf({ ...row, settings: { ...row.settings, webSocketGraceMs: 9_000 } })
  assert.throws(() => editsIn(sent, now, { called: labelOf }), {
    message: /: WebSockets after a switch \(seconds\) \(it is 9 now\)$/,
  })
})

test('a table of metrics says nothing where nothing was measured', () => {
  const nothing = [null, null]
  const series = {
    cpu: nothing,
    memoryBytes: [1_000_000, null],
    requests: [2, 3],
    errors: [0, 0],
    p50Ms: nothing,
    p95Ms: nothing,
    restarts: [0, 1],
  }
  const rows = new Map(rowsOf(series).map((one) => [one.name, one]))
  assert.deepEqual(rows.get('CPU'), { name: 'CPU', latest: '–', average: '–', highest: '–', total: '–' })
  assert.deepEqual(rows.get('Requests'), {
    name: 'Requests',
    latest: '3',
    average: '2.5',
    highest: '3',
    total: '5',
  })
  assert.equal(rows.get('Memory')?.latest, '1.0 MB')
})

test('browsers are named by what people call them, anything else by its own first word', () => {
  const firefox = 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0'
  const edge = 'Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/126.0 Safari/537.36 Edg/126.0'
  assert.equal(nameOfAgent(firefox), 'Firefox on Linux')
  assert.equal(nameOfAgent(edge), 'Edge on Windows')
  assert.equal(nameOfAgent('nodepilot-cli/0.2'), 'nodepilot-cli')
  assert.equal(nameOfAgent(''), 'unknown')
})

test('an entry of the audit log shows what a fact was and what it is', () => {
  assert.deepEqual(
    changesOf({
      before: { healthPath: null, gone: 1, status: 'running' },
      after: { healthPath: '/up', added: ['A', 'B'], removed: [], status: 'running' },
    }),
    [
      { name: 'healthPath', before: 'none', after: '/up' },
      { name: 'gone', before: '1', after: 'gone' },
      { name: 'added', before: null, after: 'A, B' },
    ],
  )
})

test('projects are summed over their processes, the hungriest first', () => {
  const process = {
    kind: 'instance',
    name: '',
    type: 'web',
    instance: 'web.1',
    release: 1,
    pid: 1,
    status: 'online',
    cpu: 1,
    restarts: 1,
    uptimeMs: 1,
  } as const
  const found = byProject([
    { ...process, project: 'small', memoryBytes: 1 },
    { ...process, project: 'big', memoryBytes: 5 },
    { ...process, project: 'big', memoryBytes: 6 },
    { ...process, kind: 'server', project: null, memoryBytes: 100 },
  ])
  assert.deepEqual(
    found.map(({ name, processes, memoryBytes }) => [name, processes, memoryBytes]),
    [
      ['big', 2, 11],
      ['small', 1, 1],
    ],
  )
})
