import type { NodeScript } from './domain/node-script.ts'

/** The three ports: where files come from, what runs processes, what routes requests. */

export type SourceKind = 'git' | 'zip' | 'tar' | 'release'
export type EntryKind = 'file' | 'directory' | 'symlink' | 'other'

/** One entry of a source, exactly as the sender named it: untrusted until `pipeline/unpack.ts` has decided. */
export interface SourceEntry {
  /** Relative, separated by `/`; may be hostile (`..`, absolute, NUL …). A directory may end in `/`. */
  readonly path: string
  readonly kind: EntryKind
  /** Unix permission bits; only the owner's execute bit is kept. */
  readonly mode: number
  /** Bytes announced by the sender, null where it does not say. */
  readonly size: number | null
  /** The file's bytes, or the target of a symlink. Read at most once, before the next entry is asked for. */
  body(): AsyncIterable<Uint8Array>
}

/** Where the files of one version come from. */
export interface Source {
  readonly kind: SourceKind
  /** For people: `9f3c2ab`, `shop.zip`, `v12`. */
  readonly label: string
  /** For identity: a commit sha, `sha256:…` of an upload, `v12`. */
  readonly revision: string
  /** First line of the commit's message, or null. */
  readonly message: string | null
  /** Bytes on the wire or on disk, for people; null where unknown. */
  readonly bytes: number | null
  entries(signal: AbortSignal): AsyncIterable<SourceEntry>
  /** Where it comes from, for a commit. */
  readonly history?: SourceHistory
}

export interface SourceCommit {
  readonly sha: string
  /** First line of its message. */
  readonly subject: string
  readonly author: string
  /** ISO 8601, UTC; null where the author's clock said something impossible. */
  readonly at: string | null
}

export interface CommitRange {
  /** The newest of them, newest first. */
  readonly commits: readonly SourceCommit[]
  /** How many there are in all. */
  readonly count: number
}

export interface SourceHistory {
  /** What this commit has and the other one has not, and the other way round; null where one is not there. */
  against(revision: string): Promise<{ readonly added: CommitRange; readonly removed: CommitRange } | null>
  /** A file of the commit by its path from the root; null where there is none. */
  file(path: string): Promise<string | null>
}

/**
 * One generation of one process type of one release. A restart starts the same release as a new
 * generation beside the old one, so the generation is part of the identity.
 */
export interface GroupRef {
  readonly project: string
  readonly type: string
  readonly release: number
  /** Rises with every boot in a home; never used twice. */
  readonly generation: number
}

export interface InstanceSpec {
  /** From 1: `web.1`. */
  readonly index: number
  /** Where it must listen on 127.0.0.1; null for types that take no traffic. */
  readonly port: number | null
  /** The whole environment of the process. */
  readonly env: Readonly<Record<string, string>>
}

export interface GroupSpec extends GroupRef {
  /** Working directory: the slug. */
  readonly cwd: string
  /** A line for `/bin/sh`. */
  readonly command: string
  readonly instances: readonly InstanceSpec[]
  /**
   * The script that `command` is, where the instances are workers of one cluster: they share the port of the
   * first one, which belongs to the runtime itself, and say when they listen. Absent: each has its own.
   */
  readonly cluster?: NodeScript | null
  /** Where `<type>.<index>.log` files go. */
  readonly logDirectory: string
  /** SIGTERM to SIGKILL when an instance is stopped, ms. */
  readonly graceMs: number
}

export type InstanceStatus = 'online' | 'restarting' | 'stopped' | 'errored'

export interface Instance extends GroupRef {
  readonly index: number
  /** `web.1` */
  readonly name: string
  /** null while not running. */
  readonly pid: number | null
  readonly status: InstanceStatus
  readonly restarts: number
  /** Milliseconds since 1970, null while not running. */
  readonly startedAt: number | null
  /** That it was started with; null: none. Left out where nobody knows. */
  readonly port?: number | null
  /** Of workers of a cluster alone: the port they take connections on by now; null: none yet. */
  readonly listening?: number | null
}

/** An instance's process ended. `code` is null when a signal ended it. */
export interface InstanceExit extends GroupRef {
  readonly index: number
  readonly code: number | null
  readonly signal: string | null
}

/** An instance and what it uses now: nothing while it does not run. */
export interface InstanceStats extends Instance {
  /** Percent of one core, since the last look. */
  readonly cpu: number
  readonly memoryBytes: number
}

export interface LogLine {
  /** ISO 8601, UTC. */
  readonly time: string
  /** `web.1` */
  readonly instance: string
  readonly release: number
  readonly stream: 'out' | 'err'
  readonly line: string
}

/** Runs process groups. PM2 on one machine. Calls for one project are carried out in order. */
export interface Runtime {
  /** Brings the driver up (daemon started where needed). Safe to call again after a loss. */
  connect(): Promise<void>
  /** Lets go of the daemon and leaves everything running. */
  close(): Promise<void>
  /** Idempotent by project, type, release and generation. Resolves when started, which is not yet healthy. */
  start(group: GroupSpec): Promise<readonly Instance[]>
  /**
   * SIGTERM, waits `graceMs`, SIGKILL, the whole process tree; absent counts as stopped. Every instance of the
   * group, or `only` those with these indexes.
   */
  stop(group: GroupRef, graceMs: number, only?: readonly number[]): Promise<void>
  /** What really runs, of one project or of all. */
  list(project?: string): Promise<readonly Instance[]>
  /** What really runs, with what it uses. */
  stats(): Promise<readonly InstanceStats[]>
  /** Called for every process that ends, also those that are started again. Returns an unsubscribe. */
  onExit(listener: (exit: InstanceExit) => void): () => void
  /** Called when the daemon is gone; everything may have ended. Returns an unsubscribe. */
  onLost(listener: () => void): () => void
  /** Ends processes of this home that no daemon knows any more. Returns how many. */
  endOrphans(): Promise<number>
  /** Ends every instance and the daemon itself. */
  shutdown(): Promise<void>
}

