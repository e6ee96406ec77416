import { type Api, address } from '../client/api.ts'
import { exit, Failure, usage } from '../client/failure.ts'
import { printable } from '../client/printable.ts'
import { projectOf } from '../client/project.ts'
import type { Cli } from '../client/session.ts'
import { mapOf, object, read } from '../client/shape.ts'
import { nearest, shorten } from '../client/words.ts'

/** A setting as the server's own description of its API has it: so this command knows every one there will be. */
interface Setting {
  readonly types: ReadonlySet<string>
  /** An empty text means none. */
  readonly mayBeEmpty: boolean
  readonly words: string
}

type Known = Readonly<Record<string, Setting>>

/** `nodepilot settings`: all, with what they mean. Long values are whole in `--json`. */
export async function list(cli: Cli): Promise<void> {
  const { api, body } = await projectOf(cli, undefined)
  const values = valuesIn(body)
  const known = await fetchSettings(api)
  const set = Object.fromEntries(Object.keys(known).map((name) => [name, values[name] ?? null]))
  if (cli.out.json) return cli.out.document({ settings: set })
  const rows = Object.entries(known).map(([name, { words }]) => [
    name,
    shorten(shown(set[name]), 30),
    words.replaceAll(/\bnull:/g, 'empty:'),
  ])
  cli.out.table(['SETTING', 'VALUE', 'MEANS'], rows)
}

/** `nodepilot settings set healthPath=/up graceMs=5000`. */
export async function set(cli: Cli, pairs: readonly string[]): Promise<void> {
  const given = pairs.map(splitPair)
  const { api, project } = await projectOf(cli, undefined)
  const known = await fetchSettings(api)
  const change = given.map(([name, text]) => [name, parse(name, text, settingOf(known, name))])
  await send(cli, api, project.name, Object.fromEntries(change), 'set')
}

/** `nodepilot settings unset healthPath`: the app file or the server decides again. */
export async function unset(cli: Cli, names: readonly string[]): Promise<void> {
  const { api, project } = await projectOf(cli, undefined)
  const known = await fetchSettings(api)
  const change = names.map((name) => [name, none(name, settingOf(known, name))])
  await send(cli, api, project.name, Object.fromEntries(change), 'unset')
}

async function send(cli: Cli, api: Api, project: string, change: object, verb: string): Promise<void> {
  const { body } = await api.ask('PATCH', address`/api/project/${project}`, { body: change })
  if (cli.out.json) return cli.out.document(body)
  cli.out.line(`${verb} ${Object.keys(change).join(', ')}`)
  cli.out.note('most settings take effect with the next deployment or restart: nodepilot deploy --again')
}

const anything = (value: unknown) => value

/** What can be set on this server. */
export async function fetchSettings(api: Api): Promise<Known> {
  const json = object({ schema: object({ properties: mapOf(anything) }) })
  const call = object({
    patch: object({ requestBody: object({ content: object({ 'application/json': json }) }) }),
  })
  const document = read(
    object({ paths: object({ '/api/project/{id}': call }) }),
    await api.get('/api/openapi.json'),
  )
  const { content } = document.paths['/api/project/{id}'].patch.requestBody
  const { properties } = content['application/json'].schema
  return Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, toSetting(schema)]))
}

interface Schema {
  readonly type?: string | readonly string[]
  readonly anyOf?: readonly Schema[]
  readonly minLength?: number
  readonly enum?: readonly unknown[]
  readonly description?: string
}

function toSetting(value: unknown): Setting {
  const schema = (value ?? {}) as Schema
  const parts = [schema, ...(schema.anyOf ?? [])]
  const choices = parts.flatMap((part) => part.enum ?? []).join(' or ')
  return {
    types: new Set(parts.flatMap(({ type }) => type ?? [])),
    mayBeEmpty: schema.type === 'string' && (schema.minLength ?? 0) === 0 && schema.enum === undefined,
    words: printable(schema.description ?? choices),
  }
}

function valuesIn(body: unknown): Readonly<Record<string, unknown>> {
  return read(object({ project: mapOf(anything) }), body).project
}

function settingOf(known: Known, name: string): Setting {
  const found = Object.hasOwn(known, name) ? known[name] : undefined
  if (found) return found
  const meant = nearest(name, Object.keys(known))
  const hint =
    meant === null ? 'see all: nodepilot settings' : `did you mean ${meant}? all: nodepilot settings`
  throw new Failure('not_found', `there is no setting ${name}`, hint, exit.notFound)
}

/** What the words mean for a setting of this kind; whether they fit, the server says. */
function parse(name: string, text: string, { types }: Setting): unknown {
  if (types.has('boolean')) {
    if (/^(true|yes|on)$/i.test(text)) return true
    if (/^(false|no|off)$/i.test(text)) return false
    throw usage(`${name} is yes or no`, `nodepilot settings set ${name}=yes`)
  }
  if (types.has('integer') || types.has('number')) {
    if (text.trim() !== '' && Number.isFinite(Number(text))) return Number(text)
    throw usage(`${name} is a number`, `nodepilot settings set ${name}=1000`)
  }
  return types.has('array') || types.has('object') ? parseJson(name, text) : text
}

function parseJson(name: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw usage(`${name} is a list, written as JSON`, `nodepilot settings set '${name}=[…]'`)
  }
}

function none(name: string, { types, mayBeEmpty }: Setting): unknown {
  if (types.has('null')) return null
  if (types.has('array')) return []
  if (mayBeEmpty) return ''
  throw usage(`${name} always has a value`, `nodepilot settings set ${name}=…`)
}

function splitPair(pair: string): [string, string] {
  const at = pair.indexOf('=')
  if (at > 0) return [pair.slice(0, at), pair.slice(at + 1)]
  throw usage(`${pair} is not like name=value`, 'nodepilot settings set healthPath=/up')
}

function shown(value: unknown): string {
  if (value === null || value === undefined || value === '') return ''
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  return printable(typeof value === 'object' ? JSON.stringify(value) : String(value))
}
