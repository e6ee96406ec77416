import type { Context } from 'hono'
import { z } from 'zod'
import type { Deployment } from '../../engine/domain/deployment.ts'
import { Refusal } from '../../engine/domain/refusal.ts'
import type { ProjectRow } from '../../engine/store/projects.ts'
import type { Deploy } from '../begin-deployment.ts'
import { type Endpoint, endpoint } from '../endpoint.ts'
import { readJson } from '../input.ts'
import { paths } from '../paths.ts'
import { presentDeployment } from '../present.ts'
import type { Env, Services } from '../services.ts'
import { openForm, uploadOptions } from '../upload.ts'
import { deployAndAnswer } from './deploy-answer.ts'
import { deploymentOf } from './deployment-of.ts'
import { answerOutput, type Output } from './output-answer.ts'
import * as queries from './queries.ts'
import * as schemas from './schemas.ts'
import * as shapes from './shapes.ts'

const tag = 'Deployments'

/** What every call that deploys answers. */
export const deployAnswers = {
  200: { description: 'it is live', schema: shapes.deployed },
  202: {
    description: 'with `Prefer: respond-async`; `Location` names the deployment',
    schema: shapes.deployed,
  },
  422: { description: 'it failed, and the old version still serves', schema: shapes.failedDeployment },
} as const

/** Deployments and their logs. */
export function deploymentsApi(services: Services): readonly Endpoint[] {
  const { engine } = services
  return [
    endpoint({
      method: 'post',
      path: paths.api.deploy,
      tag,
      summary: 'Deploy an archive, a branch, tag or commit, or the current source again',
      access: 'project.deploy',
      body: schemas.deployRef,
      form: schemas.deployForm,
      example: { body: {} },
      answers: deployAnswers,
      handler: ({ c, project }) =>
        isForm(c) ? deployForm(services, c, project) : deployStored(services, c, project),
    }),
    endpoint({
      method: 'get',
      path: paths.api.deployments,
      tag,
      summary: 'Deployments, newest first',
      access: 'project.read',
      query: queries.pageQuery,
      example: { query: { limit: '10' } },
      answers: {
        200: {
          description: 'a page; go on with `before` = the last number of it',
          schema: z.strictObject({ deployments: z.array(shapes.deployment) }),
        },
      },
      handler({ c, project, query: { limit, before } }) {
        const page = engine.deployments.list(project, before === undefined ? { limit } : { limit, before })
        return c.json({ deployments: page.map(presentDeployment) })
      },
    }),
    endpoint({
      method: 'get',
      path: paths.api.deployment,
      tag,
      summary: 'One deployment with its steps',
      access: 'project.read',
      answers: { 200: { description: 'the deployment', schema: shapes.deploymentAnswer } },
      handler: ({ c, project }) =>
        c.json({ deployment: presentDeployment(deploymentOf(services, c, project)) }),
    }),
    endpoint({
      method: 'get',
      path: paths.api.deploymentLog,
      tag,
      summary: 'The output of a deployment',
      description:
        'With `?follow=1` as server-sent events until it ends; `Last-Event-ID` goes on where you left.',
      access: 'project.read',
      query: queries.followQuery,
      answers: {
        200: { description: 'the lines so far', type: 'text/plain' },
        410: { description: 'it was removed: see keepDeploymentLogs', schema: shapes.problem },
      },
      handler({ c, project, query }) {
        const deployment = deploymentOf(services, c, project)
        return answerOutput(services, c, project, outputOf(services, project, deployment), query)
      },
    }),
    endpoint({
      method: 'post',
      path: paths.api.cancelDeployment,
      tag,
      summary: 'Cancel a deployment under way',
      access: 'project.deploy',
      answers: {
        202: { description: 'it is being cancelled', schema: shapes.deploymentAnswer },
        409: { description: 'it has ended already', schema: shapes.problem },
      },
      handler({ c, project, who }) {
        const deployment = deploymentOf(services, c, project)
        if (deployment.finishedAt !== null) {
          throw new Refusal('conflict', `deployment ${deployment.number} has ended: ${deployment.status}`)
        }
        engine.deployments.cancel(project, deployment, who)
        return c.json({ deployment: presentDeployment(deployment) }, 202)
      },
    }),
  ]
}

function isForm(c: Context<Env>): boolean {
  return /^multipart\/form-data/i.test(c.req.header('content-type') ?? '')
}

async function deployForm(services: Services, c: Context<Env>, project: ProjectRow): Promise<Response> {
  const { file, dispose } = await openForm(c.env.incoming, uploadOptions(services))
  if (!file) {
    const message = 'an archive (.zip, .tar.gz or .tgz) is missing'
    throw new Refusal('invalid', `file: ${message}`, { fields: [{ field: 'file', message }] })
  }
  const deploy: Deploy = (by) =>
    services.engine.deployments.deployUpload(project, file.path, file.filename, by)
  return deployAndAnswer(services, c, project, 200, deploy, dispose)
}

async function deployStored(services: Services, c: Context<Env>, project: ProjectRow): Promise<Response> {
  const { deployments } = services.engine
  const { ref } = await readJson(c, schemas.deployRef)
  return deployAndAnswer(services, c, project, 200, (by) =>
    ref === undefined ? deployments.redeploy(project, by) : deployments.deployRef(project, ref, by),
  )
}

/** Its log, for `answerOutput`. Refuses with `gone` where it was removed. */
export function outputOf(
  { engine: { deployments } }: Services,
  project: ProjectRow,
  deployment: Deployment,
): Output {
  deployments.requireLog(project, deployment)
  const { number } = deployment
  return {
    lines: (left) => deployments.logPieces(project, number, left),
    status: () => deployments.find(project, number).status,
  }
}
