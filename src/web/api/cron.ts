import type { Context } from 'hono'
import { z } from 'zod'
import type { CronRun } from '../../engine/domain/cron-run.ts'
import { Refusal } from '../../engine/domain/refusal.ts'
import type { ProjectRow } from '../../engine/store/projects.ts'
import { type Endpoint, endpoint } from '../endpoint.ts'
import { paths } from '../paths.ts'
import { presentCronJob, presentCronRun } from '../present-cron.ts'
import type { Env, Services } from '../services.ts'
import { answerOutput, type Output } from './output-answer.ts'
import * as queries from './queries.ts'
import * as shapes from './shapes.ts'
import { cronJobs, cronRunAnswer, cronRunsAnswer } from './shapes-cron.ts'

const tag = 'Jobs'

const runsQuery = queries.pageQuery.extend({
  job: z.string().max(60).optional().meta({ description: 'only of this job' }),
})

/** Scheduled jobs and their runs. */
export function cronApi(services: Services): readonly Endpoint[] {
  const { engine } = services
  return [
    endpoint({
      method: 'get',
      path: paths.api.cron,
      tag,
      summary: 'The scheduled jobs in force, with their next and last run',
      access: 'project.read',
      answers: { 200: { description: 'in the order in which they are written', schema: cronJobs } },
      handler: ({ c, project }) => c.json({ jobs: engine.cron.jobs(project).map(presentCronJob) }),
    }),
    endpoint({
      method: 'post',
      path: paths.api.runCron,
      tag,
      summary: 'Run a scheduled job now',
      access: 'project.operate',
      answers: {
        202: { description: 'it begins; `Location` names the run', schema: cronRunAnswer },
        409: { description: 'it runs already, or there is no release', schema: shapes.problem },
      },
      handler({ c, project, who }) {
        const run = engine.cron.run(project, c.req.param('job') ?? '', who)
        const location = `/api/project/${project.name}/cron/runs/${run.id}`
        return c.json({ run: presentCronRun(run) }, 202, { location })
      },
    }),
    endpoint({
      method: 'get',
      path: paths.api.cronRuns,
      tag,
      summary: 'Runs of scheduled jobs, newest first',
      description: 'The newest 25 of each job are kept for 30 days, and the last one for good.',
      access: 'project.read',
      query: runsQuery,
      example: { query: { limit: '10' } },
      answers: {
        200: { description: 'a page; go on with `before` = the last id of it', schema: cronRunsAnswer },
      },
      handler: ({ c, project, query }) =>
        c.json({ runs: engine.cron.runs(project, query).map(presentCronRun) }),
    }),
    endpoint({
      method: 'get',
      path: paths.api.cronRun,
      tag,
      summary: 'One run of a scheduled job',
      access: 'project.read',
      answers: { 200: { description: 'the run', schema: cronRunAnswer } },
      handler: ({ c, project }) => c.json({ run: presentCronRun(cronRunOf(services, c, project)) }),
    }),
    endpoint({
      method: 'get',
      path: paths.api.cronOutput,
      tag,
      summary: 'The output of a run',
      description:
        'With `?follow=1` as server-sent events until it ends; `Last-Event-ID` goes on where you left. ' +
        'The first 256 kB and the last 40 lines are kept.',
      access: 'project.read',
      query: queries.followQuery,
      answers: { 200: { description: 'the lines so far', type: 'text/plain' } },
      handler({ c, project, query }) {
        const run = cronRunOf(services, c, project)
        return answerOutput(services, c, project, outputOf(services, project, run), query)
      },
    }),
    endpoint({
      method: 'post',
      path: paths.api.cancelCron,
      tag,
      summary: 'End a run of a scheduled job',
      access: 'project.operate',
      answers: {
        202: { description: 'it is being ended', schema: cronRunAnswer },
        409: { description: 'it has ended already', schema: shapes.problem },
      },
      handler({ c, project, who }) {
        const run = cronRunOf(services, c, project)
        if (run.finishedAt !== null) throw new Refusal('conflict', `run ${run.id} has ended: ${run.status}`)
        engine.cron.cancel(project, run, who)
        return c.json({ run: presentCronRun(run) }, 202)
      },
    }),
  ]
}

/** The run that the address names. Refuses with `not_found`. */
export function cronRunOf({ engine }: Services, c: Context<Env>, project: ProjectRow): CronRun {
  const text = c.req.param('run') ?? ''
  if (/^\d{1,15}$/.test(text)) return engine.cron.find(project, Number(text))
  throw new Refusal('not_found', `there is no run ${text.slice(0, 60)}`)
}

/** Its output, for `answerOutput`. */
export function outputOf({ engine: { cron } }: Services, project: ProjectRow, { id }: CronRun): Output {
  return {
    lines: (left) => cron.output(project, id, left),
    status: () => cron.find(project, id).status,
  }
}
