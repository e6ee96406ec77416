import type { CronJob } from './cron.ts'

/**
 * Jobs as lines of text, for forms: as in a crontab, with a name before it and options like its variables.
 *
 *     *\/5 * * * * node tick.js
 *     report: TZ=Europe/Berlin TIMEOUT=30m 0 6 * * MON npm run report
 */

const units = { s: 1000, m: 60_000, h: 3_600_000 } as const

export function toCronLines(jobs: readonly CronJob[]): string {
  return jobs.map(toLine).join('\n')
}

/**
 * The jobs of a text; empty lines and those that begin with # are passed over. What a line lacks is left out or
 * empty, for the schema to name.
 */
export function fromCronLines(text: string): unknown[] {
  return text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map(fromLine)
}

function toLine({ name, timezone, timeoutMs, schedule, command }: CronJob): string {
  const words = [
    name === undefined ? '' : `${name}:`,
    timezone === 'UTC' ? '' : `TZ=${timezone}`,
    timeoutMs === 3_600_000 ? '' : `TIMEOUT=${durationOf(timeoutMs)}`,
    schedule,
    command,
  ]
  return words.filter(Boolean).join(' ')
}

function fromLine(line: string): object {
  let rest = line
  const take = (pattern: RegExp) => {
    const found = pattern.exec(rest)
    if (found) rest = rest.slice(found[0].length)
    return found?.[1]
  }
  const name = take(/^([^\s:]+):\s+/)
  const options: Record<string, string> = {}
  for (
    let word = take(/^((?:TZ|CRON_TZ|TIMEOUT)=\S*)\s+/);
    word;
    word = take(/^((?:TZ|CRON_TZ|TIMEOUT)=\S*)\s+/)
  ) {
    const [key = '', value = ''] = word.split('=')
    options[key] = value
  }
  const schedule = take(/^(@\S+)\s*/) ?? take(/^(\S+(?:\s+\S+){4})\s*/) ?? take(/^(.*)$/)
  const timezone = options.TZ ?? options.CRON_TZ
  return {
    ...(name === undefined ? {} : { name }),
    ...(timezone === undefined ? {} : { timezone }),
    ...(options.TIMEOUT === undefined ? {} : { timeoutMs: msOf(options.TIMEOUT) }),
    schedule,
    command: rest,
  }
}

function durationOf(ms: number): string {
  const unit = (['h', 'm', 's'] as const).find((one) => ms % units[one] === 0)
  return unit ? `${ms / units[unit]}${unit}` : `${ms}ms`
}

/** Not a number where it is none: the schema says so. */
function msOf(text: string): number {
  const [, number, unit] = /^(\d+)(ms|s|m|h)?$/.exec(text) ?? []
  if (number === undefined) return Number.NaN
  return Number(number) * (unit === 'ms' ? 1 : units[(unit ?? 's') as keyof typeof units])
}
