import { readFileSync } from 'node:fs'
import { availableParallelism, homedir, totalmem } from 'node:os'
import path from 'node:path'
import { z } from 'zod'
import { Refusal } from './engine/domain/refusal.ts'
import { childEnvironment, npmEnvironment } from './environment.ts'

/**
 * Settings come from the environment, then `$NODEPILOT_HOME/nodepilot.json`, then flags; later ones win.
 * The environment is read here and nowhere else, and emptied afterwards, so that no secret of the operator
 * reaches an app, a build or the PM2 daemon.
 */

const megabyte = 1_000_000
const dayMs = 86_400_000

/** Also as text, from the environment and flags; but `null` and `''` are not 0. */
const numeric = z.union([z.number(), z.string().regex(/^-?\d/)], 'must be a number')

const settings = z.strictObject({
  host: z.string().min(1).default('127.0.0.1'),
  port: numeric.pipe(z.coerce.number<string | number>().int().min(0).max(65_535)).default(3000),
  baseDomain: z
    .string()
    .toLowerCase()
    .regex(/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/, 'must be a domain name')
    .default('localhost'),
  trustedProxy: z.union([z.ipv4(), z.ipv6()]).nullable().default(null),
  runtime: z.literal('pm2').default('pm2'),
  keepReleases: numeric.pipe(z.coerce.number<string | number>().int().min(1).max(1000)).default(5),
  keepReleaseDays: numeric.pipe(z.coerce.number<string | number>().min(0).max(36_500)).default(90),
  keepDeploymentLogs: numeric.pipe(z.coerce.number<string | number>().int().min(1)).default(200),
  keepDeploymentLogDays: numeric.pipe(z.coerce.number<string | number>().min(1).max(36_500)).default(90),
  npmCacheMb: numeric.pipe(z.coerce.number<string | number>().min(0)).default(2000),
  buildCacheMb: numeric.pipe(z.coerce.number<string | number>().min(0)).default(1000),
  uploadLimitMb: numeric.pipe(z.coerce.number<string | number>().positive()).default(200),
  pushLimitMb: numeric.pipe(z.coerce.number<string | number>().positive()).default(1000),
  treeLimitMb: numeric.pipe(z.coerce.number<string | number>().positive()).default(2000),
  buildTimeoutSeconds: numeric.pipe(z.coerce.number<string | number>().positive()).default(900),
  maxBuilds: numeric
    .pipe(z.coerce.number<string | number>().int().min(1).max(1000))
    .default(Math.max(Math.floor(availableParallelism() / 2), 1)),
  buildMemoryMb: numeric.pipe(z.coerce.number<string | number>().min(16)).nullable().default(null),
  buildProcesses: numeric.pipe(z.coerce.number<string | number>().int().min(10)).default(1000),
  minFreeDiskMb: numeric.pipe(z.coerce.number<string | number>().min(0)).nullable().default(null),
  buildOutputLimitMb: numeric.pipe(z.coerce.number<string | number>().positive()).default(50),
  keepBackups: numeric.pipe(z.coerce.number<string | number>().int().min(1).max(1000)).default(7),
  backupHours: numeric.pipe(z.coerce.number<string | number>().min(0).max(8760)).default(24),
  maxCronRuns: numeric
    .pipe(z.coerce.number<string | number>().int().min(1).max(1000))
    .default(Math.max(4, 2 * availableParallelism())),
  allowLocalFetch: z.boolean().default(false),
  logLimitMb: numeric.pipe(z.coerce.number<string | number>().min(0.1).max(100_000)).default(10),
  keepLogs: numeric.pipe(z.coerce.number<string | number>().int().min(0).max(1000)).default(4),
  drainSeconds: numeric.pipe(z.coerce.number<string | number>().min(0)).default(30),
  watchSeconds: numeric.pipe(z.coerce.number<string | number>().min(1).max(3600)).default(60),
})

export type Settings = z.infer<typeof settings>
export type Flags = Partial<Record<keyof z.input<typeof settings> | 'home', unknown>>

