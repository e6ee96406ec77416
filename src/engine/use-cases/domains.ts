import type { Context } from '../context.ts'
import type { Who } from '../domain/audit.ts'
import { hostName, isWildcard, isWithin, shownName, wildcardOf } from '../domain/host-name.ts'
import { Refusal } from '../domain/refusal.ts'
import { switchRoutes } from '../pipeline/switch-routes.ts'
import type { DomainRow, DomainStatus } from '../store/domains.ts'
import type { ProjectRow } from '../store/projects.ts'

export type DomainCases = ReturnType<typeof createDomainCases>

/** What the owner of the name sets at its DNS service. */
export interface DnsRecord {
  readonly type: 'A' | 'AAAA' | 'CNAME'
  readonly name: string
  readonly value: string
}

export interface Domain extends Omit<DomainRow, 'projectId'> {
  /** As people read it, without punycode where that is safe. */
  readonly unicode: string
  readonly record: DnsRecord
}

const mostDomains = 100

/** Host names of a project's own, beside `<name>.<base domain>`. */
export function createDomainCases(ctx: Context) {
  const { store } = ctx

  const view = ({ projectId: _, ...row }: DomainRow, ours: readonly string[]): Domain => ({
    ...row,
    unicode: shownName(row.domain),
    record: recordFor(ctx, row.domain, ours),
  })

  const own = (project: ProjectRow, input: string): DomainRow => {
    const domain = hostName(input)
    const row = store.domains.find(domain)
    if (row?.projectId === project.id) return row
    const known = store.domains.ofProject(project.id).map((one) => one.domain)
    throw new Refusal('not_found', `${project.name} does not answer at ${domain}`, {
      hint: known.length > 0 ? `its domains are: ${known.join(', ')}` : 'it has no domains of its own',
    })
  }

  const look = async ({ domain }: DomainRow): Promise<void> => {
    const [found, ours] = await Promise.all([ctx.network.resolve(askedFor(domain)), ownAddresses(ctx)])
    store.domains.noteCheck(domain, statusOf(found, ours), found ?? [])
  }

  const show = async (project: ProjectRow, domain: string): Promise<Domain> =>
    view(own(project, domain), await ownAddresses(ctx))

  return {
    /** Oldest first. */
    async list(project: ProjectRow): Promise<Domain[]> {
      const ours = await ownAddresses(ctx)
      return store.domains.ofProject(project.id).map((row) => view(row, ours))
    },

    /** Answers there at once; where DNS leads is looked up afterwards. Refuses with `invalid` and `conflict`. */
    async add(project: ProjectRow, input: string, who: Who): Promise<Domain> {
      const domain = hostName(input)
      refuseOurs(ctx, domain)
      refuseTaken(ctx, project, domain)
      store.domains.create(domain, project.id)
      ctx.audit({ who, action: 'domain.add', project, after: { domain } })
      await switchRoutes(ctx)
      const row = own(project, domain)
      ctx.background.run(`looking up ${domain}`, () => look(row))
      return show(project, domain)
    },

    /** Asks DNS where the name leads, and remembers the answer. */
    async check(project: ProjectRow, input: string): Promise<Domain> {
      const row = own(project, input)
      await look(row)
      return show(project, row.domain)
    },

    /**
     * The project's other hosts lead on to it from now on, or no longer. Refuses with `conflict` while the name
     * does not lead here, for then nobody would reach the project any more; `force` does it all the same.
     */
    async setPrimary(
      project: ProjectRow,
      input: string,
      { primary, force = false }: { readonly primary: boolean; readonly force?: boolean | undefined },
      who: Who,
    ): Promise<Domain> {
      const { domain } = own(project, input)
      if (primary) refuseWildcard(domain)
      if (primary && !force) {
        await look(own(project, domain))
        refuseElsewhere(own(project, domain))
      }
      const before = own(project, domain)
      if (primary) store.domains.setPrimary(project.id, domain)
      else if (before.primary) store.domains.setPrimary(project.id, null)
      const facts = (primary: boolean) => ({ domain, primary })
      ctx.audit({
        who,
        action: 'domain.primary',
        project,
        before: facts(before.primary),
        after: facts(primary),
      })
      await switchRoutes(ctx)
      return show(project, domain)
    },

    async remove(project: ProjectRow, input: string, who: Who): Promise<void> {
      const { domain } = own(project, input)
      store.domains.remove(domain, project.id)
      ctx.audit({ who, action: 'domain.remove', project, before: { domain } })
      await switchRoutes(ctx)
    },
  }
}

