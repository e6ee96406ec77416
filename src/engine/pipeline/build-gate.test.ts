import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createBuildGate, type Entrance, type Leave } from './build-gate.ts'

const never = new AbortController().signal

function join(gate: ReturnType<typeof createBuildGate>, more: Partial<Entrance> = {}) {
  const heard: number[] = []
  let leave: Leave | undefined
  const entered = gate
    .enter({ ticket: gate.ticket(), signal: never, onWait: (before) => heard.push(before), ...more })
    .then((given) => {
      leave = given
    })
  return { heard, entered, inside: () => leave !== undefined, leave: () => leave?.() }
}

const soon = () => new Promise((resolve) => setImmediate(resolve))

test('as many build as there are places; the others hear how many must end first, at every change', async () => {
  const gate = createBuildGate(2)
  const [a, b, c, d] = [join(gate), join(gate), join(gate), join(gate)]
  await soon()
  assert.deepEqual(
    [a, b, c, d].map((one) => one.inside()),
    [true, true, false, false],
  )
  assert.deepEqual([a.heard, b.heard, c.heard, d.heard], [[], [], [1], [2]])
  b.leave()
  await c.entered
  assert.deepEqual([c.heard, d.heard], [[1], [2, 1]])
  assert.equal(gate.building(), 2)
  a.leave()
  await d.entered
  c.leave()
  d.leave()
  assert.equal(gate.building(), 0)
})

test('an earlier ticket goes first, whenever it joins the line', async () => {
  const gate = createBuildGate(1)
  const early = gate.ticket()
  const first = join(gate)
  const late = join(gate)
  const inherited = join(gate, { ticket: early })
  assert.deepEqual([inherited.heard, late.heard], [[1], [1, 2]])
  await first.entered
  first.leave()
  await inherited.entered
  assert.equal(late.inside(), false)
  inherited.leave()
  await late.entered
})

test('who gives up leaves the line, and is not told so after it has begun', async () => {
  const gate = createBuildGate(1)
  const first = join(gate)
  await first.entered
  const controller = new AbortController()
  const impatient = join(gate, { signal: controller.signal })
  const patient = join(gate)
  controller.abort(new Error('Ctrl-C'))
  await assert.rejects(impatient.entered, /Ctrl-C/)
  assert.deepEqual(patient.heard, [2, 1])
  first.leave()
  first.leave()
  await patient.entered
  assert.equal(gate.building(), 1)
  await assert.rejects(
    gate.enter({ ticket: gate.ticket(), signal: AbortSignal.abort(new Error('gone')) }),
    /gone/,
  )
})
