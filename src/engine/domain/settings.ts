import { z } from 'zod'
import { command, folder, graceMs, nodeVersion } from './app-fields.ts'
import { cronJobs } from './cron.ts'
import { addressRange, maintenancePage } from './maintenance.ts'

/**
 * Everything that can be set for one project beside its columns. One schema is the truth for the database, the
 * API and its document, the command line and the panel's form: what stands here exists everywhere.
 * `null` means that the app file, or else the server, decides.
 */

export const projectSettings = z.strictObject({
  rootDir: folder
    .nullable()
    .default(null)
    .meta({ description: 'the folder of the app, as apps/web; null: the app file, else the top' }),
  nodeVersion: nodeVersion
    .nullable()
    .default(null)
    .meta({ description: 'a version of Node or a range; null: the app says it, else the one of the server' }),
  buildCommand: command
    .nullable()
    .default(null)
    .meta({ description: 'null: the app file, else the build script of package.json' }),
  releaseCommand: command
    .nullable()
    .default(null)
    .meta({ description: 'runs once before a release starts; null: the app file, else the Procfile' }),
  staticDir: folder
    .nullable()
    .default(null)
    .meta({ description: 'a folder that is served as files, as dist; null: the app file decides' }),
  spa: z
    .boolean()
    .nullable()
    .default(null)
    .meta({ description: 'static files: pages that are not there are answered with index.html' }),
  graceMs: graceMs
    .nullable()
    .default(null)
    .meta({ description: 'from SIGTERM to SIGKILL; null: the app file, else 10 s' }),
  memoryAction: z.enum(['restart', 'fail']).default('restart').meta({
    description: 'an instance over memoryLimitMb: is started again, or stays ended until a restart',
  }),
  buildTimeoutMs: z
    .int()
    .min(1_000)
    .max(86_400_000)
    .nullable()
    .default(null)
    .meta({ description: 'of one install or build command, ms; null: as the server is set' }),
  buildMemoryMb: z.int().min(16).max(10_000_000).nullable().default(null).meta({
    description: 'memory of one install or build command and all it starts, MB; null: as the server is set',
  }),
  cluster: z.boolean().default(false).meta({
    description: 'web runs in cluster mode of PM2: workers on one port; the start command is node and a file',
  }),
  overlap: z
    .boolean()
    .default(true)
    .meta({ description: 'two generations may run at once; false: requests wait while one takes over' }),
  webSocketGraceMs: z.int().min(0).max(3_600_000).default(5_000).meta({
    description:
      'after a switch, WebSockets and event streams of the old release go on so long, ms; then 1012',
  }),
  sticky: z
    .boolean()
    .default(false)
    .meta({ description: 'a cookie of the front door brings each client back to the same instance' }),
  sleepAfterMinutes: z.int().min(1).max(43_200).nullable().default(null).meta({
    description: 'without a request for so long its processes end, until the next one; null: they run on',
  }),
  accessLog: z.boolean().default(false).meta({
    description: 'the front door writes a line for each request into the log of type access',
  }),
  maintenance: z.boolean().default(false).meta({
    description: 'visitors get a page and 503, whatever runs; in force at once',
  }),
  maintenancePage: maintenancePage.nullable().default(null).meta({
    description:
      'what visitors get in maintenance, HTML; null: maintenance.html of the app, else a plain page',
  }),
  maintenanceAllow: z
    .array(addressRange)
    .max(100, 'it has more than 100 entries; write ranges, as 203.0.113.0/24')
    .default([])
    .meta({ description: 'addresses and ranges of those who are let through in maintenance' }),
  regressionGuard: z.boolean().default(false).meta({
    description:
      'a release that is clearly worse than the one before is switched back within its first minute',
  }),
  previews: z
    .boolean()
    .default(false)
    .meta({ description: 'a push to another branch is deployed as <branch>--<project>' }),
  previewIdleDays: z.int().min(1).max(365).default(14).meta({
    description: 'a preview that nobody pushes to and nobody asks for is removed after so many days',
  }),
  previewLimit: z.int().min(1).max(50).default(5).meta({ description: 'so many previews at once' }),
  previewMemoryMb: z.int().min(16).max(1_000_000).nullable().default(null).meta({
    description: 'memory limit of each process of a preview, MB; null: as of the project',
  }),
  previewWorkers: z
    .boolean()
    .default(false)
    .meta({ description: 'previews run the other process types too, not web alone' }),
  cron: cronJobs.nullable().default(null).meta({
    description: 'scheduled jobs, in force at once; null: those of the app file, of the live release',
  }),
})

export type ProjectSettings = z.infer<typeof projectSettings>
export type SettingName = keyof ProjectSettings

export const settingNames = Object.keys(projectSettings.shape) as readonly SettingName[]

/** A change: what is not named stays. */
export const settingsChange = z.strictObject(withoutDefaults()).partial()
export type SettingsChange = { readonly [Key in SettingName]?: ProjectSettings[Key] | undefined }

/** Of what is stored: settings of a newer or older NodePilot are passed over, faulty ones count as not set. */
export function readSettings(stored: unknown): ProjectSettings {
  const given = typeof stored === 'object' && stored !== null ? (stored as Record<string, unknown>) : {}
  const sound = Object.entries(given).filter(([name, value]) => {
    const field = (projectSettings.shape as Record<string, z.ZodType>)[name]
    return field?.safeParse(value).success ?? false
  })
  return projectSettings.parse(Object.fromEntries(sound))
}

type Inner = { [Key in SettingName]: ReturnType<(typeof projectSettings.shape)[Key]['unwrap']> }

/** A default would set what a change does not name. */
function withoutDefaults(): Inner {
  const fields = Object.entries(projectSettings.shape).map(([name, field]) => {
    const { description } = field.meta() ?? {}
    const inner = field.unwrap()
    return [name, description === undefined ? inner : inner.meta({ description })]
  })
  return Object.fromEntries(fields) as Inner
}
