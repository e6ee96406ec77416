import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { createTurns } from './queue.ts'

test('one at a time for a project, first come first served, and each hears how many are before it', async () => {
  const turns = createTurns()
  const order: string[] = []
  const first = await turns.take(1)
  const second = turns.take(1, undefined, (before) => order.push(`b waits for ${before}`))
  const third = turns.take(1, undefined, (before) => order.push(`c waits for ${before}`))
  void second.then(() => order.push('b'))
  void third.then(() => order.push('c'))
  first()
  ;(await second)()
  ;(await third)()
  assert.deepEqual(order, ['b waits for 1', 'c waits for 2', 'b', 'c'])
})

test('guests work beside whoever lets them in, who does not go before them; everybody else waits', async () => {
  const turns = createTurns()
  const order: string[] = []
  const end = await turns.take(1)
  const alone = turns.host(1)
  const leave = await turns.takeOrJoin(1)
  const next = turns.take(1).then((endNext) => {
    order.push('next')
    return endNext
  })
  const shut = alone().then(() => order.push('alone'))
  const late = turns.takeOrJoin(1).then((endLate) => {
    order.push('late')
    return endLate
  })
  end()
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(order, [])
  leave()
  await shut
  ;(await next)()
  ;(await late)()
  assert.deepEqual(order, ['alone', 'next', 'late'])
  assert.equal(turns.busy(1), false)
})

test('who waits already and may be a guest is let in by the next one that lets guests in', async () => {
  const turns = createTurns()
  const end = await turns.take(1)
  const builds = turns.take(1)
  const after = turns.take(1)
  const guest = turns.takeOrJoin(1)
  const impatient = new AbortController()
  const gone = turns.takeOrJoin(1, impatient.signal)
  impatient.abort(new Error('Ctrl-C'))
  await assert.rejects(gone, /Ctrl-C/)
  end()
  const endBuild = await builds
  const alone = turns.host(1)
  const leave = await guest
  leave()
  await alone()
  endBuild()
  ;(await after)()
  assert.equal(turns.busy(1), false)
})

test('projects do not wait for each other', async () => {
  const turns = createTurns()
  await turns.take(1)
  const other = await turns.take(2)
  other()
  assert.equal(turns.busy(1), true)
  assert.equal(turns.busy(2), false)
})

test('who gives up while waiting leaves the line, and the next one follows', async () => {
  const turns = createTurns()
  const first = await turns.take(1)
  const controller = new AbortController()
  const impatient = turns.take(1, controller.signal)
  const patient = turns.take(1)
  controller.abort(new Error('Ctrl-C'))
  await assert.rejects(impatient, /Ctrl-C/)
  first()
  ;(await patient)()
  assert.equal(turns.busy(1), false)
})

test('an abort after the turn has begun does not end it: the work itself must', async () => {
  const turns = createTurns()
  const controller = new AbortController()
  const end = await turns.take(1, controller.signal)
  controller.abort()
  assert.equal(turns.busy(1), true)
  end()
  assert.equal(turns.busy(1), false)
})

test('a signal forgets who waited, once that one has its turn or was sent away', async () => {
  const turns = createTurns()
  const { signal } = new AbortController()
  const first = await turns.take(1)
  const [second, third] = [turns.take(1, signal), turns.take(1, signal)]
  assert.equal(getEventListeners(signal, 'abort').length, 2)
  first()
  await second
  turns.dismiss(1, new Error('sent away'))
  await assert.rejects(third, /sent away/)
  assert.equal(getEventListeners(signal, 'abort').length, 0)
})

test('a signal that was aborted before takes no place', async () => {
  const turns = createTurns()
  await assert.rejects(turns.take(1, AbortSignal.abort(new Error('gone'))), /gone/)
  assert.equal(turns.busy(1), false)
})

test('a turn that is ended twice ends once', async () => {
  const turns = createTurns()
  const first = await turns.take(1)
  const second = turns.take(1)
  const third = turns.take(1)
  first()
  first()
  const end = await second
  assert.equal(await Promise.race([third.then(() => 'third'), Promise.resolve('waits')]), 'waits')
  end()
  ;(await third)()
})

test('all who wait can be sent away; the one at work goes on and newcomers line up again', async () => {
  const turns = createTurns()
  const first = await turns.take(1)
  const waiting = Promise.allSettled([turns.take(1), turns.take(1, new AbortController().signal)])
  turns.dismiss(1, new Error('deleted'))
  for (const result of await waiting) {
    assert.ok(result.status === 'rejected' && result.reason.message === 'deleted')
  }
  const newcomer = turns.take(1)
  first()
  ;(await newcomer)()
  assert.equal(turns.busy(1), false)
  turns.dismiss(1, new Error('nobody'))
})
