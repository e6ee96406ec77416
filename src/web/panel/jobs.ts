import { type Context, Hono } from 'hono'
import type { CronRun, CronRunStatus } from '../../engine/domain/cron-run.ts'
import type { ProjectRow } from '../../engine/store/projects.ts'
import { cronRunOf, outputOf } from '../api/cron.ts'
import { plainOutput } from '../api/output-answer.ts'
import { pageQuery } from '../api/queries.ts'
import { readQuery } from '../input.ts'
import { paths } from '../paths.ts'
import { presentCronRun } from '../present-cron.ts'
import { isFragmentRequest, mark, page, refresh } from '../render.ts'
import type { Env, Services } from '../services.ts'
import { requireSession } from '../session.ts'
import { type FormProblem, submit } from './form.ts'
import { go } from './go.ts'
import { type PaneLine, textLine } from './log-pane.ts'
import { projectFrame, projectOfPage, whoOfPage } from './project-frame.ts'
import type { StatusView } from './status.ts'

const perPage = 25

/** Scheduled jobs of a project: when they run, how the last runs ended, what they said. */
export function jobPages(services: Services): Hono<Env> {
  const { engine } = services
  const pages = new Hono<Env>()
  const signedIn = requireSession(services)

  const show = async (c: Context<Env>, project: ProjectRow, problem?: FormProblem) => {
    const { before } = readQuery(c, pageQuery)
    const frame = await projectFrame(services, c, project, 'jobs')
    const found = engine.cron.runs(project, { limit: perPage + 1, ...(before && { before }) })
    const shown = found.slice(0, perPage)
    const data = {
      ...frame,
      title: `Jobs of ${project.displayName}`,
      jobs: engine.cron
        .jobs(project)
        .map((job) => ({ ...job, last: job.lastRun && rowOf(project, job.lastRun) })),
      runs: shown.map((run) => rowOf(project, run)),
      older: found.length > perPage ? `${frame.here}/jobs?before=${shown.at(-1)?.id}` : null,
      newer: before !== undefined,
      refresh: before === undefined,
      problem,
    }
    if (isFragmentRequest(c)) return refresh(c, mark('jobs/live', data))
    return page(c, 'jobs/list', { ...data, live: mark('jobs/live', data).html }, problem?.status ?? 200)
  }
  const act = (path: string, work: (c: Context<Env>, project: ProjectRow) => CronRun) =>
    pages.post(path, signedIn, (c) => {
      const project = projectOfPage(services, c, 'project.operate')
      return submit(
        () => go(c, addressOf(project, work(c, project))),
        (problem) => show(c, project, problem),
      )
    })

  pages.get(paths.panel.jobs, signedIn, (c) => show(c, projectOfPage(services, c, 'project.read')))
  act(paths.panel.runJob, (c, project) => engine.cron.run(project, c.req.param('job') ?? '', whoOfPage(c)))
  act(paths.panel.cancelJobRun, (c, project) => {
    const run = cronRunOf(services, c, project)
    engine.cron.cancel(project, run, whoOfPage(c))
    return run
  })

  pages.get(paths.panel.jobRun, signedIn, async (c) => {
    const project = projectOfPage(services, c, 'project.read')
    const run = cronRunOf(services, c, project)
    const frame = await projectFrame(services, c, project, 'jobs')
    const data = { ...frame, row: rowOf(project, run) }
    if (isFragmentRequest(c)) {
      if (run.finishedAt !== null) c.header('hx-reswap', 'outerHTML')
      return refresh(c, mark('jobs/run-live', data))
    }
    return page(c, 'jobs/run', {
      ...data,
      title: `Run ${run.id} of ${run.job}`,
      live: mark('jobs/run-live', data).html,
      scripts: ['log.js'],
      pane: await paneOf(services, project, run),
      ...(run.finishedAt === null ? { reloadWithoutScript: 3 } : {}),
    })
  })

  pages.get(paths.panel.jobOutput, signedIn, (c) => {
    const project = projectOfPage(services, c, 'project.read')
    const run = cronRunOf(services, c, project)
    c.header('content-disposition', `attachment; filename="${project.name}-${run.job}-${run.id}.log"`)
    return plainOutput(c, outputOf(services, project, run))
  })
  return pages
}

function addressOf(project: ProjectRow, run: CronRun): string {
  return `/projects/${project.name}/jobs/runs/${run.id}`
}

function rowOf(project: ProjectRow, run: CronRun) {
  const href = addressOf(project, run)
  return { ...presentCronRun(run), href, state: stateOf(run, href), unfinished: run.finishedAt === null }
}

const states: Readonly<Record<CronRunStatus, Omit<StatusView, 'href'>>> = {
  queued: { word: 'Waiting', tone: 'info', icon: 'clock', spin: false },
  running: { word: 'Running', tone: 'info', icon: 'loader-circle', spin: true },
  succeeded: { word: 'Done', tone: 'ok', icon: 'circle-check', spin: false },
  failed: { word: 'Failed', tone: 'bad', icon: 'circle-x', spin: false },
  cancelled: { word: 'Cancelled', tone: 'muted', icon: 'x', spin: false },
  interrupted: { word: 'Interrupted', tone: 'warn', icon: 'circle-alert', spin: false },
}

function stateOf({ status, exitCode }: CronRun, href: string): StatusView {
  const state = states[status]
  return status === 'failed' && exitCode !== null
    ? { ...state, word: `Failed, exit code ${exitCode}`, href }
    : { ...state, href }
}

/** The output in the pane, which is bounded where it is written. */
async function paneOf({ engine }: Services, project: ProjectRow, run: CronRun) {
  const lines: (PaneLine & { readonly number: number })[] = []
  for await (const some of engine.cron.output(project, run.id, AbortSignal.abort())) {
    for (const line of some) lines.push({ ...textLine(line), number: lines.length + 1 })
  }
  return {
    source: `/api/project/${project.name}/cron/runs/${run.id}/output?follow=1&batch=1`,
    after: lines.length,
    ended: run.finishedAt !== null,
    lines,
    download: `${addressOf(project, run)}/output`,
    label: 'Output',
    status: run.finishedAt === null ? 'under way' : `ended: ${run.status}`,
  }
}
