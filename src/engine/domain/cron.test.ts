import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cronJob, cronJobs, namedJobs, nextRunAfter, storedCronJob } from './cron.ts'
import { fromCronLines, toCronLines } from './cron-lines.ts'

const job = (fields: object = {}) =>
  cronJob.parse({ schedule: '*/5 * * * *', command: 'node tick.js', ...fields })

function wrong(fields: object): string[] {
  const parsed = cronJob.safeParse({ schedule: '*/5 * * * *', command: 'node tick.js', ...fields })
  return parsed.success ? [] : parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
}

test('a job is a schedule and a command; all else has a default', () => {
  assert.deepEqual(job(), {
    schedule: '*/5 * * * *',
    command: 'node tick.js',
    timezone: 'UTC',
    timeoutMs: 3_600_000,
  })
})

test('a schedule that is none is refused with how one is written', () => {
  for (const schedule of [
    '',
    'soon',
    '* * * *',
    '* * * * * *',
    '2030-01-01T00:00:00',
    '61 * * * *',
    '@reboot',
    'H * * * *',
  ]) {
    const [problem] = wrong({ schedule })
    assert.match(problem ?? '', /^schedule: .*minute, hour/, schedule)
  }
})

test('a schedule that never comes is refused', () => {
  assert.deepEqual(wrong({ schedule: '0 0 30 2 *' }), ['schedule: no day is like that: it would never run'])
  assert.deepEqual(wrong({ schedule: '0 0 29 2 *' }), [])
})

test('wrong names, commands, time zones and limits name their field', () => {
  const fields = [
    { name: '../etc' },
    { command: ' ' },
    { command: 'a\nb' },
    { timezone: 'Mars/Base' },
    { timeoutMs: 1 },
    { comand: 'x' },
  ]
  assert.deepEqual(
    fields.map((one) => wrong(one)[0]?.split(':')[0]),
    ['name', 'command', 'command', 'timezone', 'timeoutMs', ''],
  )
})

test('two jobs of one name, and more than fifty, are refused', () => {
  assert.equal(cronJobs.safeParse([job({ name: 'a' }), job({ name: 'a' })]).success, false)
  assert.equal(cronJobs.safeParse(Array.from({ length: 50 }, () => job())).success, true)
  assert.equal(cronJobs.safeParse(Array.from({ length: 51 }, () => job())).success, false)
})

test('a job without a name is named after its command, wherever it stands', () => {
  const names = (...jobs: object[]) => namedJobs(jobs.map(job)).map(({ name }) => name)
  assert.deepEqual(names({}, { command: 'npm run a:b' }), ['node-tick-js', 'npm-run-a-b'])
  assert.deepEqual(names({ command: 'npm run a:b' }, {}), ['npm-run-a-b', 'node-tick-js'])
  assert.deepEqual(names({}, {}, { name: 'node-tick-js-2' }), [
    'node-tick-js',
    'node-tick-js-3',
    'node-tick-js-2',
  ])
  assert.deepEqual(names({ command: '/bin/true' }, { command: '!!' }), ['bin-true', 'job'])
})

test('an hour that is skipped or comes twice runs a daily job once, and an hourly one every hour', () => {
  const times = (fields: object, from: string, count: number) => {
    let at = Date.parse(from)
    return Array.from({ length: count }, () => {
      at = nextRunAfter(job({ timezone: 'Europe/Berlin', ...fields }), at) ?? 0
      return new Date(at).toISOString().slice(5, 16)
    })
  }
  const daily = { schedule: '30 2 * * *' }
  assert.deepEqual(times(daily, '2026-10-24T12:00:00Z', 2), ['10-25T00:30', '10-26T01:30'])
  assert.deepEqual(times(daily, '2027-03-27T12:00:00Z', 2), ['03-28T01:00', '03-29T00:30'])
  const hourly = { schedule: '0 * * * *' }
  assert.deepEqual(times(hourly, '2026-10-24T23:30:00Z', 3), ['10-25T00:00', '10-25T01:00', '10-25T02:00'])
})

test('a stored job that today would be refused is read, and never comes', () => {
  const stored = storedCronJob.parse({ schedule: 'soon', command: 'x', timezone: 'Mars/Base', later: 1 })
  assert.equal(nextRunAfter(stored, 0), null)
})

test('jobs that are shown as lines and read back are the same', () => {
  const jobs = [
    job(),
    job({ name: 'report', timezone: 'Europe/Berlin', timeoutMs: 1_800_000, schedule: '0 6 * * MON' }),
    job({ schedule: '@daily', timeoutMs: 1500, command: 'echo a: # b' }),
  ]
  const text = toCronLines(jobs)
  assert.deepEqual(cronJobs.parse(fromCronLines(`# mine\n\n${text}\r\n`)), jobs)
  assert.equal(text.split('\n')[1], 'report: TZ=Europe/Berlin TIMEOUT=30m 0 6 * * MON node tick.js')
})

test('a line that is no job is refused at its schedule, its command or its option', () => {
  const fields = (line: string) => {
    const parsed = cronJobs.safeParse(fromCronLines(line))
    return parsed.success ? [] : parsed.error.issues.map(({ path }) => path.join('.'))
  }
  assert.deepEqual(fields('* * * * node'), ['0.command', '0.schedule'])
  assert.deepEqual(fields('node tick.js'), ['0.command', '0.schedule'])
  assert.deepEqual(fields('a b c d e node tick.js'), ['0.schedule'])
  assert.deepEqual(fields('TIMEOUT=long * * * * * x'), ['0.timeoutMs'])
  assert.deepEqual(fields('* * * * * x\nTZ= * * * * * x'), ['1.timezone'])
})
