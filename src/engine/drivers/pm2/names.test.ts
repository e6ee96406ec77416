import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal } from '../../domain/refusal.ts'
import { exitOf } from './exits.ts'
import { parseLogRecord } from './log-record.ts'
import { checkRef, instanceName, parseInstanceName } from './names.ts'

const ref = { project: 'my-shop2', type: 'web', release: 12, generation: 345, index: 2 }

test('a name tells the whole identity and is read back', () => {
  assert.equal(instanceName(ref), 'my-shop2/web.2/v12/g345')
  assert.deepEqual(parseInstanceName(instanceName(ref)), ref)
})

test('names of strangers are no instances', () => {
  for (const name of ['nodepilot:router', 'pm2-logrotate', 'shop/web.1/v1', 'shop/web.1/v1/g1/x', '']) {
    assert.equal(parseInstanceName(name), null, name)
  }
})

test('names that could leave their folder are refused', () => {
  for (const bad of [
    { project: '../x' },
    { project: 'a/b' },
    { type: '..' },
    { type: 'a/b' },
    { type: '' },
  ]) {
    assert.throws(
      () => checkRef({ ...ref, ...bad }),
      (error) => isRefusal(error, 'invalid'),
    )
  }
  assert.throws(
    () => checkRef({ ...ref, release: 1.5 }),
    (error) => isRefusal(error, 'invalid'),
  )
})

test('an exit has a code or a signal, never both', () => {
  const line = (code: number, signal: string) =>
    exitOf(`App [${instanceName(ref)}:7] exited with code [${code}] via signal [${signal}]`)
  assert.deepEqual(line(0, 'SIGKILL'), { ...ref, code: null, signal: 'SIGKILL' })
  assert.deepEqual(line(3, 'SIGINT'), { ...ref, code: 3, signal: null })
  assert.deepEqual(line(0, 'SIGINT'), { ...ref, code: 0, signal: null })
  assert.equal(exitOf('App [nodepilot:router:0] exited with code [1] via signal [SIGINT]'), null)
  assert.equal(exitOf('App [x] online'), null)
})

test('a cut line of a log file is no record', () => {
  const record = {
    message: 'a\nb',
    timestamp: '2026-01-01T00:00:00.000Z',
    type: 'err',
    app_name: instanceName(ref),
  }
  const whole = JSON.stringify(record)
  assert.deepEqual(parseLogRecord(whole), { ...ref, time: record.timestamp, stream: 'err', text: 'a\nb' })
  for (const line of ['', whole.slice(0, 40), '3', 'null', whole.replace('err', 'log')]) {
    assert.equal(parseLogRecord(line), null, line)
  }
})
