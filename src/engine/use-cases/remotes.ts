import { randomBytes } from 'node:crypto'
import type { Context } from '../context.ts'
import type { Who } from '../domain/audit.ts'
import { makeDeployKey } from '../domain/deploy-key.ts'
import { Refusal } from '../domain/refusal.ts'
import type { Delivery, Remote, RemoteSecrets } from '../domain/remote.ts'
import { parseRemoteUrl, type RemoteUrl } from '../domain/remote-url.ts'
import type { ProjectRow } from '../store/projects.ts'

export interface RemoteChange {
  readonly url: string
  /** undefined: as it is; null: the deploy branch of the project. */
  readonly branch?: string | null | undefined
  /** For https; undefined: as it is, unless the address leads to another host; null: none. */
  readonly token?: string | null | undefined
  readonly username?: string | null | undefined
  /** Meets ssh servers anew. */
  readonly forgetHosts?: boolean | undefined
}

/** The secret of the webhook is told when it is made, and never again. */
export interface RemoteWithSecret {
  readonly remote: Remote
  readonly webhookSecret: string | null
}

export type RemoteCases = ReturnType<typeof createRemoteCases>

/** A repository elsewhere: its address, its deploy key, the secret of its webhook. */
export function createRemoteCases(ctx: Context) {
  const { store } = ctx
  const get = (project: ProjectRow): Remote => {
    const remote = store.remotes.find(project.id)
    if (remote) return remote
    throw new Refusal('not_found', `${project.name} has no remote repository`, {
      hint: 'set one: nodepilot remote set git@github.com:ana/shop.git',
    })
  }
  const secretsOf = (project: ProjectRow): RemoteSecrets => {
    const secrets = store.remotes.secrets(project.id)
    return secrets ?? makeSecrets(project).secrets
  }

  return {
    /** Null where there is none. */
    find: (project: ProjectRow): Remote | null => store.remotes.find(project.id),

    /** Refuses with `not_found`. */
    get,

    secrets: (project: ProjectRow): RemoteSecrets | null => store.remotes.secrets(project.id),

    /**
     * Sets or changes it; key and secret are made once and stay. A token does not go along to another host.
     * Refuses with `invalid`, also a token for ssh.
     */
    set(project: ProjectRow, change: RemoteChange, who: Who): RemoteWithSecret {
      const { url, ...there } = parseRemoteUrl(change.url.trim(), ctx.allowLocalFetch)
      if (there.protocol === 'ssh' && change.token) throw noTokenForSsh()
      const before = store.remotes.find(project.id)
      const made = before ? null : makeSecrets(project)
      const secrets = made?.secrets ?? secretsOf(project)
      const sameHost = before !== null && originOf(before.url, ctx.allowLocalFetch) === wordOf(there)
      const token = change.token === undefined ? (sameHost ? secrets.token : null) : change.token
      const username =
        token === null ? null : (change.username ?? (sameHost ? before.username : null) ?? 'git')
      store.remotes.put(
        {
          projectId: project.id,
          url,
          branch: change.branch === undefined ? (before?.branch ?? null) : change.branch,
          username,
          publicKey: made?.publicKey ?? before?.publicKey ?? '',
          knownHosts: change.forgetHosts ? '' : (before?.knownHosts ?? ''),
        },
        { ...secrets, token },
      )
      ctx.audit({
        who,
        action: 'project.remote',
        project,
        before: before && { url: before.url, branch: before.branch },
        after: { url, branch: get(project).branch, token: token === null ? 'none' : 'set' },
      })
      return { remote: get(project), webhookSecret: made?.secrets.webhookSecret ?? null }
    },

    remove(project: ProjectRow, who: Who): void {
      const { url } = get(project)
      store.remotes.remove(project.id)
      ctx.audit({ who, action: 'project.remote', project, before: { url }, after: { url: null } })
    },

    /** A new secret; deliveries that are signed with the old one are refused from now on. */
    renewSecret(project: ProjectRow, who: Who): RemoteWithSecret {
      const remote = get(project)
      const webhookSecret = makeSecret()
      store.remotes.put(remote, { ...secretsOf(project), webhookSecret })
      ctx.audit({ who, action: 'project.webhook-secret', project })
      return { remote: get(project), webhookSecret }
    },

    /** A new key pair; the old one lets nobody in any more. */
    renewKey(project: ProjectRow, who: Who): Remote {
      const remote = get(project)
      const { publicKey, privateKey } = makeDeployKey(`nodepilot-${project.name}`)
      store.remotes.put({ ...remote, publicKey }, { ...secretsOf(project), privateKey })
      ctx.audit({ who, action: 'project.deploy-key', project, after: { publicKey } })
      return get(project)
    },

    /** The last deliveries of its webhook, newest first. */
    deliveries: (project: ProjectRow, limit = 20): Delivery[] => store.hookDeliveries.list(project.id, limit),
  }
}

function makeSecrets(project: ProjectRow): { readonly publicKey: string; readonly secrets: RemoteSecrets } {
  const { publicKey, privateKey } = makeDeployKey(`nodepilot-${project.name}`)
  return { publicKey, secrets: { privateKey, webhookSecret: makeSecret(), token: null } }
}

function noTokenForSsh(): Refusal {
  const message = 'a token is for an https:// address; over ssh the deploy key lets the server in'
  return new Refusal('invalid', `token: ${message}`, {
    fields: [{ field: 'token', message }],
    hint: 'leave the token out and allow the deploy key there, or give the https:// address',
  })
}

/** As standard webhooks write it; GitHub and Gitea take it as it stands. */
function makeSecret(): string {
  return `whsec_${randomBytes(32).toString('base64')}`
}

/** Another port of the same host may be somebody else's, and http is read on the way. */
function wordOf({ protocol, host, port }: Pick<RemoteUrl, 'protocol' | 'host' | 'port'>): string {
  return `${protocol}://${host.toLowerCase()}:${port}`
}

function originOf(url: string, allowLocal: boolean): string | null {
  try {
    return wordOf(parseRemoteUrl(url, allowLocal))
  } catch {
    return null
  }
}
