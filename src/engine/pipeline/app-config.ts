import type { AppFile } from '../domain/app-file.ts'
import type { CronJob } from '../domain/cron.ts'
import { setByHand } from '../domain/release-plan.ts'
import type { ProjectRow } from '../store/projects.ts'
import { cut } from './output.ts'
import type { PackageJson } from './package-json.ts'
import type { Procfile } from './procfile.ts'
import type { NodeRequest } from './toolchain/node-request.ts'

/** What is in force for an app, and who said so. */
export interface AppConfig {
  /** A line for `/bin/sh`; null: the build script of package.json, where there is one. */
  readonly build: string | null
  /** Runs once before the release starts. */
  readonly release: { readonly command: string; readonly from: Origin } | null
  /** What somebody said about `web`; null: package.json or the files tell, once they are built. */
  readonly web: Web | null
  /** Whether static files answer pages that are not there with `index.html`. */
  readonly spa: boolean
  readonly workers: Readonly<Record<string, string>>
  /** null: engines.node, .nvmrc and the like. */
  readonly node: NodeRequest | null
  /** Config vars that must be there. */
  readonly env: readonly string[]
  readonly cron: readonly CronJob[]
  /** What the app file says of these; what is in force when a process starts, `inForce` tells. */
  readonly file: Pick<AppFile, 'healthPath' | 'bootTimeoutMs' | 'graceMs'>
  /** For the deploy's output: a plain app has nothing here. */
  readonly said: readonly Said[]
}

export type Web =
  | { readonly kind: 'command'; readonly command: string; readonly from: Origin }
  | { readonly kind: 'static'; readonly directory: string; readonly from: Origin }

/** The earlier one wins. */
const origins = ['setting', 'nodepilot.json', 'Procfile', 'package.json'] as const
export type Origin = (typeof origins)[number]

/** Each in a sentence. */
export const originWords: Readonly<Record<Origin, string>> = {
  setting: "the project's settings",
  'nodepilot.json': 'nodepilot.json',
  Procfile: 'the Procfile',
  'package.json': 'package.json',
}

/** A value that somebody set in the settings or in the app file. */
export interface Said {
  readonly name: string
  readonly value: string
  readonly from: Origin
  /** Who said so too, and lost; the next one in the order. */
  readonly over: Origin | null
}

export interface AppWords {
  readonly project: Pick<ProjectRow, 'startCommand' | 'healthPath' | 'bootTimeoutMs' | 'settings'>
  readonly file: AppFile
  readonly procfile: Procfile | null
  readonly packageJson: PackageJson | null
}

/**
 * The project's setting, else nodepilot.json, else Procfile or package.json, else the default. Pure, and the one
 * place where that is decided.
 */
export function resolveApp({ project, file, procfile, packageJson }: AppWords): AppConfig {
  const { settings } = project
  const hand = setByHand(project)
  const said: Said[] = []
  const choose = <T>(name: string, ...words: Words<T>): Chosen<T> | null => {
    const chosen = firstOf(words)
    if (chosen && isSaid(chosen)) said.push({ name, value: wordOf(chosen.value), ...chosen.whence })
    return chosen
  }
  choose('rootDir', settings.rootDir, file.rootDir)
  const node = choose('node', settings.nodeVersion, file.node)
  const build = choose<string>('build', settings.buildCommand, file.build, null, packageJson?.scripts.build)
  const release = choose<string>('release', settings.releaseCommand, file.release, procfile?.release)
  const web = choose<WebWord>(
    'web',
    webOf(project.startCommand || null, settings.staticDir),
    webOf(file.start, file.static),
    webOf(procfile?.web),
    webOf(packageJson?.scripts.start),
  )
  const spa = choose('spa', settings.spa, file.spa)
  choose('healthPath', hand.healthPath, file.healthPath)
  choose('bootTimeoutMs', hand.bootTimeoutMs, file.bootTimeoutMs)
  choose('graceMs', hand.graceMs, file.graceMs)
  choose('cron', settings.cron, file.cron)
  return {
    build: build && build.whence.from !== 'package.json' ? build.value : null,
    release: release && { command: release.value, from: release.whence.from },
    web: web && web.whence.from !== 'package.json' ? { ...web.value, from: web.whence.from } : null,
    spa: spa?.value ?? false,
    workers: procfile?.workers ?? {},
    node: node && { asked: node.value, origin: originWords[node.whence.from] },
    env: file.env ?? [],
    cron: file.cron ?? [],
    file: { healthPath: file.healthPath, bootTimeoutMs: file.bootTimeoutMs, graceMs: file.graceMs },
    said,
  }
}

/** `healthPath /up (setting, over nodepilot.json)`: one line a value, with room for the mark before it. */
export function whoSaid({ name, value, from, over }: Said): string {
  const origin = over === null ? `(${from})` : `(${from}, over ${over})`
  return `${name} ${cut(value, Math.max(66 - name.length - origin.length, 12))} ${origin}`
}

/** What each origin says, in their order; nothing where it is null or missing. */
type Words<T> = readonly (T | null | undefined)[]

interface Chosen<T> {
  readonly value: T
  readonly whence: { readonly from: Origin; readonly over: Origin | null }
}

function firstOf<T>(words: Words<T>): Chosen<T> | null {
  const spoken = origins.filter((_, at) => words[at] !== null && words[at] !== undefined)
  const [from, over = null] = spoken
  if (from === undefined) return null
  return { value: words[origins.indexOf(from)] as T, whence: { from, over } }
}

/** What stands in Procfile and package.json is told by the steps themselves. */
function isSaid({ whence }: Chosen<unknown>): boolean {
  return whence.from === 'setting' || whence.from === 'nodepilot.json'
}

type WebWord =
  | { readonly kind: 'command'; readonly command: string }
  | { readonly kind: 'static'; readonly directory: string }

/** Where both are set, the command wins. */
function webOf(command: string | null | undefined, directory?: string | null): WebWord | null {
  if (command) return { kind: 'command', command }
  return directory === null || directory === undefined ? null : { kind: 'static', directory }
}

function wordOf(value: unknown): string {
  if (Array.isArray(value)) return value.length === 1 ? '1 job' : `${value.length} jobs`
  if (typeof value !== 'object' || value === null) return value === '' ? '.' : String(value)
  const web = value as WebWord
  return web.kind === 'command' ? web.command : `files of ${web.directory || '.'}`
}