export interface Endpoint {
  readonly host: string
  readonly port: number
}

/** An endpoint that answers for a project. */
export interface RouteEndpoint extends Endpoint {
  /** What a sticky client's cookie calls this instance; one that takes its place has the same. */
  readonly tag?: string
}

export interface Route {
  /** Lower-case host names, without port. */
  readonly hosts: readonly string[]
  /** One of `hosts`, where there is one that the others lead on to. */
  readonly primary?: string
  readonly project: string
  /** For people and traffic numbers; null while the project has none. */
  readonly release: number | null
  /**
   * `stopped` answers 503; `running` without endpoints answers 503 too; with `sleeping` requests wait, and the first
   * one asks for the project to be woken.
   */
  readonly state: 'running' | 'stopped' | 'sleeping'
  readonly endpoints: readonly RouteEndpoint[]
  /** Clients come back to the instance that answered them first. */
  readonly sticky?: true
  /** Where each request is written down; not there: nowhere. Absolute. */
  readonly accessLog?: string
  /** Files that the front door answers from itself; null or not there: `endpoints` do. */
  readonly static?: RouteFiles | null
  /** Visitors get a page instead, whatever else stands here; not there: they do not. */
  readonly maintenance?: RouteMaintenance
}

export interface RouteMaintenance {
  /** The project's own, HTML; null: that of the front door. */
  readonly page: string | null
  /** Addresses and ranges of those who are let through. */
  readonly allow: readonly string[]
}

/** The files of a release that has no process for `web`. */
export interface RouteFiles {
  /** Absolute. */
  readonly directory: string
  /** The slug: where the folder leads out of it by now, nothing is served. */
  readonly within: string
  /** The list of what is served of them, which was made with the release; beside it lie compressed twins. */
  readonly index: string
  /** Pages that are not there are answered with `index.html`. */
  readonly spa: boolean
}

export interface RouteTable {
  /** Rises with every change; a router refuses an older one. */
  readonly version: number
  /** A project answers at `<name>.<base domain>`; the base domain itself is the panel's. */
  readonly baseDomain: string
  readonly routes: readonly Route[]
}

/** What was still open when a drain gave up. */
export interface DrainReport {
  readonly left: number
}

/** How many requests wait. */
export interface HoldReport {
  readonly waiting: number
}

/** Why a project could not be woken. */
export interface WakeRefusal {
  /** For those who asked, strangers among them. */
  readonly sentence: string
  /** When it is worth asking again, seconds. */
  readonly retryAfterS: number
}

/** What one release of a project was asked, counted since the router started. */
export interface TrafficCounts {
  readonly project: string
  /** null: releases of long ago together. */
  readonly release: number | null
  readonly requests: number
  /** By the first digit of the status, 1 to 5; at 0 those whose client left before there was an answer. */
  readonly statuses: readonly number[]
  /** On the wire between client and router. */
  readonly bytesIn: number
  readonly bytesOut: number
  /** Requests and tunnels under way. */
  readonly open: number
  /** All times until an answer began, together. */
  readonly sumMs: number
  /** Times until an answer began: bucket of `router/latency.ts` → how many, ascending. */
  readonly latency: readonly (readonly [bucket: number, count: number])[]
}

export interface TrafficReport {
  /** When counting began, ISO 8601: with another time than before, all numbers have begun at 0 again. */
  readonly since: string
  readonly projects: readonly TrafficCounts[]
}

/** The front door. */
export interface Router {
  /** The whole table, all or nothing; resolves when it is in force. */
  apply(table: RouteTable): Promise<void>
  /**
   * Waits until no request is under way to these endpoints, `deadlineMs` at most. WebSockets are closed with 1012
   * (come again) and event streams cut after `endlessMs`, and at the deadline, which it is where it is not said.
   */
  drain(endpoints: readonly Endpoint[], deadlineMs: number, endlessMs?: number): Promise<DrainReport>
  /**
   * Keeps new requests of a project waiting while nothing may serve them, `ms` at most: then they are answered 503
   * until the hold ends. 0 ends it, and those that wait go where the table in force says.
   */
  hold(project: string, ms: number): Promise<HoldReport>
  /**
   * Called with the name of each sleeping project that a request waits for, again where that goes on; projects that
   * are waited for already are named at once. Requests go on when a table says that their project is awake. Goes on
   * over losses of the front door. Returns an unsubscribe.
   */
  onWake(listener: (project: string) => void): () => void
  /** A project could not be woken: whoever waits for it is answered 503 with that. The next request asks anew. */
  refuseWake(project: string, refusal: WakeRefusal): Promise<HoldReport>
  /** What a path would be answered with from files that have no route yet. Refuses where they cannot be read. */
  look(files: RouteFiles, path: string): Promise<{ readonly status: number }>
  /** Resolves when the front door answers. */
  check(): Promise<void>
  /** Requests, answers and times of every project in the table that was asked for. */
  traffic(): Promise<TrafficReport>
}
