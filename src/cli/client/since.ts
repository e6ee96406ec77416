import { usage } from './failure.ts'

const unitMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `10m` ago, or a time of its own, as ISO 8601. */
export function parseSince(text: string, now: number): string {
  const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  const time = count === undefined ? Date.parse(text) : now - Number(count) * (unitMs[unit] ?? 0)
  if (Number.isNaN(time))
    throw usage(`--since ${text} is no time`, 'write it like 10m, 2h, 3d or 2030-01-31T12:00:00Z')
  return new Date(time).toISOString()
}
