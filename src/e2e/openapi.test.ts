import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import { hello } from '../testing/apps.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { type WorkTree, workTree } from '../testing/work-tree.ts'

/**
 * The document against the server: every call is in it, every example is answered as written, and every answer
 * fits its schema to the letter (no field more, none less). A new call needs a row in `calls`.
 */

interface Call {
  readonly id: string
  readonly parameters?: Readonly<Record<string, string>>
  /** In place of the document's example. */
  readonly body?: object | FormData
  readonly status: number
}

/** In the order in which they make sense. */
const calls: readonly Call[] = [
  { id: 'document', status: 200 },
  {
    id: 'setup',
    status: 403,
    body: { code: 'AAAA-AAAA', username: 'eve', password: 'correct horse battery' },
  },
  { id: 'login', status: 200 },
  { id: 'verify', status: 200 },
  { id: 'createProject', status: 201 },
  { id: 'listProjects', status: 200 },
  { id: 'getProject', parameters: { id: 'shop' }, status: 200 },
  { id: 'postTokens', status: 201 },
  { id: 'getTokens', status: 200 },
  { id: 'token', parameters: { token: '1' }, status: 204 },
  { id: 'sessions', status: 200 },
  { id: 'session', parameters: { session: '2' }, status: 204 },
  { id: 'device', status: 200 },
  { id: 'deviceToken', body: { deviceCode: 'np_unknown' }, status: 404 },
  { id: 'postUsers', status: 201 },
  { id: 'getUsers', status: 200 },
  { id: 'patchUser', parameters: { user: '2' }, status: 200 },
  { id: 'putMember', parameters: { id: 'shop', username: 'ana' }, status: 200 },
  { id: 'members', parameters: { id: 'shop' }, status: 200 },
  { id: 'deleteMember', parameters: { id: 'shop', username: 'ana' }, status: 204 },
  { id: 'deleteUser', parameters: { user: '2' }, status: 204 },
  { id: 'systemDisk', status: 200 },
  { id: 'cleanDisk', status: 200 },
  { id: 'audit', status: 200 },
  { id: 'previews', parameters: { id: 'shop' }, status: 200 },
  { id: 'postDomains', parameters: { id: 'shop' }, status: 201 },
  { id: 'getDomains', parameters: { id: 'shop' }, status: 200 },
  { id: 'checkDomain', parameters: { id: 'shop', domain: 'www.shop.example' }, status: 200 },
  {
    id: 'patchDomain',
    parameters: { id: 'shop', domain: 'www.shop.example' },
    body: { primary: true, force: true },
    status: 200,
  },
  { id: 'deleteDomain', parameters: { id: 'shop', domain: 'www.shop.example' }, status: 204 },
  { id: 'getEnv', parameters: { id: 'shop' }, status: 200 },
  { id: 'putEnv', parameters: { id: 'shop' }, status: 200 },
  { id: 'patchEnv', parameters: { id: 'shop' }, status: 200 },
  { id: 'logs', parameters: { id: 'shop' }, status: 200 },
  { id: 'logDownload', parameters: { id: 'shop' }, status: 200 },
  { id: 'logStream', parameters: { id: 'shop' }, status: 406 },
  { id: 'deploy', parameters: { id: 'shop' }, status: 200 },
  { id: 'deployments', parameters: { id: 'shop' }, status: 200 },
  { id: 'deployment', parameters: { id: 'shop', number: '1' }, status: 200 },
  { id: 'deploymentLog', parameters: { id: 'shop', number: '1' }, status: 200 },
  { id: 'deploymentChanges', parameters: { id: 'shop', number: '1' }, status: 200 },
  { id: 'cancelDeployment', parameters: { id: 'shop', number: '1' }, status: 409 },
  { id: 'releases', parameters: { id: 'shop' }, status: 200 },
  { id: 'rollback', parameters: { id: 'shop' }, status: 200 },
  { id: 'metrics', parameters: { id: 'shop' }, status: 200 },
  { id: 'traffic', parameters: { id: 'shop' }, status: 200 },
  { id: 'allDeployments', status: 200 },
  { id: 'systemInfo', status: 200 },
  { id: 'systemMetrics', status: 200 },
  { id: 'systemProcesses', status: 200 },
  { id: 'health', status: 200 },
  { id: 'prometheus', status: 200 },
  { id: 'restart', parameters: { id: 'shop' }, status: 200 },
  { id: 'scale', parameters: { id: 'shop' }, status: 200 },
  { id: 'run', parameters: { id: 'shop' }, status: 200 },
  { id: 'runInput', parameters: { id: 'shop', run: 'none' }, status: 404 },
  { id: 'putRemote', parameters: { id: 'shop' }, status: 200 },
  { id: 'getRemote', parameters: { id: 'shop' }, status: 200 },
  { id: 'remoteSecret', parameters: { id: 'shop' }, status: 200 },
  { id: 'remoteKey', parameters: { id: 'shop' }, status: 200 },
  { id: 'deliveries', parameters: { id: 'shop' }, status: 200 },
  { id: 'hook', parameters: { project: 'shop' }, status: 401 },
  { id: 'deleteRemote', parameters: { id: 'shop' }, status: 204 },
  { id: 'fetch', parameters: { id: 'shop' }, status: 404 },
  { id: 'cron', parameters: { id: 'shop' }, status: 200 },
  { id: 'runCron', parameters: { id: 'shop', job: 'nothing' }, status: 404 },
  { id: 'cronRuns', parameters: { id: 'shop' }, status: 200 },
  { id: 'cronRun', parameters: { id: 'shop', run: '1' }, status: 404 },
  { id: 'cronOutput', parameters: { id: 'shop', run: '1' }, status: 404 },
  { id: 'cancelCron', parameters: { id: 'shop', run: '1' }, status: 404 },
  { id: 'stop', parameters: { id: 'shop' }, status: 200 },
  { id: 'start', parameters: { id: 'shop' }, status: 200 },
  { id: 'patchProject', parameters: { id: 'shop' }, status: 200 },
  { id: 'rotateKeys', status: 200 },
  { id: 'makeBackup', status: 201 },
  { id: 'backups', status: 200 },
  { id: 'downloadBackup', parameters: { backup: '00000000-000000-none' }, status: 404 },
  { id: 'backup', parameters: { backup: '00000000-000000-none' }, status: 404 },
  { id: 'deleteProject', parameters: { id: 'docs' }, status: 204 },
  {
    id: 'changePassword',
    body: { currentPassword: 'correct horse battery', newPassword: 'battery horse correct' },
    status: 204,
  },
  { id: 'logout', status: 204 },
]

