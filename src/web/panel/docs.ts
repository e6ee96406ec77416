import { Hono } from 'hono'
import type { Endpoint } from '../endpoint.ts'
import { openApiDocument } from '../openapi.ts'
import { paths } from '../paths.ts'
import { page } from '../render.ts'
import { type JsonSchema, type Part, schemaText } from '../schema-text.ts'
import type { Env, Services } from '../services.ts'
import { requireSession } from '../session.ts'

/** The page about the API: the OpenAPI document, for people. */
export function docsPage(services: Services, endpoints: readonly Endpoint[]): Hono<Env> {
  const pages = new Hono<Env>()
  let made: ReturnType<typeof chapters> | undefined
  pages.get(paths.panel.docs, requireSession(services), (c) => {
    made ??= chapters(openApiDocument(endpoints, services.version) as unknown as Document)
    return page(c, 'docs', { title: 'API', ...made, base: services.addresses.panel() })
  })
  return pages
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components?: { readonly schemas?: Readonly<Record<string, JsonSchema>> }
}

interface Content {
  readonly schema?: JsonSchema
  readonly example?: unknown
}

interface Operation {
  readonly operationId: string
  readonly tags: readonly string[]
  readonly summary: string
  readonly description?: string
  readonly parameters?: readonly {
    readonly name: string
    readonly in: string
    readonly required?: boolean
    readonly schema: JsonSchema
  }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, Content>> }
  readonly responses: Readonly<
    Record<string, { readonly description: string; readonly content?: Readonly<Record<string, Content>> }>
  >
}

interface Call {
  readonly id: string
  readonly method: string
  readonly path: string
  readonly summary: string
  readonly description: string
  readonly parameters: readonly { readonly name: string; readonly where: string; readonly type: string }[]
  readonly bodies: readonly Body[]
  readonly example: string | null
  readonly answers: readonly (Body & { readonly status: string; readonly description: string })[]
}

interface Body {
  readonly type: string
  readonly shape: readonly Part[]
}

function chapters(document: Document) {
  const byTag = new Map<string, Call[]>()
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const tag = operation.tags[0] ?? 'Others'
      byTag.set(tag, [...(byTag.get(tag) ?? []), callOf(method, path, operation)])
    }
  }
  const shapes = Object.entries(document.components?.schemas ?? {}).map(([name, schema]) => ({
    name,
    description: schema.description ?? '',
    shape: schemaText(schema),
  }))
  return { chapters: [...byTag].map(([tag, calls]) => ({ tag, calls })), shapes }
}

function callOf(method: string, path: string, operation: Operation): Call {
  return {
    id: operation.operationId,
    method: method.toUpperCase(),
    path,
    summary: operation.summary,
    description: operation.description ?? '',
    parameters: (operation.parameters ?? []).map(({ name, in: where, schema }) => ({
      name,
      where,
      type: plain(schemaText({ type: 'object', properties: { x: schema }, required: ['x'] })).slice(7, -2),
    })),
    bodies: bodiesOf(operation.requestBody?.content ?? {}),
    example: exampleOf(operation.requestBody?.content['application/json']?.example),
    answers: Object.entries(operation.responses)
      .filter(([status]) => status !== 'default')
      .map(([status, { description, content }]) => {
        const [body] = bodiesOf(content ?? {})
        return { status, description, type: body?.type ?? '', shape: body?.shape ?? [] }
      }),
  }
}

function bodiesOf(content: Readonly<Record<string, Content>>): Body[] {
  return Object.entries(content).map(([type, { schema }]) => ({ type, shape: schemaText(schema ?? {}) }))
}

function exampleOf(example: unknown): string | null {
  return example === undefined ? null : JSON.stringify(example)
}

function plain(parts: readonly Part[]): string {
  return parts.map(({ text }) => text).join('')
}
