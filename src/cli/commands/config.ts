import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { formatDotEnv, parseDotEnv } from '../../engine/domain/dot-env.ts'
import { isRefusal } from '../../engine/domain/refusal.ts'
import { type Api, address } from '../client/api.ts'
import { exit, Failure, usage } from '../client/failure.ts'
import { printable, printableText } from '../client/printable.ts'
import { readStdin } from '../client/prompt.ts'
import type { Cli } from '../client/session.ts'
import { read } from '../client/shape.ts'
import { configVars, oneProject } from '../client/shapes.ts'
import { nearest } from '../client/words.ts'

type Values = Readonly<Record<string, string>>

/** Where a config var is to be seen. */
export type Scope = 'run' | 'build' | 'all'

/** `nodepilot config`: all, for people. */
export async function list(cli: Cli, env: boolean): Promise<void> {
  if (env) return exportAll(cli)
  const { body, values, scopes, locked } = await fetchVars(cli)
  if (cli.out.json) return cli.out.document(body)
  const names = Object.keys(values).sort()
  if (names.length === 0) cli.out.note('there are no config vars yet: nodepilot config set KEY=value')
  for (const name of names) cli.out.line(`${name}=${printable(values[name] ?? '')}`)
  for (const [scope, words] of [
    ['run', 'kept from builds'],
    ['build', 'kept from processes'],
  ] as const) {
    const found = Object.keys(scopes).filter((name) => scopes[name] === scope)
    if (found.length > 0) cli.out.note(`${words}: ${found.sort().join(', ')}`)
  }
  if (locked.length === 0) return
  cli.out.note(`sealed with a key that this server does not have: ${locked.join(', ')}`)
  cli.out.note('hint: set them anew, or put the config-vars-*.key files of the old home into its keys/')
}

/** `nodepilot config get KEY`: the value as it is. */
export async function get(cli: Cli, key: string): Promise<void> {
  const { values } = await fetchVars(cli)
  const value = Object.hasOwn(values, key) ? values[key] : undefined
  if (value === undefined) throw missing(key, values)
  if (cli.out.json) return cli.out.document({ [key]: value })
  cli.out.raw(`${printableText(value, process.stdout.isTTY)}\n`)
}

/** `nodepilot config export`: what `import` reads. */
export async function exportAll(cli: Cli): Promise<void> {
  const { body, values } = await fetchVars(cli)
  if (cli.out.json) return cli.out.document(body)
  cli.out.raw(printableText(formatDotEnv(values), process.stdout.isTTY))
}

/** `nodepilot config set A=1 B=2`; a scope is for all of them, and enough for those that are set already. */
export async function set(
  cli: Cli,
  pairs: readonly string[],
  { apply, scope }: { readonly apply: boolean; readonly scope: Scope | null },
): Promise<void> {
  const values = pairs.filter((pair) => scope === null || pair.includes('=')).map(parsePair)
  const names = pairs.map((pair) => pair.split('=', 1)[0] ?? '')
  await change(cli, Object.fromEntries(values), apply, 'set', scope === null ? {} : scopesOf(names, scope))
}

function scopesOf(names: readonly string[], scope: Scope): Readonly<Record<string, Scope>> {
  return Object.fromEntries(names.map((name) => [name, scope]))
}

/** `nodepilot config import .env`. */
export async function importFile(
  cli: Cli,
  file: string,
  { apply, scope }: { readonly apply: boolean; readonly scope: Scope | null },
): Promise<void> {
  const text =
    file === '-' ? await readStdin(true) : await readFile(path.resolve(cli.directory, file), 'utf8')
  const values = parseFile(text)
  if (Object.keys(values).length === 0)
    throw usage(`${file} names no config vars`, 'write them like KEY=value')
  await change(cli, values, apply, 'set', scope === null ? {} : scopesOf(Object.keys(values), scope))
}

function parseFile(text: string): Values {
  try {
    return parseDotEnv(text)
  } catch (error) {
    if (!isRefusal(error)) throw error
    throw usage(error.message, 'mend it, then import the file again')
  }
}

/** `nodepilot config unset A B`. What is not set is an error, for it is most likely a misspelling. */
export async function unset(cli: Cli, keys: readonly string[], apply: boolean): Promise<void> {
  const { values, locked } = await fetchVars(cli)
  for (const key of keys) {
    if (!Object.hasOwn(values, key) && !locked.includes(key)) throw missing(key, values)
  }
  await change(cli, Object.fromEntries(keys.map((key) => [key, null])), apply, 'unset')
}

async function change(
  cli: Cli,
  values: Readonly<Record<string, string | null>>,
  apply: boolean,
  verb: string,
  scopes: Readonly<Record<string, Scope>> = {},
): Promise<void> {
  const project = await cli.project()
  const api = await cli.connect()
  const release = await releaseOf(api, project)
  if (apply && release !== null) cli.out.note('bringing it live …')
  const { body } = await api.ask('PATCH', address`/api/project/${project}/env`, {
    query: { apply: apply ? undefined : false },
    // an older server knows no scopes
    body: { envVars: values, ...(Object.keys(scopes).length > 0 ? { scopes } : {}) },
  })
  if (cli.out.json) return cli.out.document(body)
  const names = new Set([...Object.keys(values), ...Object.keys(scopes)])
  cli.out.line(`${verb} ${[...names].join(', ')}`)
  const now = await releaseOf(api, project)
  if (now !== null && now !== release) cli.out.line(`v${now} is live`)
  else if (!apply) cli.out.note('stored; it takes effect with the next deployment: nodepilot deploy --again')
}

async function releaseOf(api: Api, project: string): Promise<number | null> {
  return read(oneProject, await api.get(address`/api/project/${project}`)).project.release
}

async function fetchVars(cli: Cli) {
  const project = await cli.project()
  const api = await cli.connect()
  const body = await api.get(address`/api/project/${project}/env`)
  const { envVars: values, scopes, locked } = read(configVars, body)
  return { body, values, scopes, locked }
}

function parsePair(pair: string): [string, string] {
  const at = pair.indexOf('=')
  if (at > 0) return [pair.slice(0, at), pair.slice(at + 1)]
  throw usage(`${pair} is not like KEY=value`, 'nodepilot config set KEY=value')
}

function missing(key: string, values: Values): Failure {
  const meant = nearest(key, Object.keys(values))
  const hint = meant === null ? 'see all: nodepilot config' : `did you mean ${meant}? all: nodepilot config`
  return new Failure('not_found', `${key} is not set`, hint, exit.notFound)
}
