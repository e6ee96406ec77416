/** A repository elsewhere that a project is fetched from. */
export interface Remote {
  readonly projectId: number
  readonly url: string
  /** null: the deploy branch of the project. */
  readonly branch: string | null
  /** Of the token; null: there is none. */
  readonly username: string | null
  /** The deploy key, to be allowed on the other side. */
  readonly publicKey: string
  /** Lines of a known_hosts file. */
  readonly knownHosts: string
  readonly createdAt: string
  readonly updatedAt: string
}

/** Never shown, but for the secret of the webhook when it is made. */
export interface RemoteSecrets {
  readonly privateKey: string
  readonly webhookSecret: string
  readonly token: string | null
}

/** What was made of a delivery. */
export type DeliveryResult = 'deploying' | 'nothing to do' | 'ignored' | 'pong' | 'failed'

export interface Delivery {
  readonly id: number
  readonly provider: string
  readonly event: string
  readonly ref: string | null
  readonly result: DeliveryResult
  readonly reason: string | null
  readonly deployment: number | null
  readonly receivedAt: string
}

/** What the git side needs to fetch. */
export interface FetchFrom {
  readonly url: string
  readonly branch: string
  readonly privateKey: string
  readonly knownHosts: string
  readonly username: string | null
  readonly token: string | null
}

export interface Fetched {
  /** The tip of the branch there. */
  readonly sha: string
  /** With the hosts that were met for the first time. */
  readonly knownHosts: string
}
