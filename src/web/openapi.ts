import { OpenAPIHono, z } from '@hono/zod-openapi'
import { problem } from './api/shapes.ts'
import type { Answer, Endpoint } from './endpoint.ts'
import { paths } from './paths.ts'

/** The OpenAPI 3.1 document of these endpoints, made from the schemas that validate. */
export function openApiDocument(endpoints: readonly Endpoint[], version: string) {
  const { openAPIRegistry: registry, getOpenAPI31Document } = new OpenAPIHono()
  registry.registerComponent('securitySchemes', 'bearer', {
    type: 'http',
    scheme: 'bearer',
    description: 'the token of a session, or one that was made for a program (`np_…`)',
  })
  for (const endpoint of endpoints) registry.registerPath(describe(endpoint, endpoints))
  return getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'NodePilot',
      version,
      description:
        'Times are ISO 8601 in UTC, sizes bytes, durations milliseconds. Errors are RFC 9457 problems.',
    },
    servers: [{ url: '/' }],
  })
}

function describe(endpoint: Endpoint, all: readonly Endpoint[]) {
  const { method, path, tag, summary, description, access } = endpoint
  const content = bodyContent(endpoint)
  return {
    method,
    path: path.replace(/:(\w+)/g, '{$1}'),
    operationId: operationId(endpoint, all),
    tags: [tag],
    summary,
    description: [description, accessNote(access)].filter(Boolean).join('\n\n'),
    security: access === 'anyone' ? [] : [{ bearer: [] }],
    request: {
      ...(path.includes(':') && { params: pathParameters(path) }),
      ...(endpoint.query && { query: withExamples(endpoint.query, endpoint.example?.query ?? {}) }),
      ...(content && { body: { content, required: false } }),
    },
    responses: {
      ...Object.fromEntries(Object.entries(endpoint.answers).map(([status, one]) => [status, answer(one)])),
      default: {
        description: 'a refusal: 400, 401, 403, 404, 409, 413, 415, 422, 429 with `Retry-After`, or 503',
        content: { 'application/problem+json': { schema: problem } },
      },
    },
  }
}

function bodyContent({ body, form, raw, example }: Endpoint) {
  if (!body && !form && !raw) return null
  return {
    ...(raw !== undefined && { [raw]: { schema: z.string() } }),
    ...(body && {
      'application/json': { schema: body, ...(example?.body !== undefined && { example: example.body }) },
    }),
    ...(form && { 'multipart/form-data': { schema: form } }),
  }
}

function withExamples(query: z.ZodObject, examples: Readonly<Record<string, string>>) {
  const shape = Object.entries(query.shape).map(([name, schema]) => {
    const example = examples[name]
    return [
      name,
      example === undefined
        ? schema
        : (schema as z.ZodType).meta({ ...z.globalRegistry.get(schema), example }),
    ]
  })
  return z.object(Object.fromEntries(shape))
}

function answer({ description, schema, type }: Answer) {
  if (schema === problem) return { description, content: { 'application/problem+json': { schema } } }
  if (schema) return { description, content: { [type ?? 'application/json']: { schema } } }
  if (type) return { description, content: { [type]: { schema: z.string() } } }
  return { description }
}

/** `getTokens`, `createTokens` … from the name in the table of paths; a name that is a call already stays. */
function operationId({ method, path }: Endpoint, all: readonly Endpoint[]): string {
  const { health, prometheus } = paths
  const key =
    Object.entries({ ...paths.api, health, prometheus }).find(([, one]) => one === path)?.[0] ??
    path.replace(/\W+/g, '_')
  const alone = all.filter((other) => other.path === path).length === 1
  return alone ? key : `${method}${key[0]?.toUpperCase()}${key.slice(1)}`
}

function accessNote(access: Endpoint['access']): string {
  if (access === 'anyone') return 'Needs no sign-in.'
  return access === 'signed-in' ? 'Needs a session or a token.' : `Needs the right \`${access}\`.`
}

const parameterNotes: Readonly<Record<string, string>> = {
  id: 'a project, by number or name',
  number: 'of a deployment, counted in its project',
}

function pathParameters(path: string) {
  const names = [...path.matchAll(/:(\w+)/g)].map(([, name]) => name as string)
  return z.object(
    Object.fromEntries(
      names.map((name) => [name, z.string().meta({ description: parameterNotes[name] ?? `the ${name}` })]),
    ),
  )
}
