import {
  boolean,
  label,
  listOf,
  mapOf,
  nullable,
  number,
  object,
  type Read,
  rawText,
  secret,
  text,
  withDefault,
} from './shape.ts'

/** The parts of the API's answers that commands print. `--json` prints answers whole, as they came. */

export const instance = object({
  name: text,
  type: text,
  status: text,
  pid: nullable(number),
  port: nullable(number),
  cpu: nullable(number),
  memoryBytes: nullable(number),
  restarts: nullable(number),
  uptimeMs: nullable(number),
  release: nullable(number),
  problem: withDefault(nullable(text), null),
  lastLines: withDefault(listOf(text), []),
})

export const project = object({
  name: text,
  displayName: text,
  url: text,
  gitUrl: text,
  status: text,
  sleeping: withDefault(boolean, false),
  wakeProblem: withDefault(nullable(text), null),
  deploying: boolean,
  release: nullable(number),
  processes: mapOf(number),
  static: withDefault(boolean, false),
  maintenance: withDefault(boolean, false),
  instances: listOf(instance),
  domains: withDefault(listOf(text), []),
})

export const deployment = object({
  number,
  status: text,
  source: object({ kind: text, revision: nullable(text), message: nullable(text) }),
  release: nullable(number),
  startedAt: nullable(text),
  finishedAt: nullable(text),
  error: nullable(object({ code: text, message: text, hint: nullable(text) })),
  by: withDefault(text, ''),
})

export const cronRun = object({
  id: number,
  job: text,
  status: text,
  by: text,
  release: nullable(number),
  queuedAt: nullable(text),
  ms: nullable(number),
  exitCode: nullable(number),
  error: nullable(object({ code: text, message: text })),
  skipped: withDefault(number, 0),
})

export const cronJob = object({
  name: text,
  schedule: text,
  command: text,
  timezone: text,
  nextRunAt: nullable(text),
  lastRun: nullable(cronRun),
})

export const cronJobs = object({ jobs: listOf(cronJob) })
export const cronRuns = object({ runs: listOf(cronRun) })
export const oneCronRun = object({ run: cronRun })

export const release = object({
  number,
  deployment: nullable(number),
  source: object({ kind: text, revision: nullable(text), message: nullable(text) }),
  current: boolean,
  available: boolean,
  createdAt: text,
})

export const user = object({ id: number, username: text, role: text })

export const oneProject = object({ project })
export const projects = object({ projects: listOf(project) })
export const deployed = object({ project, deployment })
export const oneDeployment = object({ deployment })
export const deployments = object({ deployments: listOf(deployment) })
export const releases = object({ releases: listOf(release) })
export const configVars = object({
  envVars: mapOf(rawText),
  scopes: withDefault(mapOf(text), {}),
  locked: withDefault(listOf(text), []),
})
export const signedIn = object({ user })
export const session = object({ token: secret, expiresAt: nullable(text), user })
export const token = object({
  id: number,
  name: text,
  scope: text,
  project: nullable(label),
  createdAt: nullable(text),
  expiresAt: nullable(text),
  lastUsedAt: nullable(text),
})
export const tokens = object({ tokens: listOf(token) })
export const newToken = object({ id: number, token: secret })

export const logLine = object({ time: text, instance: text, stream: text, line: rawText })
export const logLines = object({ lines: listOf(logLine) })

export type Project = Read<typeof project>
export type CronRun = Read<typeof cronRun>
export type Deployment = Read<typeof deployment>
export type LogLine = Read<typeof logLine>
