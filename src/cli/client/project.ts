import { type Api, address } from './api.ts'
import { exit, Failure } from './failure.ts'
import type { Cli } from './session.ts'
import { read } from './shape.ts'
import { oneProject, type Project, projects } from './shapes.ts'
import { nearest } from './words.ts'

/** The project that is named here or meant everywhere, as the server knows it. */
export async function projectOf(
  cli: Cli,
  named: string | undefined,
): Promise<{ readonly api: Api; readonly project: Project; readonly body: unknown }> {
  const name = named ?? (await cli.project())
  const api = await cli.connect()
  const body = await api.get(address`/api/project/${name}`).catch(async (error: unknown) => {
    throw await withSuggestion(api, name, error)
  })
  return { api, project: read(oneProject, body).project, body }
}

/** "Did you mean" for a project that there is not. */
async function withSuggestion(api: Api, name: string, error: unknown): Promise<unknown> {
  if (!(error instanceof Failure) || error.exitCode !== exit.notFound) return error
  const names = await api
    .get('/api/project/list')
    .then((body) => read(projects, body).projects.map((project) => project.name))
    .catch(() => [])
  const meant = nearest(name, names)
  if (meant === null) return error
  return new Failure(
    error.code,
    error.message,
    `did you mean ${meant}? all: nodepilot projects`,
    exit.notFound,
  )
}
