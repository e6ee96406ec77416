import { Hono } from 'hono'
import { z } from 'zod'
import { paths } from '../paths.ts'
import { page } from '../render.ts'
import type { Env, Services } from '../services.ts'
import { requireSession } from '../session.ts'
import { trafficOf } from '../traffic-of.ts'
import { words } from '../words.ts'
import { projectFrame, projectOfPage } from './project-frame.ts'

const range = z.enum(['1h', '24h', '7d']).catch('1h')

/** Charts of a project, and the same numbers as a table: for people without script, or who listen. */
export function metricsPages(services: Services): Hono<Env> {
  const { engine } = services
  const pages = new Hono<Env>()
  pages.get(paths.panel.metrics, requireSession(services), async (c) => {
    const project = projectOfPage(services, c, 'project.read')
    const asked = range.parse(c.req.query('range'))
    const { series, stepMs } = engine.metrics.project(project, asked)
    const deploys = engine.metrics.deploys(project, asked)
    return page(c, 'metrics/show', {
      ...(await projectFrame(services, c, project, 'metrics')),
      title: `Metrics of ${project.displayName}`,
      scripts: ['uplot.js', 'metrics.js'],
      styles: ['uplot.css'],
      range: asked,
      step: stepMs < 60_000 ? `${stepMs / 1000} s` : `${Math.round(stepMs / 60_000)} min`,
      source: `${paths.api.metrics.replace(':id', project.name)}?range=${asked}`,
      rows: rowsOf(series),
      measured: Object.values(series).some((values) => values.some((value) => value !== null)),
      deploys: [...deploys].reverse(),
      releases: (await trafficOf(services, project)).slice(0, 5),
    })
  })
  return pages
}

export type Values = readonly (number | null)[]

interface Row {
  readonly name: string
  readonly latest: string
  readonly average: string
  readonly highest: string
  readonly total: string
}

type Series = Readonly<
  Record<'cpu' | 'memoryBytes' | 'requests' | 'errors' | 'p50Ms' | 'p95Ms' | 'restarts', Values>
>

/** What the charts show, as a table. */
export function rowsOf(series: Series): Row[] {
  const count = (value: number) => String(Math.round(value * 10) / 10)
  return [
    row('CPU', series.cpu, words.percent),
    row('Memory', series.memoryBytes, words.bytes),
    row('Requests', series.requests, count, { total: true }),
    row('Errors', series.errors, count, { total: true }),
    row('Response time, p50', series.p50Ms, words.ms),
    row('Response time, p95', series.p95Ms, words.ms),
    row('Restarts', series.restarts, count, { total: true }),
  ]
}

function row(name: string, values: Values, say: (value: number) => string, { total = false } = {}): Row {
  const known = values.filter((value) => value !== null)
  const sum = known.reduce((all, value) => all + value, 0)
  const shown = (value: number | undefined) => (value === undefined ? '–' : say(value))
  return {
    name,
    latest: shown(known.at(-1)),
    average: shown(known.length > 0 ? sum / known.length : undefined),
    highest: shown(known.length > 0 ? Math.max(...known) : undefined),
    total: total && known.length > 0 ? say(sum) : '–',
  }
}
