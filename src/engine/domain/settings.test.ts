import assert from 'node:assert/strict'
import { test } from 'node:test'
import { projectSettings, readSettings, settingNames, settingsChange } from './settings.ts'

test('a change names only what it changes', () => {
  assert.deepEqual(settingsChange.parse({ cluster: true }), { cluster: true })
  assert.deepEqual(settingsChange.parse({}), {})
})

test('an unknown setting is refused', () => {
  assert.equal(settingsChange.safeParse({ clustre: true }).success, false)
})

test('what is stored is read whole, and what does not fit counts as not set', () => {
  const read = readSettings({ cluster: true, memoryAction: 'explode', ofTheFuture: 1 })
  assert.deepEqual(read, { ...projectSettings.parse({}), cluster: true })
  assert.deepEqual(readSettings(null), projectSettings.parse({}))
})

test('every setting has a default and says what it means', () => {
  for (const name of settingNames) {
    assert.ok(projectSettings.shape[name].meta()?.description, name)
    assert.ok(name in projectSettings.parse({}), name)
  }
})
