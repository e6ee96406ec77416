import { address } from '../client/api.ts'
import { usage } from '../client/failure.ts'
import { projectOf } from '../client/project.ts'
import type { Cli } from '../client/session.ts'
import { listOf, mapOf, nullable, number, object, read, text } from '../client/shape.ts'
import { bytes, duration } from '../client/words.ts'

const shape = object({ times: listOf(text), series: mapOf(listOf(nullable(number))) })

type Values = readonly (number | null)[]

/** Each series: how it is called, how its points become one figure, how that is written. */
const rows: readonly (readonly [string, string, 'mean' | 'sum', (value: number) => string])[] = [
  ['cpu', 'CPU', 'mean', (value) => `${value.toFixed(1)} %`],
  ['memoryBytes', 'Memory', 'mean', bytes],
  ['requests', 'Requests', 'sum', (value) => `${Math.round(value)}`],
  ['errors', 'Errors', 'sum', (value) => `${Math.round(value)}`],
  ['p50Ms', 'Half of all within', 'mean', duration],
  ['p95Ms', '95 % within', 'mean', duration],
  ['restarts', 'Restarts', 'sum', (value) => `${Math.round(value)}`],
]

/** `nodepilot metrics`: a line for each series; `--json` has every point. */
export async function metrics(cli: Cli, range: string): Promise<void> {
  if (!/^(1h|24h|7d)$/.test(range))
    throw usage(`--range ${range} is not 1h, 24h or 7d`, 'nodepilot metrics --range 24h')
  const { api, project } = await projectOf(cli, undefined)
  const body = await api.get(address`/api/project/${project.name}/metrics`, { range })
  if (cli.out.json) return cli.out.document(body)
  const { series } = read(shape, body)
  const shown = rows.map(([key, name, kind, write]) => [
    name,
    figure(series[key] ?? [], kind, write),
    spark(series[key] ?? []),
  ])
  cli.out.table([`LAST ${range}`, kindOfFigure, 'COURSE'], shown)
}

const kindOfFigure = 'MEAN OR SUM'

function figure(values: Values, kind: 'mean' | 'sum', write: (value: number) => string): string {
  const known = values.filter((value) => value !== null)
  if (known.length === 0) return '-'
  const sum = known.reduce((all, value) => all + value, 0)
  return write(kind === 'sum' ? sum : sum / known.length)
}

/** Forty columns of blocks; a gap where nothing was measured. */
function spark(values: Values): string {
  const blocks = '▁▂▃▄▅▆▇█'
  const width = Math.min(40, values.length)
  const columns = Array.from({ length: width }, (_, i) => {
    const from = Math.floor((i * values.length) / width)
    const part = values
      .slice(from, Math.floor(((i + 1) * values.length) / width))
      .filter((value) => value !== null)
    return part.length === 0 ? null : Math.max(...part)
  })
  const most = Math.max(...columns.map((value) => value ?? 0))
  return columns
    .map((value) =>
      value === null ? ' ' : blocks[most === 0 ? 0 : Math.min(7, Math.floor((value / most) * 7.99))],
    )
    .join('')
}
