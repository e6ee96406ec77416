import { z } from 'zod'
import { projectRoles } from '../../engine/domain/access.ts'
import { bootTimeoutMs, healthPath } from '../../engine/domain/app-fields.ts'
import { configVarChange, configVars } from '../../engine/domain/environment.ts'
import { mostInstances, processTypePattern } from '../../engine/domain/process.ts'
import { settingsChange } from '../../engine/domain/settings.ts'

/** What clients may send as a body; `queries.ts` has what else they say. Types are inferred from these. */

const port = z.coerce
  .number()
  .int()
  .min(1024, 'a port is 1024 to 65535')
  .max(65_535, 'a port is 1024 to 65535')
const startCommand = z
  .string()
  .max(1000, 'a start command has at most 1,000 characters')
  .refine((text) => !/[\0\r\n]/.test(text), 'a start command is one line')
const displayName = z
  .string()
  .trim()
  .min(1, 'it is empty')
  .max(100, 'it has more than 100 characters')
  .refine((text) => !/\p{Cc}/u.test(text), 'it has control characters')

const branch = z
  .string()
  .min(1)
  .max(200)
  .regex(/^(?!-)(?!.*(\.\.|\/\/|@\{|\.lock$|[/.]$))[A-Za-z0-9._/-]+$/, 'it is not the name of a branch')

export const createProject = z.strictObject({
  name: z.string().trim().min(1, 'it is empty').max(100, 'it has more than 100 characters'),
  displayName: displayName.optional(),
  startCommand: startCommand.optional(),
  port: port.nullable().optional(),
  envVars: configVars.optional(),
})

const file = z.string().meta({ description: '.zip, .tar.gz or .tgz', format: 'binary' })

/** The same as a form knows it: everything is text. */
export const createProjectForm = z.object({
  name: z.string(),
  displayName: z.string().optional(),
  startCommand: z.string().optional(),
  port: z.string().optional(),
  envVars: z.string().optional().meta({ description: 'a JSON object' }),
  file: file.optional(),
})

export const deployForm = z.object({ file })

export const changeProject = z
  .strictObject({
    displayName: displayName.meta({ description: 'for people' }),
    startCommand: startCommand.meta({ description: 'empty: the app says how it starts' }),
    port: port.nullable().meta({ description: 'taken where it is free; null: any' }),
    deployBranch: branch.meta({ description: 'a push to it goes live' }),
    healthPath: healthPath
      .nullable()
      .meta({ description: 'must answer 2xx or 3xx; null: the app file, else /' }),
    bootTimeoutMs: bootTimeoutMs.nullable().meta({ description: 'null: the app file, else 60,000 ms' }),
    keepReleases: z
      .number()
      .int()
      .min(1)
      .max(1000)
      .nullable()
      .meta({ description: 'releases to roll back to; null: as the server is set' }),
    privateModules: z.boolean().meta({ description: 'each release gets a copy of node_modules of its own' }),
    overlapWorkers: z
      .boolean()
      .meta({ description: 'workers of a new release do not wait for the old ones to end' }),
    memoryLimitMb: z
      .number()
      .int()
      .min(32)
      .max(1_048_576)
      .nullable()
      .meta({ description: 'memory of each process with its children, MB; null: no limit' }),
    ...settingsChange.shape,
  })
  .partial()

export const login = z.strictObject({
  username: z.string().min(1).max(200),
  password: z.string().min(1).max(1000),
})

const username = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,38}$/i, 'use letters, digits, ., _ and -')
const role = z.enum(['admin', 'member'])

export const setUp = z.strictObject({
  code: z.string().min(1).max(50),
  username: username.default('admin'),
  password: z.string().max(1000),
})

export const changePassword = z.strictObject({
  currentPassword: z.string().max(1000),
  newPassword: z.string().max(1000),
})

export const createUser = z.strictObject({
  username,
  password: z.string().max(1000),
  role: role.default('member'),
})

export const changeUser = z.strictObject({ role, password: z.string().max(1000) }).partial()

export const putMember = z.strictObject({ role: z.enum(projectRoles) })

export const deviceRequest = z.strictObject({ name: displayName })
export const deviceToken = z.strictObject({ deviceCode: z.string().min(1).max(100) })

