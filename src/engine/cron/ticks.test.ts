import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cronJob } from '../domain/cron.ts'
import { stretchSince, tickIn, untilNextMinute } from './ticks.ts'

const at = (text: string) => Date.parse(`2026-03-01T${text}Z`)
const job = cronJob.parse({ schedule: '*/5 * * * *', command: 'x' })

/** The ticks that are followed by looks at these moments, the first of which is the start. */
function followed(...looks: string[]): string[] {
  let seen = at(looks[0] ?? '')
  return looks.slice(1).flatMap((text) => {
    const stretch = stretchSince(seen, at(text))
    seen = stretch.to
    const tick = tickIn(job, stretch)
    return tick === null ? [] : [new Date(tick).toISOString().slice(11, 16)]
  })
}

test('every tick is followed once, at whatever moments somebody looks', () => {
  assert.deepEqual(followed('12:00:00', '12:05:00', '12:05:00', '12:05:30', '12:09:59', '12:10:01'), [
    '12:05',
    '12:10',
  ])
  assert.deepEqual(followed('12:05:00', '12:06:00'), [], 'the moment of the start is over')
})

test('ticks of a time when nobody looked are not made up for', () => {
  assert.deepEqual(followed('12:01:00', '13:58:00'), [])
  assert.deepEqual(followed('12:01:00', '13:56:00'), ['13:55'], 'but one of a moment ago is')
})

test('a clock that is set back a little does not run anything again', () => {
  assert.deepEqual(followed('12:04:00', '12:05:00', '12:04:30', '12:05:30', '12:10:00'), ['12:05', '12:10'])
})

test('a clock that is set back by a day goes on from there', () => {
  assert.deepEqual(followed('22:04:00', '22:05:00', '10:04:00', '10:05:00'), ['22:05', '10:05'])
})

test('looks come with the full minute', () => {
  assert.equal(untilNextMinute(at('12:00:00')), 60_000)
  assert.equal(untilNextMinute(at('12:00:59') + 999), 1)
})