export interface Config {
  readonly home: string
  readonly host: string
  /** 0: take a free one and keep it for this home. */
  readonly port: number
  readonly baseDomain: string
  /** Creates user `admin` at the first start; ignored once a user exists. */
  readonly adminPassword: string | null
  readonly trustedProxy: string | null
  readonly keepReleases: number
  readonly keeping: Keeping
  /** Remotes may lead to this machine itself. */
  readonly allowLocalFetch: boolean
  /** How many scheduled jobs run at once. */
  readonly cronRuns: number
  readonly limits: Limits
  /** Of one log file of an app: bytes of a part, and how many full parts stay. */
  readonly logs: { readonly limitBytes: number; readonly keep: number }
  /** How many are kept, and how often one is made by itself, ms; 0: never. */
  readonly backups: { readonly keep: number; readonly everyMs: number }
  /** Where a test lets the server fail (`engine/failpoints.ts`); null in production. */
  readonly failpoints: string | null
  /** Of bcrypt, as a power of two. Less than the usual only in tests that start hundreds of servers; null: the usual. */
  readonly passwordCost: number | null
  /** What every child process may see of the operator's environment. */
  readonly environment: Readonly<Record<string, string>>
  /** What `npm` alone may see: its own settings and the network's proxies. */
  readonly npmEnvironment: Readonly<Record<string, string>>
}

/** How long and how much is kept. */
export interface Keeping {
  /** Releases older than this go, but two; ms, 0: none for its age. */
  readonly releaseMs: number
  /** Logs of deployments, a project. */
  readonly deploymentLogs: number
  readonly deploymentLogMs: number
  /** Above this npm's download cache begins anew, bytes. */
  readonly npmCacheBytes: number
  /** Above this the caches of a project's builds begin anew, bytes. */
  readonly buildHomeBytes: number
}

export interface Limits {
  /** Bytes of an uploaded archive. */
  readonly uploadBytes: number
  /** Bytes of a push, packed. */
  readonly packBytes: number
  /** Bytes of a tree, unpacked. */
  readonly treeBytes: number
  /** Files and directories of a tree. */
  readonly treeEntries: number
  /** How many builds go on at once on this machine. */
  readonly builds: number
  /** Of one command, ms. */
  readonly buildTimeoutMs: number
  readonly buildOutputBytes: number
  /** Of one build command and all it starts, bytes. */
  readonly buildMemoryBytes: number
  /** Of one build command, at once. */
  readonly buildProcesses: number
  /** What must stay free on the disk; null: see `engine/disk-space.ts`. */
  readonly minFreeDiskBytes: number | null
  readonly drainMs: number
  /** How long a new release is compared with the one before it, and with the regression guard that one kept. */
  readonly watchMs: number
  /** What counts as a minute without requests; other than a minute in tests alone. */
  readonly sleepMinuteMs: number
}

const fromEnvironment: Readonly<Record<string, keyof Settings>> = {
  HOST: 'host',
  PORT: 'port',
  NODEPILOT_BASE_DOMAIN: 'baseDomain',
  NODEPILOT_TRUSTED_PROXY: 'trustedProxy',
  NODEPILOT_RUNTIME: 'runtime',
}

/** Reads all settings. Refuses with `invalid`, naming the setting and where it came from. */
export function readConfig(environment: NodeJS.ProcessEnv, flags: Flags = {}): Config {
  const home = readHome(environment, flags)
  const file = path.join(home, 'nodepilot.json')
  const merged: Record<string, unknown> = {}
  const origin: Record<string, string> = {}
  const take = (values: Record<string, unknown>, where: (key: string) => string) => {
    for (const [key, value] of Object.entries(values)) {
      if (value === undefined) continue
      merged[key] = value
      origin[key] = where(key)
    }
  }
  for (const [variable, key] of Object.entries(fromEnvironment)) {
    const value = environment[variable]
    if (value !== undefined && value !== '') take({ [key]: value }, () => variable)
  }
  take(readSettingsFile(file), (key) => `${key} in ${file}`)
  const { home: _home, ...settingFlags } = flags
  take(settingFlags, (key) => `--${key}`)
  const parsed = settings.safeParse(merged)
  if (!parsed.success) throw badSetting(parsed.error, origin)
  return Object.freeze(toConfig(home, parsed.data, environment))
}

