import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type JsonSchema, schemaText } from './schema-text.ts'

const text = (schema: JsonSchema) =>
  schemaText(schema)
    .map((part) => part.text)
    .join('')

test('an object is written as people write types, with what a type does not say behind it', () => {
  const schema = {
    type: 'object',
    properties: {
      name: { type: 'string', maxLength: 100 },
      port: { type: ['integer', 'null'], minimum: 1024, maximum: 65_535 },
      scope: { type: 'string', enum: ['push', 'read'] },
      tags: { type: 'array', items: { type: 'string' } },
      limit: { type: 'integer', default: 50, description: 'how many' },
    },
    required: ['name'],
  }
  assert.equal(
    text(schema),
    [
      '{',
      '  name: string   # at most 100 characters',
      '  port?: integer | null   # at least 1024, at most 65535',
      '  scope?: "push" | "read"',
      '  tags?: [string]',
      '  limit?: integer   # how many, default 50',
      '}',
    ].join('\n'),
  )
})

test('a named shape is marked, so that the page can link to it', () => {
  const parts = schemaText({
    type: 'object',
    properties: { project: { $ref: '#/components/schemas/Project' } },
    required: ['project'],
  })
  assert.deepEqual(
    parts.filter(({ shape }) => shape),
    [{ text: 'Project', shape: 'Project' }],
  )
})

test('records, choices, nested objects and nothing at all have words too', () => {
  const record = { type: 'object', additionalProperties: { type: 'string' } }
  assert.equal(text(record), '{\n  <any name>: string\n}')
  assert.equal(text({ anyOf: [{ type: 'string' }, { type: 'null' }] }), 'string | null')
  assert.equal(text({ allOf: [{ $ref: '#/components/schemas/A' }, { type: 'object' }] }), 'A & {}')
  assert.equal(text({}), 'anything')
  const nested = { type: 'object', properties: { a: { type: 'object', properties: { b: { const: 1 } } } } }
  assert.equal(text(nested), '{\n  a?: {\n    b?: 1\n  }\n}')
})