/** Is this host name ours: the panel's, or a project's? */
export function answersAt(ctx: Context, host: string): boolean {
  const { baseDomain } = ctx.addresses
  if (host === baseDomain) return true
  if (!isWithin(host, baseDomain)) {
    return (ctx.store.domains.find(host) ?? ctx.store.domains.find(wildcardOf(host))) !== null
  }
  const name = host.slice(0, -baseDomain.length - 1)
  return ctx.store.projects.find(name)?.name === name
}

/** Names of the panel, of git and of the projects themselves never lead anywhere else. */
function refuseOurs(ctx: Context, domain: string): void {
  const { baseDomain } = ctx.addresses
  const own = [baseDomain, ctx.network.hostname]
  if (
    isWithin(domain, baseDomain) ||
    isWithin(domain, 'localhost') ||
    own.some((name) => name === domain || wildcardOf(name) === domain)
  ) {
    const below = domain !== baseDomain && isWithin(domain, baseDomain)
    const message = `${domain} belongs to this server`
    throw new Refusal('invalid', `domain: ${message}`, {
      hint: below
        ? `projects answer below ${baseDomain} by their name: make a project of that name`
        : 'give a name of your own that leads to this server',
      fields: [{ field: 'domain', message }],
    })
  }
}

function refuseTaken(ctx: Context, project: ProjectRow, domain: string): void {
  const taken = ctx.store.domains.find(domain)
  if (taken) {
    // whose it is, is nobody else's business
    const own = taken.projectId === project.id
    throw new Refusal(
      'conflict',
      `domain: ${own ? project.name : 'another project'} answers at ${domain} already`,
      {
        hint: own ? 'nothing is left to do' : 'remove it there first',
      },
    )
  }
  const other = overlapping(ctx, project, domain)
  if (other !== null) {
    throw new Refusal('conflict', `domain: another project answers at ${other}, which ${domain} overlaps`, {
      hint: 'remove it there first',
    })
  }
  if (ctx.store.domains.ofProject(project.id).length >= mostDomains) {
    throw new Refusal(
      'conflict',
      `domain: ${project.name} has ${mostDomains} domains, and that is the most`,
      {
        hint: 'remove one that is not needed',
      },
    )
  }
}

/** Whose names all belong to one project, shall not lose one of them to another. */
function overlapping(ctx: Context, project: ProjectRow, domain: string): string | null {
  if (!isWildcard(domain)) {
    const wildcard = ctx.store.domains.find(wildcardOf(domain))
    return wildcard && wildcard.projectId !== project.id ? wildcard.domain : null
  }
  const others = [...ctx.store.domains.byProject()].flatMap(([id, rows]) => (id === project.id ? [] : rows))
  // which one it is, is nobody else's business
  return others.some((row) => wildcardOf(row.domain) === domain) ? `a name below ${domain.slice(2)}` : null
}

function refuseWildcard(domain: string): void {
  if (!isWildcard(domain)) return
  const message = `${domain} is no name that others could lead to`
  throw new Refusal('invalid', `primary: ${message}`, {
    hint: 'add a whole name, and make that the primary one',
    fields: [{ field: 'primary', message }],
  })
}

/** One name stands for all of a wildcard. */
function askedFor(domain: string): string {
  return isWildcard(domain) ? `nodepilot-check.${domain.slice(2)}` : domain
}

function refuseElsewhere({ domain, status, found }: DomainRow): void {
  if (status === 'ok') return
  const where = found.length > 0 ? `leads to ${found.join(', ')}` : 'leads nowhere yet'
  throw new Refusal('conflict', `primary: ${domain} ${where}`, {
    hint: 'set its DNS record first, or send force: true where a proxy in front hides this server',
  })
}

/** Behind a router of a private network only the base domain knows how this server is reached. */
async function ownAddresses(ctx: Context): Promise<readonly string[]> {
  const { baseDomain } = ctx.addresses
  const own = ctx.network.addresses()
  if (isWithin(baseDomain, 'localhost')) return own
  return [...new Set([...((await ctx.network.resolve(baseDomain)) ?? []), ...own])]
}

function statusOf(found: readonly string[] | null, ours: readonly string[]): DomainStatus {
  if (found === null || found.length === 0) return 'pending'
  return found.every((address) => ours.includes(address)) ? 'ok' : 'mismatch'
}

/** An alias of the base domain moves with it; a name directly below a top-level domain cannot be an alias. */
function recordFor(ctx: Context, domain: string, ours: readonly string[]): DnsRecord {
  const { baseDomain } = ctx.addresses
  if (!isWithin(baseDomain, 'localhost') && domain.split('.').length > 2) {
    return { type: 'CNAME', name: domain, value: baseDomain }
  }
  const value = ours[0] ?? '127.0.0.1'
  return { type: value.includes(':') ? 'AAAA' : 'A', name: domain, value }
}
