import path from 'node:path'
import { z } from 'zod'
import { withHeapLimit } from './memory.ts'

/** Names that NodePilot itself sets for every app. */
const ours = /^(PORT|NODEPILOT_.*)$/

export const varName = z
  .string()
  .regex(
    /^[A-Za-z_][A-Za-z0-9_]{0,127}$/,
    'a config var is named like MY_KEY: letters, digits and _, not beginning with a digit',
  )
  .refine((name) => !ours.test(name), 'PORT and NODEPILOT_… are set by NodePilot itself')

const varValue = z
  .string()
  .max(32_768, 'a value holds at most 32 kB')
  .refine((value) => !value.includes('\0'), 'a value cannot hold a NUL character')

/** The config vars of a project, whole. */
export const configVars = z.record(varName, varValue)
/** A change: null removes. */
export const configVarChange = z.record(varName, varValue.nullable())

/** The kernel hands a process its environment and arguments in about 2 MB; every release keeps a copy of them too. */
const mostConfigVars = 500
const mostConfigBytes = 512_000

/** Why no process could be started with these; null: they fit. */
export function configVarsProblem(vars: Readonly<Record<string, string>>): string | null {
  const entries = Object.entries(vars)
  if (entries.length > mostConfigVars) return `a project has at most ${mostConfigVars} config vars`
  const bytes = entries.reduce(
    (sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value),
    0,
  )
  return bytes > mostConfigBytes ? 'all config vars together hold at most 512 kB' : null
}

export interface InstanceFacts {
  readonly project: string
  readonly release: number
  readonly type: string
  readonly index: number
  readonly port: number | null
  /** The slug's directory. */
  readonly directory: string
  /** The app's folder below it; '' for the slug itself. */
  readonly rootDir: string
  /** The folder that outlives releases. */
  readonly dataDirectory: string
  readonly configVars: Readonly<Record<string, string>>
  /** The project's limit; null: none is set. */
  readonly memoryLimitMb: number | null
  /** The branch it is a preview of. */
  readonly preview?: string | null
  /** PATH and LANG of the server. */
  readonly system: Readonly<Record<string, string>>
}

/** The whole environment of an instance: what contract and config vars say, nothing of the server's own. */
export function instanceEnvironment(facts: InstanceFacts): Record<string, string> {
  return {
    ...facts.system,
    PATH: withLocalBin(facts.directory, facts.rootDir, facts.system.PATH),
    NODE_ENV: 'production',
    HOME: facts.dataDirectory,
    ...facts.configVars,
    ...heapLimit(facts),
    ...(facts.port === null ? {} : { PORT: String(facts.port) }),
    NODEPILOT_PROJECT: facts.project,
    NODEPILOT_RELEASE: `v${facts.release}`,
    NODEPILOT_INSTANCE: `${facts.type}.${facts.index}`,
    NODEPILOT_DATA_DIR: facts.dataDirectory,
    ...(facts.preview ? { NODEPILOT_PREVIEW: facts.preview } : {}),
  }
}

function heapLimit({ memoryLimitMb, configVars }: InstanceFacts): Record<string, string> {
  if (memoryLimitMb === null) return {}
  return { NODE_OPTIONS: withHeapLimit(configVars.NODE_OPTIONS, memoryLimitMb) }
}

/** `PATH` with the commands of the app's own dependencies first, from its folder up to the slug. */
export function withLocalBin(directory: string, rootDir: string, systemPath: string | undefined): string {
  const parts = rootDir === '' ? [] : rootDir.split('/')
  const folders = [...parts.keys(), parts.length].reverse().map((depth) => parts.slice(0, depth).join('/'))
  const bins = folders.map((folder) => path.join(directory, folder, 'node_modules', '.bin'))
  return [...bins, systemPath].filter(Boolean).join(':')
}
