import { type Context, Hono } from 'hono'
import { z } from 'zod'
import { deriveName } from '../../engine/domain/project.ts'
import { Refusal } from '../../engine/domain/refusal.ts'
import { createProject } from '../api/schemas.ts'
import { parse, readQuery } from '../input.ts'
import { paths } from '../paths.ts'
import { fragment, isFragmentRequest, page } from '../render.ts'
import type { Env, Services } from '../services.ts'
import { requireSession } from '../session.ts'
import { openForm, uploadOptions } from '../upload.ts'
import { type FormProblem, readForm, submit } from './form.ts'
import { go } from './go.ts'
import { begin } from './project-actions.ts'
import { whoOfPage } from './project-frame.ts'
import { packSample } from './sample.ts'

interface Shown {
  readonly problem?: FormProblem
  readonly name?: string
  /** Shown once: it is in the address of the remote. */
  readonly token?: string
  readonly uploadName?: string
}

/** The way in: a first push, an archive, or the sample. Nothing has to be filled in for a push. */
export function newProjectPages(services: Services): Hono<Env> {
  const { engine, accounts } = services
  const pages = new Hono<Env>()
  const signedIn = requireSession(services)

  pages.get(paths.panel.new, signedIn, (c) => show(services, c, {}))

  pages.post(paths.panel.newToken, signedIn, async (c) => {
    const name = deriveName((await readForm(c)).name ?? '') ?? 'my-app'
    const input = {
      name: `git push of ${name}`,
      scope: 'push',
      projectId: null,
      expiresInDays: null,
    } as const
    return submit(
      () =>
        show(services, c, {
          name,
          token: accounts.createToken(c.get('actor'), input, whoOfPage(c).address).token,
        }),
      (problem) => show(services, c, { name, problem }),
    )
  })

  pages.post(paths.panel.newUpload, signedIn, (c) => {
    let uploadName = ''
    return submit(
      async () => {
        const form = await openForm(c.env.incoming, uploadOptions(services))
        const { file, fields, dispose } = form
        try {
          uploadName = fields.name ?? ''
          if (!file) throw new Refusal('invalid', 'choose an archive first')
          const project = await engine.projects.create(
            parse(createProject, { name: uploadName }),
            whoOfPage(c),
          )
          const { path, filename } = file
          return go(
            c,
            await begin(services, c, project, (by) =>
              engine.deployments.deployUpload(project, path, filename, by).finally(dispose),
            ),
          )
        } catch (error) {
          await dispose()
          throw error
        }
      },
      (problem) =>
        isFragmentRequest(c)
          ? fragment(c, 'partials/form-problem', { problem }, problem.status)
          : show(services, c, { problem, uploadName }),
    )
  })

  pages.post(paths.panel.newSample, signedIn, (c) =>
    submit(
      async () => {
        const archive = await packSample(services.uploads)
        try {
          const project = await engine.projects.create({ name: freeName(services, 'hello') }, whoOfPage(c))
          return go(
            c,
            await begin(services, c, project, (by) =>
              engine.deployments
                .deployUpload(project, archive.path, 'hello.tgz', by)
                .finally(archive.dispose),
            ),
          )
        } catch (error) {
          await archive.dispose()
          throw error
        }
      },
      (problem) => show(services, c, { problem }),
    ),
  )

  pages.get(paths.panel.firstPush, signedIn, (c) => {
    const { after } = readQuery(c, z.object({ after: z.coerce.number().int().min(0) }))
    const sees = engine.access.filter(c.get('actor'), 'project.read')
    for (const { projectId, number } of engine.deployments.after(after)) {
      const project = engine.projects.find(projectId)
      if (project && sees(project)) return go(c, `/projects/${project.name}/deploys/${number}`)
    }
    return isFragmentRequest(c) ? c.body(null, 204) : c.redirect(paths.panel.new, 303)
  })
  return pages
}

function show(
  services: Services,
  c: Context<Env>,
  { problem, name = 'my-app', token, uploadName }: Shown,
): Response {
  const { engine, addresses, limits } = services
  const actor = c.get('actor')
  const first = !engine.projects.some(engine.access.filter(actor, 'project.read'))
  return page(
    c,
    'new/show',
    {
      title: first ? 'Deploy your first project' : 'New project',
      nav: 'projects',
      first,
      name,
      token,
      commands: [
        `cd ${name}`,
        `git remote add nodepilot ${remoteOf(addresses.git(name), actor.username, token)}`,
        'git push nodepilot main',
      ].join('\n'),
      after: engine.deployments.newestId(),
      uploadName,
      limitBytes: limits.uploadBytes,
      problem,
    },
    problem?.status ?? 200,
  )
}

function remoteOf(address: string, username: string, token: string | undefined): string {
  const url = new URL(address)
  url.username = username
  url.password = token ?? ''
  return url.href
}

function freeName({ engine }: Services, wanted: string): string {
  for (let count = 1; ; count++) {
    const name = count === 1 ? wanted : `${wanted}-${count}`
    if (!engine.projects.find(name)) return name
  }
}
