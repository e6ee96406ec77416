import type { Keeping, Limits } from '../config.ts'
import type { BundledRepositories } from './backup/make.ts'
import type { Audit } from './domain/audit.ts'
import type { Deployment } from './domain/deployment.ts'
import type { Fetched, FetchFrom } from './domain/remote.ts'
import type { Failpoints } from './failpoints.ts'
import type { InOrder } from './in-order.ts'
import type { LastExits } from './last-exits.ts'
import type { OwnProcess } from './metrics/own-processes.ts'
import type { WatchedRuntime } from './metrics/watched-runtime.ts'
import type { Network } from './network.ts'
import type { Paths } from './paths.ts'
import type { BuildGate } from './pipeline/build-gate.ts'
import type { Dependencies } from './pipeline/dependencies.ts'
import type { DeploymentLogs } from './pipeline/log.ts'
import type { Turns } from './pipeline/queue.ts'
import type { Toolchains } from './pipeline/toolchain/toolchains.ts'
import type { Router, Runtime, Source } from './ports.ts'
import type { Routes } from './routes.ts'
import type { Secrets } from './secrets.ts'
import type { ProjectRow } from './store/projects.ts'
import type { Store } from './store/store.ts'

/** Hand-me-downs: what every part of the engine may need, made once in `engine.ts`. */
export interface Context {
  /** Tells the audit log who changed what; for every use-case that changes something. */
  readonly audit: Audit
  readonly store: Store
  readonly runtime: EngineRuntime
  /** What runs, for readers: one look for all of them. */
  readonly watch: WatchedRuntime
  /** How instances ended the last time. */
  readonly lastExits: LastExits
  readonly router: Router
  /** The processes of NodePilot itself. */
  readonly ownProcesses: () => Promise<readonly OwnProcess[]>
  readonly routes: Routes
  readonly paths: Paths
  readonly turns: Turns
  /** What must not cross for one project, and does not need its turn: ending old processes, turning workers over. */
  readonly inOrder: InOrder
  /** By project: generations that have stopped to make room for the one that is being started. */
  readonly handovers: Map<number, readonly number[]>
  /** Aborted when the server ends: nothing new begins, what waits for its turn gives up. */
  readonly closing: AbortSignal
  /** How many builds go on at once on this machine. */
  readonly builds: BuildGate
  /** Deployments under way, by id. */
  readonly attempts: Map<number, AttemptUnderWay>
  /** One-off commands under way, and those of scheduled jobs. */
  readonly runs: Set<OneOffUnderWay>
  /** Told of every deployment that went live. */
  readonly onLive: Set<(project: ProjectRow, deployment: Deployment) => void>
  readonly logs: DeploymentLogs
  readonly secrets: Secrets
  readonly dependencies: Dependencies
  readonly toolchains: Toolchains
  readonly repositories: EngineRepositories
  readonly addresses: Addresses
  readonly network: Network
  readonly backups: BackupSettings
  readonly limits: Limits
  readonly keys: ConfigVarKeys
  /** What must stay free on the disk of the home, bytes. */
  readonly minFreeBytes: number
  readonly keepReleases: number
  readonly keeping: Keeping
  /** Remotes may lead to this machine itself: for tests, and for a git server beside this one. */
  readonly allowLocalFetch: boolean
  /** How many scheduled jobs run on this machine at once. */
  readonly cronRuns: number
  /** PATH, LANG and the like: what every child process may see. */
  readonly environment: Readonly<Record<string, string>>
  /** Lets a test fail here; nothing in production. */
  readonly failpoint: Failpoints
  /** Milliseconds since 1970. */
  readonly clock: () => number
  readonly report: Report
  /** Work that goes on after the answer: draining, stopping, pruning. Awaited when the server ends. */
  readonly background: Background
}

export interface AttemptUnderWay {
  readonly projectId: number
  readonly number: number
  /** `9f3c2ab`, `shop.zip` */
  readonly label: string
  readonly brings: Brings
  /** Aborting it cancels the deployment. */
  readonly controller: AbortController
  /** Its place among the builds that wait. */
  ticket: number
  /** For its turn, or for a place to build: nothing is lost yet when it gives up. */
  waiting: boolean
}

/**
 * What a deployment brings, which says what it may supersede: new `files`; the `current` ones once more; null:
 * something that only it brings (a rollback, config vars), which no other deployment may take the place of.
 */
export type Brings = 'files' | 'current' | null

/** The keys that config vars are sealed with. */
export interface ConfigVarKeys {
  /** A new one; answers how many projects and releases it has sealed anew. */
  rotate(): Promise<number>
  /** Carries on what was cut off. */
  finish(): Promise<number>
}

export interface OneOffUnderWay {
  readonly projectId: number
  /** The directory it runs in, which must stay. */
  readonly slug: number
  /** `run.1`: of each type one number at a time. */
  readonly type: 'run' | 'cron'
  readonly index: number
  readonly controller: AbortController
  /** Resolves when nothing of it is left. */
  readonly ended: Promise<unknown>
}

/** The runtime, and what a deleted project leaves with it. */
export interface EngineRuntime extends Runtime {
  forget(project: string): Promise<void>
}

/** What the engine asks of the git side, without importing it. */
export interface EngineRepositories extends BundledRepositories {
  remove(name: string): Promise<void>
  /** The commit of a branch, tag or commit id; null when there is none. */
  resolve(name: string, ref: string): Promise<string | null>
  branchTip(name: string, branch: string): Promise<string | null>
  /** The tip of a branch elsewhere, with all that belongs to it; no branch here moves. */
  fetch(name: string, from: FetchFrom, signal: AbortSignal): Promise<Fetched>
  /** Moves a branch (null: makes it), unless it is not where it is said to be: then false. */
  moveBranch(name: string, branch: string, from: string | null, to: string | null): Promise<boolean>
  /** Housekeeping of a repository that nobody pushes to at the moment. */
  tidy(name: string): Promise<void>
  /** Throws away what nothing needs any more, but the commits of releases that are kept. */
  collect(name: string, keep: readonly string[]): Promise<void>
  source(name: string, sha: string): Promise<Source>
}

/** What the operator set about backups. */
export interface BackupSettings {
  /** How many are kept. */
  readonly keep: number
  /** One is made by itself so often, ms; 0: never. */
  readonly everyMs: number
}

/** Where people find things. */
export interface Addresses {
  readonly baseDomain: string
  /** `http://127.0.0.1:3000` */
  panel(): string
  app(project: string): string
  git(project: string): string
}

/** The server's own log: one line an event, never a secret. */
export interface Report {
  info(message: string): void
  error(message: string, error?: unknown): void
}

export interface Background {
  /** Runs on its own; a failure is reported and hurts nobody. */
  run(what: string, work: () => Promise<void>): void
  /** Resolves when nothing is under way any more. */
  settled(): Promise<void>
}