interface Operation {
  readonly operationId: string
  readonly parameters?: readonly {
    readonly name: string
    readonly in: string
    readonly schema: { readonly example?: string }
  }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly example?: unknown }>> }
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, unknown>> }>>
}

interface Document {
  readonly openapi: string
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

describe('the document of the API', { timeout: 240_000 }, () => {
  let pilot: Pilot
  let tree: WorkTree
  let document: Document
  const operations = new Map<string, { method: string; path: string; operation: Operation }>()
  const schemas = new Ajv2020({ strict: false, allErrors: true })
  formats.default(schemas)

  before(async () => {
    pilot = await startPilot()
    tree = await workTree(hello('v1'))
    const pushed = await tree.push(pilot.remote('shop'))
    assert.equal(pushed.code, 0, pushed.all)
    document = (await pilot.api('/api/openapi.json')).json<Document>()
    schemas.addSchema(document, 'document')
    for (const [path, methods] of Object.entries(document.paths)) {
      for (const [method, operation] of Object.entries(methods)) {
        assert.ok(!operations.has(operation.operationId), `${operation.operationId} is there twice`)
        operations.set(operation.operationId, { method, path, operation })
      }
    }
  })
  after(async () => {
    await tree?.remove()
    await pilot?.stop()
  })

  test('it is OpenAPI 3.1, and every reference in it resolves', () => {
    assert.equal(document.openapi, '3.1.0')
    const references = JSON.stringify(document).match(/"\$ref":"[^"]+"/g) ?? []
    assert.ok(references.length > 20)
    for (const reference of new Set(references)) {
      const pointer = (JSON.parse(`{${reference}}`) as { $ref: string }).$ref
      assert.ok(pointer.startsWith('#/'), pointer)
      const found = pointer
        .slice(2)
        .split('/')
        .reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], document)
      assert.ok(found, `${pointer} leads nowhere`)
    }
  })

  test('every call of it is tried here', () => {
    const tried = new Set(calls.map(({ id }) => id))
    const missing = [...operations.keys()].filter((id) => !tried.has(id))
    assert.deepEqual(missing, [], 'not in the table above')
    assert.deepEqual(
      [...tried].filter((id) => !operations.has(id)),
      [],
      'not in the document',
    )
  })

  for (const call of calls) {
    test(`${call.id} answers ${call.status} as written`, async () => {
      const known = operations.get(call.id)
      assert.ok(known, `${call.id} is not in the document`)
      const { operation, method } = known
      const path = known.path.replace(
        /\{(\w+)\}/g,
        (_, name: string) => call.parameters?.[name] ?? `{${name}}`,
      )
      const example = operation.requestBody?.content['application/json']?.example
      const body = call.body ?? (example as object | undefined)
      const answer = await pilot.api(`${path}?${exampleQuery(operation)}`, {
        method: method.toUpperCase(),
        ...(body !== undefined && { body }),
      })
      assert.equal(answer.status, call.status, answer.text)
      const status = operation.responses[call.status] ? String(call.status) : 'default'
      const content = operation.responses[status]?.content
      const type = String(answer.headers['content-type'] ?? '').split(';')[0] ?? ''
      if (!content) return assert.equal(answer.text, '')
      assert.ok(content[type], `${type} is not among ${Object.keys(content).join(', ')}`)
      if (!type.endsWith('json')) return
      const pointer = ['paths', known.path, method, 'responses', status, 'content', type, 'schema']
        .map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1')))
        .join('/')
      const validate = schemas.compile({ $ref: `document#/${pointer}` })
      // of a stream every line is a document
      const documents = type.endsWith('ndjson')
        ? answer.text
            .trim()
            .split('\n')
            .map((line) => JSON.parse(line) as unknown)
        : [answer.json()]
      for (const one of documents) {
        assert.ok(validate(one), `${schemas.errorsText(validate.errors)}\n${answer.text}`)
      }
    })
  }
})

function exampleQuery({ parameters = [] }: Operation): string {
  const query = new URLSearchParams()
  for (const { name, in: place, schema } of parameters) {
    if (place === 'query' && schema.example !== undefined) query.set(name, schema.example)
  }
  return query.toString()
}