/** Where all state lives; the one setting that other commands need too. */
export function readHome(environment: NodeJS.ProcessEnv, flags: Flags = {}): string {
  const home = (flags.home as string | undefined) ?? environment.NODEPILOT_HOME
  return path.resolve(home || path.join(homedir(), '.nodepilot'))
}

/** Settings that the environment gives: for a service that is started later. */
export function settingsGiven(environment: NodeJS.ProcessEnv): Record<string, string> {
  const given = Object.keys(fromEnvironment).map(
    (variable) => [variable, environment[variable] ?? ''] as const,
  )
  return Object.fromEntries(given.filter(([, value]) => value !== ''))
}

function toConfig(home: string, data: Settings, environment: NodeJS.ProcessEnv): Config {
  return {
    home,
    host: data.host,
    port: data.port,
    baseDomain: data.baseDomain,
    adminPassword: environment.NODEPILOT_ADMIN_PASSWORD || null,
    trustedProxy: data.trustedProxy,
    keepReleases: data.keepReleases,
    keeping: {
      releaseMs: data.keepReleaseDays * dayMs,
      deploymentLogs: data.keepDeploymentLogs,
      deploymentLogMs: data.keepDeploymentLogDays * dayMs,
      npmCacheBytes: data.npmCacheMb * megabyte,
      buildHomeBytes: data.buildCacheMb * megabyte,
    },
    cronRuns: data.maxCronRuns,
    allowLocalFetch: data.allowLocalFetch,
    logs: { limitBytes: data.logLimitMb * megabyte, keep: data.keepLogs },
    backups: { keep: data.keepBackups, everyMs: data.backupHours * 3_600_000 },
    limits: {
      uploadBytes: data.uploadLimitMb * megabyte,
      packBytes: data.pushLimitMb * megabyte,
      treeBytes: data.treeLimitMb * megabyte,
      treeEntries: 200_000,
      builds: data.maxBuilds,
      buildTimeoutMs: data.buildTimeoutSeconds * 1000,
      buildOutputBytes: data.buildOutputLimitMb * megabyte,
      buildMemoryBytes:
        data.buildMemoryMb === null
          ? (machineMemory() * 0.75) / data.maxBuilds
          : data.buildMemoryMb * megabyte,
      buildProcesses: data.buildProcesses,
      minFreeDiskBytes: data.minFreeDiskMb === null ? null : data.minFreeDiskMb * megabyte,
      drainMs: data.drainSeconds * 1000,
      watchMs: data.watchSeconds * 1000,
      sleepMinuteMs:
        (environment.NODEPILOT_TESTING === '1' && Number(environment.NODEPILOT_SLEEP_MINUTE_MS)) || 60_000,
    },
    // one variable alone, set by mistake, must not kill anybody's server
    failpoints: (environment.NODEPILOT_TESTING === '1' && environment.NODEPILOT_FAILPOINT) || null,
    passwordCost:
      (environment.NODEPILOT_TESTING === '1' && Number(environment.NODEPILOT_PASSWORD_COST)) || null,
    environment: childEnvironment(environment),
    npmEnvironment: npmEnvironment(environment),
  }
}

/** Of the machine, or of the container the server runs in. */
function machineMemory(): number {
  const constrained = process.constrainedMemory()
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem()
}

function readSettingsFile(file: string): Record<string, unknown> {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw error
  }
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(text))
  } catch {
    throw new Refusal('invalid', `${file} is not a JSON object`, {
      hint: 'mend or remove the file, then start again',
    })
  }
}

function badSetting(error: z.ZodError, origin: Record<string, string>): Refusal {
  const issue = error.issues[0]
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined
  const key = unknown ?? String(issue?.path[0] ?? '')
  const sentence = unknown ? 'there is no such setting' : issue?.message.toLowerCase()
  return new Refusal('invalid', `${origin[key] ?? key}: ${sentence}`, {
    hint: 'the settings are listed in docs/server.md',
  })
}
