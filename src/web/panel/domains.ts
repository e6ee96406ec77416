import type { Context } from 'hono'
import { Hono } from 'hono'
import type { ProjectRow } from '../../engine/store/projects.ts'
import type { Domain } from '../../engine/use-cases/domains.ts'
import { paths } from '../paths.ts'
import { page } from '../render.ts'
import type { Env, Services } from '../services.ts'
import { requireSession } from '../session.ts'
import { type FormFields, type FormProblem, readForm, submit } from './form.ts'
import { projectFrame, projectOfPage, whoOfPage } from './project-frame.ts'

interface Said {
  readonly problem?: FormProblem
  readonly input?: FormFields
}

const doneWords: Readonly<Record<string, string>> = {
  added: 'The domain is added. It answers as soon as its DNS record leads here.',
  checked: 'DNS has been asked.',
  primary: 'The other names lead on to this one now.',
  removed: 'The domain is removed.',
}

/** Host names of a project's own. */
export function domainPages(services: Services): Hono<Env> {
  const { engine } = services
  const pages = new Hono<Env>()
  const signedIn = requireSession(services)
  const addressOfPage = (project: ProjectRow) => paths.panel.domains.replace(':id', project.name)
  const back = (c: Context<Env>, project: ProjectRow, done: string) =>
    c.redirect(`${addressOfPage(project)}?done=${done}`, 303)

  const show = async (c: Context<Env>, project: ProjectRow, { problem, input }: Said = {}) => {
    const secure = services.addresses.panel().startsWith('https:')
    const domains = await engine.domains.list(project)
    return page(
      c,
      'domains/list',
      {
        ...(await projectFrame(services, c, project, 'domains')),
        title: `Domains of ${project.displayName}`,
        action: addressOfPage(project),
        domains: domains.map((domain, index) => presented(domain, index, secure)),
        problem,
        input: input ?? {},
        done: doneWords[c.req.query('done') ?? ''],
      },
      problem?.status ?? 200,
    )
  }

  pages.get(paths.panel.domains, signedIn, (c) => show(c, projectOfPage(services, c, 'project.read')))

  pages.post(paths.panel.domains, signedIn, async (c) => {
    const project = projectOfPage(services, c, 'project.manage')
    const input = await readForm(c)
    return submit(
      async () => {
        await engine.domains.add(project, input.domain ?? '', whoOfPage(c))
        return back(c, project, 'added')
      },
      (problem) => show(c, project, { problem, input }),
    )
  })

  const change = (
    path: string,
    done: string,
    work: (c: Context<Env>, project: ProjectRow, domain: string) => unknown,
  ) =>
    pages.post(path, signedIn, (c) => {
      const project = projectOfPage(services, c, 'project.manage')
      return submit(
        async () => {
          await work(c, project, c.req.param('domain') ?? '')
          return back(c, project, done)
        },
        (problem) => show(c, project, { problem }),
      )
    })

  change(paths.panel.checkDomain, 'checked', (_, project, domain) => engine.domains.check(project, domain))
  change(paths.panel.primaryDomain, 'primary', (c, project, domain) =>
    engine.domains.setPrimary(project, domain, { primary: true }, whoOfPage(c)),
  )
  change(paths.panel.removeDomain, 'removed', (c, project, domain) =>
    engine.domains.remove(project, domain, whoOfPage(c)),
  )

  pages.get(paths.panel.removeDomain, signedIn, async (c) => {
    const project = projectOfPage(services, c, 'project.manage')
    const domain = (await engine.domains.list(project)).find((one) => one.domain === c.req.param('domain'))
    if (!domain) return c.redirect(addressOfPage(project), 303)
    return page(c, 'domains/remove', {
      ...(await projectFrame(services, c, project, 'domains')),
      title: `Remove ${domain.domain}`,
      domain: domain.domain,
      action: `${addressOfPage(project)}/${domain.domain}/remove`,
      back: addressOfPage(project),
    })
  })

  return pages
}

const states = {
  ok: { tone: 'ok', icon: 'circle-check', text: 'Leads here' },
  pending: { tone: 'warn', icon: 'clock', text: 'No record found yet' },
  mismatch: { tone: 'bad', icon: 'circle-alert', text: 'Leads elsewhere' },
} as const

function presented(domain: Domain, index: number, secure: boolean) {
  const { status, found } = domain
  const sentence = {
    ok: 'DNS leads to this server.',
    pending: 'DNS knows no address of this name; a new record can take a while to be seen.',
    mismatch: `DNS leads to ${found.join(', ')}, which is not this server.`,
  }[status]
  return {
    ...domain,
    // ids of a page begin with a letter and hold no dots
    key: `domain-${index}`,
    // a wildcard is no address
    url: domain.domain.startsWith('*.') ? null : `${secure ? 'https' : 'http'}://${domain.domain}/`,
    state: { ...states[status], sentence },
    certificate: secure
      ? 'Its certificate is fetched at the first visit over https, once DNS leads here.'
      : 'This server answers over plain http; put Caddy in front of it for certificates.',
  }
}
