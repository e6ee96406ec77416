import type { Remote, RemoteSecrets } from '../domain/remote.ts'
import type { Db } from './database.ts'
import type { Vault } from './vault.ts'

export interface NewRemote {
  readonly projectId: number
  readonly url: string
  readonly branch: string | null
  readonly username: string | null
  readonly publicKey: string
  readonly knownHosts: string
}

export type Remotes = ReturnType<typeof createRemotes>

/** Names that no config var can have, so that one is never opened in the place of the other. */
const names = { privateKey: '#deploy-key', webhookSecret: '#webhook', token: '#token' } as const

export function createRemotes(db: Db, now: () => string, vault: Vault) {
  const put = db.prepare(`
    INSERT INTO remotes (project_id, url, branch, username, public_key, known_hosts, secrets, created_at, updated_at)
    VALUES (@projectId, @url, @branch, @username, @publicKey, @knownHosts, @secrets, @now, @now)
    ON CONFLICT DO UPDATE SET url = excluded.url, branch = excluded.branch, username = excluded.username,
      public_key = excluded.public_key, known_hosts = excluded.known_hosts, secrets = excluded.secrets,
      updated_at = excluded.updated_at`)
  const find = db.prepare('SELECT * FROM remotes WHERE project_id = ?')
  const secretsOf = db.prepare('SELECT secrets FROM remotes WHERE project_id = ?').pluck()
  const setHosts = db.prepare('UPDATE remotes SET known_hosts = ? WHERE project_id = ?')
  const remove = db.prepare('DELETE FROM remotes WHERE project_id = ?')
  return {
    put(remote: NewRemote, { privateKey, webhookSecret, token }: RemoteSecrets): void {
      const values = {
        [names.privateKey]: privateKey,
        [names.webhookSecret]: webhookSecret,
        ...(token === null ? {} : { [names.token]: token }),
      }
      put.run({ ...remote, secrets: vault.close(remote.projectId, values, {}), now: now() })
    },
    find(projectId: number): Remote | null {
      const row = find.get(projectId) as RawRemote | undefined
      return row ? toRemote(row) : null
    },
    /** Null where there is no remote. Refuses with `conflict` where this home has not the key to open them. */
    secrets(projectId: number): RemoteSecrets | null {
      const text = secretsOf.get(projectId) as string | undefined
      if (text === undefined) return null
      const values = vault.lazily(projectId, text).envVars
      return {
        privateKey: values[names.privateKey] ?? '',
        webhookSecret: values[names.webhookSecret] ?? '',
        token: values[names.token] ?? null,
      }
    },
    setKnownHosts(projectId: number, text: string): void {
      setHosts.run(text, projectId)
    },
    remove(projectId: number): void {
      remove.run(projectId)
    },
  }
}

interface RawRemote {
  project_id: number
  url: string
  branch: string | null
  username: string | null
  public_key: string
  known_hosts: string
  created_at: string
  updated_at: string
}

function toRemote(row: RawRemote): Remote {
  return {
    projectId: row.project_id,
    url: row.url,
    branch: row.branch,
    username: row.username,
    publicKey: row.public_key,
    knownHosts: row.known_hosts,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}
