import { asset } from './assets.ts'
import { shownAs } from './panel/shown.ts'

/** What templates say things with. Those that give markup escape whatever they are handed. */
export const words = {
  asset,
  icon,
  time,
  since,
  bytes,
  ms,
  answerTime,
  plural,
  percent,
  share,
  shownAs,
  safeUrl,
  shortRevision,
  spark,
  escape,
}

/** `<%~ icon('plus') %>`: decoration; the word beside it carries the meaning. */
function icon(name: string, extra = ''): string {
  return `<svg class="i${extra ? ` ${escapeHtml(extra)}` : ''}" aria-hidden="true"><use href="${asset('icons.svg')}#${escapeHtml(name)}"/></svg>`
}

/** A moment as people say it, with the exact one in the tooltip. The panel's script keeps it right. */
function time(iso: string | null | undefined, now = Date.now()): string {
  if (!iso) return '<span class="muted">never</span>'
  const exact = `${iso.slice(0, 19).replace('T', ' ')} UTC`
  const passed = now - Date.parse(iso)
  // what is yet to come is not counted by the browser, whose clock may differ
  const ticks = passed > -1_000 ? ' data-ago' : ''
  return `<time datetime="${escapeHtml(iso)}" title="${escapeHtml(exact)}"${ticks}>${ago(passed)}</time>`
}

/** How long something has been going on; the panel's script lets it tick. */
function since(iso: string, now = Date.now()): string {
  return `<time datetime="${escapeHtml(iso)}" data-since>${ms(Math.max(now - Date.parse(iso), 0))}</time>`
}

function ago(passedMs: number): string {
  const seconds = Math.round(passedMs / 1000)
  if (!Number.isFinite(seconds)) return 'at an unknown time'
  if (seconds < 0) return `in ${span(-seconds)}`
  return seconds < 10 ? 'just now' : `${span(seconds)} ago`
}

function span(seconds: number): string {
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`
  if (seconds < 86_400 * 2) return `${Math.floor(seconds / 3600)} h`
  return `${Math.floor(seconds / 86_400)} d`
}

/** `0.4 %` of a number; a dash of none. */
function share(part: number, whole: number): string {
  return whole === 0 ? '–' : `${Math.round((part / whole) * 1000) / 10} %`
}

/** `231 MB` */
function bytes(count: number | null | undefined): string {
  if (count === null || count === undefined || !Number.isFinite(count)) return '–'
  if (count < 1_000) return `${Math.round(count)} B`
  const units = ['kB', 'MB', 'GB', 'TB']
  let value = count / 1_000
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1_000
    unit++
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`
}

/** `4 ms`, `7.4 s`, `2 min 5 s`, `3 h 20 min`, `5 d 3 h` */
function ms(duration: number | null | undefined): string {
  if (duration === null || duration === undefined || !Number.isFinite(duration)) return '–'
  if (duration < 1_000) return `${Math.round(duration)} ms`
  const seconds = duration / 1_000
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  if (whole < 86_400) return `${Math.floor(whole / 3_600)} h ${Math.floor((whole % 3_600) / 60)} min`
  return `${Math.floor(whole / 86_400)} d ${Math.floor((whole % 86_400) / 3_600)} h`
}

/** How long answers take: none takes no time. */
function answerTime(duration: number | null | undefined): string {
  return typeof duration === 'number' && duration < 0.5 ? '< 1 ms' : ms(duration)
}

/** `1 project`, `5 projects` */
function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}

function percent(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–'
  return `${value < 10 ? Math.round(value * 10) / 10 : Math.round(value)} %`
}

/** Only addresses that a link may safely lead to; anything else leads nowhere. */
function safeUrl(value: unknown): string {
  const text = String(value)
  return /^(https?:\/\/|\/(?![/\\]))/i.test(text) ? text : '#'
}

/** `9f3c2ab` of a commit, the first digits of an archive's digest, `v12` of a release. */
function shortRevision(source: { readonly kind: string; readonly revision: string }): string {
  if (source.kind === 'git') return source.revision.slice(0, 7)
  if (source.kind === 'release') return source.revision.slice(0, 12)
  return source.revision.replace(/^sha256:/, '').slice(0, 7)
}

/** A small line chart; `values` may have holes. Empty without two values. */
function spark(values: readonly (number | null)[], label: string): string {
  const known = values.filter((value): value is number => value !== null)
  if (known.length < 2) return ''
  const top = Math.max(...known) * 1.15 || 1
  const step = 100 / Math.max(values.length - 1, 1)
  const at = (value: number, index: number) => `${round(index * step)} ${round(28 - (value / top) * 26)}`
  const points = values.flatMap((value, index) => (value === null ? [] : [at(value, index)]))
  const first = values.findIndex((value) => value !== null)
  const last = values.length - 1 - [...values].reverse().findIndex((value) => value !== null)
  const line = `M${points.join('L')}`
  return `<svg class="spark" viewBox="0 0 100 28" preserveAspectRatio="none" role="img" aria-label="${escapeHtml(label)}"><path class="a" d="${line}L${round(last * step)} 28L${round(first * step)} 28Z"/><path d="${line}"/></svg>`
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

function escapeHtml(value: unknown): string {
  return String(value).replaceAll(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`)
}
