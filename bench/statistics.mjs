// Numbers and how they are shown.

/** `{ n, median, min, max }` of what was measured; nothing measured is n 0. */
export function summary(values) {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  const median = ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle)] ?? 0)) / 2
  return { n: sorted.length, median, min: sorted[0] ?? 0, max: sorted.at(-1) ?? 0 }
}

/** The value that this share of the sorted ones lies below; `share` from 0 to 1. */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.round((sorted.length - 1) * share)] ?? 0
}

/** 1 where it is missed. `most`: it must stay below. */
export function goal(what, value, wanted, most = false) {
  const reached = most ? value <= wanted : value >= wanted
  const sign = most ? 'at most' : 'at least'
  console.log(`${what}: ${value.toFixed(2)} (${sign} ${wanted}) ${reached ? 'reached' : 'MISSED'}`)
  return reached ? 0 : 1
}

/**
 * One line of the report: what was measured, its floor measured in the same run, and the goal.
 * `floor` is null where there is none; `unit` is "ms", "MB" or "requests".
 */
export function row(what, unit, values, { floor = null, floorName = '', goal = null } = {}) {
  const measured = summary(values)
  return {
    what,
    unit,
    ...measured,
    floor,
    floorName,
    ratio: floor > 0 && measured.n > 0 ? measured.median / floor : null,
    goal,
    reached: goal === null || measured.n === 0 ? null : measured.median <= goal,
  }
}

const columns = [
  ['what', (r) => r.what],
  [
    'median (min–max)',
    (r) => (r.n === 0 ? 'failed' : `${show(r.median)} (${show(r.min)}–${show(r.max)}) ${r.unit}`),
  ],
  ['floor', (r) => (r.floor === null ? '' : `${show(r.floor)} ${r.unit} ${r.floorName}`)],
  ['ratio', (r) => (r.ratio === null ? '' : `${r.ratio.toFixed(2)}`)],
  ['goal', (r) => (r.goal === null ? '' : `${show(r.goal)} ${r.reached ? 'reached' : 'MISSED'}`)],
]

/** A table in plain text, columns as wide as they need. */
export function table(title, rows) {
  const cells = [columns.map(([name]) => name), ...rows.map((one) => columns.map(([, read]) => read(one)))]
  const widths = columns.map((_, column) => Math.max(...cells.map((line) => line[column].length)))
  const lines = cells.map((line) =>
    line
      .map((cell, i) => cell.padEnd(widths[i]))
      .join('   ')
      .trimEnd(),
  )
  lines.splice(1, 0, widths.map((width) => '─'.repeat(width)).join('   '))
  return [title, '', ...lines, ''].join('\n')
}

function show(value) {
  return value.toFixed(value !== 0 && Math.abs(value) < 10 && !Number.isInteger(value) ? 1 : 0)
}