export const createToken = z.strictObject({
  name: displayName,
  scope: z.enum(['push', 'read', 'admin']),
  project: z.union([z.string(), z.number()]).nullable().optional(),
  expiresInDays: z.number().int().min(1).max(3650).nullable().optional(),
})

/** The switch of a project's page. */
export const maintenance = z.strictObject({
  on: z.enum(['yes', 'no'], 'say yes to keep visitors out, no to let them in again'),
})

export const restart = z
  .strictObject({ type: z.string().regex(processTypePattern, 'it is no name of a process type') })
  .partial()

/** How many of each named type; the others stay as they are. */
export const scale = z
  .record(
    z.string().regex(processTypePattern, 'it is no name of a process type'),
    z.number().int().min(0).max(mostInstances, `at most ${mostInstances} of one type`),
  )
  .refine((counts) => Object.keys(counts).length > 0, 'name a process type and how many: {"web":2}')

const word = z
  .string()
  .max(100_000)
  .refine((text) => !text.includes('\0'), 'it holds a NUL character')

export const run = z.strictObject({
  command: z
    .array(word)
    .min(1, 'it is empty')
    .max(1_000)
    .refine(([program]) => program !== '', 'the program is empty')
    .meta({ description: 'a program and its arguments; no shell looks at them' }),
  timeoutMs: z.number().int().min(1).max(86_400_000).optional().meta({ description: 'an hour by default' }),
  stdin: z
    .boolean()
    .optional()
    .meta({ description: 'true: it waits for its standard input, and the first line says where that goes' }),
})

/** A branch, tag or commit; what git makes of it is decided by the repository. */
export const deployRef = z.strictObject({ ref: z.string().min(1).max(250).optional() })

export const rollback = z.strictObject({
  release: z.number().int().positive().optional(),
  restoreEnv: z.boolean().optional(),
})

export const addDomain = z.strictObject({ domain: z.string().min(1, 'it is empty').max(1000) })

export const changeDomain = z.strictObject({
  primary: z.boolean(),
  force: z.boolean().optional().meta({ description: 'also where DNS does not lead here (a proxy in front)' }),
})

export const makeBackup = z.strictObject({
  keys: z.boolean().optional().meta({ description: 'with the secrets of the home' }),
  slugs: z
    .boolean()
    .optional()
    .meta({ description: 'with whole slugs: larger, and projects start without being built again' }),
})

const varScopes = z
  .record(z.string(), z.enum(['all', 'run', 'build']))
  .optional()
  .meta({
    description: '`run`: kept from installs and builds; `build`: kept from processes; `all`: for both',
    example: {},
  })

/** `{envVars:{…},scopes:{…}}`, or the variables themselves. */
export const putEnv = z.preprocess(wrapVars, z.strictObject({ envVars: configVars, scopes: varScopes }))
export const patchEnv = z.preprocess(
  wrapVars,
  z.strictObject({ envVars: configVarChange.default({}), scopes: varScopes }),
)

/** A value is text, so a `envVars` or `scopes` that holds things is no variable. */
function wrapVars(body: unknown): unknown {
  const { envVars, scopes } = (body ?? {}) as Record<string, unknown>
  const isObject = (value: unknown) => typeof value === 'object' && value !== null
  return isObject(envVars) || isObject(scopes) || !isObject(body) ? body : { envVars: body }
}

/** A name or a token of a remote goes into a header. */
const visible = /^[\x21-\x7e]+$/

export const putRemote = z.strictObject({
  url: z.string().max(1000),
  branch: branch.nullable().optional().meta({ description: 'null: the deploy branch of the project' }),
  token: z
    .string()
    .min(1)
    .max(1000)
    .regex(visible, 'a token has no spaces')
    .nullable()
    .optional()
    .meta({ description: 'for https; null: none, left out: as it is' }),
  username: z
    .string()
    .min(1)
    .max(200)
    .regex(visible, 'a user name has no spaces')
    .refine((name) => !name.includes(':'), 'a user name has no colon')
    .nullable()
    .optional()
    .meta({ description: 'of the token; most services take any' }),
  forgetHosts: z.boolean().optional().meta({ description: 'meet ssh servers anew' }),
})
