import { type Context, Hono } from 'hono'
import { stream, streamSSE } from 'hono/streaming'
import { Refusal } from '../../engine/domain/refusal.ts'
import type { ProjectRow } from '../../engine/store/projects.ts'
import { readJson, readQuery } from '../input.ts'
import { paths } from '../paths.ts'
import { presentDeployment, presentRelease } from '../present.ts'
import type { Env, Services } from '../services.ts'
import { requireActor } from '../session.ts'
import { openForm } from '../upload.ts'
import { type Deploy, deployAndAnswer } from './deploy-answer.ts'
import { deploymentOf, projectOf } from './project-of.ts'
import * as schemas from './schemas.ts'

/** Deployments, their logs, releases and the way back. */
export function deploymentsApi(services: Services): Hono<Env> {
  const { engine } = services
  const api = new Hono<Env>()
  const signedIn = requireActor(services)

  api.post(paths.api.deploy, signedIn, (c) => {
    const project = projectOf(services, c, 'project.deploy')
    return isForm(c) ? deployForm(services, c, project) : deployStored(services, c, project)
  })

  api.get(paths.api.deployments, signedIn, (c) => {
    const project = projectOf(services, c, 'project.read')
    const { limit, before } = readQuery(c, schemas.pageQuery)
    const page = engine.deployments.list(project, before === undefined ? { limit } : { limit, before })
    return c.json({ deployments: page.map(presentDeployment) })
  })

  api.get(paths.api.deployment, signedIn, (c) => {
    const project = projectOf(services, c, 'project.read')
    return c.json({ deployment: presentDeployment(deploymentOf(services, c, project)) })
  })

  api.get(paths.api.deploymentLog, signedIn, (c) => {
    const project = projectOf(services, c, 'project.read')
    const { number } = deploymentOf(services, c, project)
    const follow = readQuery(c, schemas.followQuery).follow === '1'
    return follow ? followLog(services, c, project, number) : plainLog(services, c, project, number)
  })

  api.post(paths.api.cancelDeployment, signedIn, (c) => {
    const project = projectOf(services, c, 'project.deploy')
    const deployment = deploymentOf(services, c, project)
    if (deployment.finishedAt !== null) {
      throw new Refusal('conflict', `deployment ${deployment.number} has ended: ${deployment.status}`)
    }
    engine.deployments.cancel(deployment)
    return c.json({ deployment: presentDeployment(deployment) }, 202)
  })

  api.get(paths.api.releases, signedIn, (c) => {
    const project = projectOf(services, c, 'project.read')
    const releases = engine.releases.list(project)
    return c.json({ releases: releases.map((release) => presentRelease(release, project.currentRelease)) })
  })

  api.post(paths.api.rollback, signedIn, async (c) => {
    const project = projectOf(services, c, 'project.deploy')
    const target = await readJson(c, schemas.rollback)
    return deployAndAnswer(services, c, project, 200, (by) => engine.releases.rollback(project, target, by))
  })

  return api
}

function isForm(c: Context<Env>): boolean {
  return /^multipart\/form-data/i.test(c.req.header('content-type') ?? '')
}

async function deployForm(services: Services, c: Context<Env>, project: ProjectRow): Promise<Response> {
  const options = { directory: services.uploads, limitBytes: services.limits.uploadBytes }
  const { file, dispose } = await openForm(c.env.incoming, options)
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

/** What there is now, and no more. */
function plainLog(services: Services, c: Context<Env>, project: ProjectRow, number: number): Response {
  c.header('content-type', 'text/plain; charset=utf-8')
  c.header('x-content-type-options', 'nosniff')
  return stream(c, async (out) => {
    const now = AbortSignal.abort()
    for await (const line of services.engine.deployments.log(project, number, now))
      await out.write(`${line}\n`)
  })
}

/** Every line as an event, until the deployment ends; `Last-Event-ID` goes on where a client left off. */
function followLog(services: Services, c: Context<Env>, project: ProjectRow, number: number): Response {
  const seen = Number(c.req.header('last-event-id') ?? 0)
  return streamSSE(c, async (out) => {
    const left = new AbortController()
    out.onAbort(() => left.abort())
    let id = 0
    for await (const line of services.engine.deployments.log(project, number, left.signal)) {
      id++
      if (id > seen) await out.writeSSE({ id: String(id), data: line })
    }
    const { status } = services.engine.deployments.find(project, number)
    if (!left.signal.aborted) await out.writeSSE({ event: 'end', data: status })
  })
}
