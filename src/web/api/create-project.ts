import type { Context } from 'hono'
import type { z } from 'zod'
import type { Who } from '../../engine/domain/audit.ts'
import { Refusal } from '../../engine/domain/refusal.ts'
import type { Deploy } from '../begin-deployment.ts'
import { parse, parseJson, readJson } from '../input.ts'
import { presentProject } from '../present.ts'
import type { Env, Services } from '../services.ts'
import { type Form, openForm, uploadOptions } from '../upload.ts'
import { deployAndAnswer } from './deploy-answer.ts'
import { createProject } from './schemas.ts'

type NewProject = z.infer<typeof createProject>

/** A project from a form, with its first archive, or an empty one from a form or JSON. */
export async function createFromForm(services: Services, c: Context<Env>): Promise<Response> {
  if (!/^multipart\/form-data/i.test(c.req.header('content-type') ?? '')) {
    return createEmpty(services, await readJson(c, createProject), c.get('who'))
  }
  const form = await openForm(c.env.incoming, uploadOptions(services))
  const { file, dispose } = form
  try {
    const input = parse(createProject, fieldsOf(form))
    if (!file) return await createEmpty(services, input, c.get('who'))
    const project = await services.engine.projects.create(input, c.get('who'))
    const deploy: Deploy = (by) =>
      services.engine.deployments.deployUpload(project, file.path, file.filename, by)
    return await deployAndAnswer(services, c, project, 201, deploy, dispose)
  } catch (error) {
    await dispose()
    throw error
  }
}

async function createEmpty(services: Services, input: NewProject, who: Who): Promise<Response> {
  const { engine, addresses } = services
  const project = await engine.projects.create(input, who)
  return Response.json(
    { project: presentProject(await engine.projects.show(project), addresses) },
    { status: 201 },
  )
}

/** A form knows only text: an empty field is one that was left out, and `envVars` is JSON. */
function fieldsOf(form: Form): Record<string, unknown> {
  const filled = Object.entries(form.fields).filter(([, value]) => value !== '')
  return Object.fromEntries(filled.map(([key, value]) => [key, key === 'envVars' ? jsonField(value) : value]))
}

function jsonField(value: string): unknown {
  try {
    return parseJson(value)
  } catch {
    const message = 'it is not a JSON object'
    throw new Refusal('invalid', `envVars: ${message}`, { fields: [{ field: 'envVars', message }] })
  }
}
