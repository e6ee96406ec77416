/** JSON Schema (2020-12, as OpenAPI 3.1 uses it) as people write types, for the page about the API. */

export interface Part {
  readonly text: string
  /** The name of a shape that this part names. */
  readonly shape?: string
}

export interface JsonSchema {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly anyOf?: readonly JsonSchema[]
  readonly oneOf?: readonly JsonSchema[]
  readonly allOf?: readonly JsonSchema[]
  readonly items?: JsonSchema
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | JsonSchema
  readonly description?: string
  readonly format?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly maxLength?: number
  readonly default?: unknown
}

/** `{ name: string, port?: integer | null }` over several lines, with the named shapes marked. */
export function schemaText(schema: JsonSchema, indent = ''): readonly Part[] {
  if (schema.$ref) return [shapeOf(schema.$ref)]
  if (schema.allOf) return alternatives(schema.allOf, ' & ', indent)
  const choices = schema.anyOf ?? schema.oneOf
  if (choices) return alternatives(choices, ' | ', indent)
  if (schema.enum) return [{ text: schema.enum.map((value) => JSON.stringify(value)).join(' | ') }]
  if (schema.const !== undefined) return [{ text: JSON.stringify(schema.const) }]
  const types = [schema.type ?? 'anything'].flat()
  return join(
    types.map((type) => oneType(type, schema, indent)),
    ' | ',
  )
}

function oneType(type: string, schema: JsonSchema, indent: string): readonly Part[] {
  if (type === 'array') return [{ text: '[' }, ...schemaText(schema.items ?? {}, indent), { text: ']' }]
  if (type === 'object') return objectText(schema, indent)
  return [{ text: type }]
}

function objectText(schema: JsonSchema, indent: string): readonly Part[] {
  const inner = `${indent}  `
  const required = new Set(schema.required)
  const fields = Object.entries(schema.properties ?? {}).map(([name, field]) => [
    { text: `${inner}${name}${required.has(name) ? '' : '?'}: ` },
    ...schemaText(field, inner),
    ...note(field),
  ])
  const others = schema.additionalProperties
  if (typeof others === 'object') {
    fields.push([{ text: `${inner}<any name>: ` }, ...schemaText(others, inner)])
  }
  if (fields.length === 0) return [{ text: '{}' }]
  return [{ text: '{\n' }, ...join(fields, '\n'), { text: `\n${indent}}` }]
}

/** What a type alone does not say, behind the field. */
function note({ description, format, minimum, maximum, maxLength, default: usual }: JsonSchema): Part[] {
  const words = [
    description,
    description ? undefined : format,
    minimum !== undefined && Math.abs(minimum) < Number.MAX_SAFE_INTEGER ? `at least ${minimum}` : undefined,
    maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER ? `at most ${maximum}` : undefined,
    maxLength === undefined ? undefined : `at most ${maxLength} characters`,
    usual === undefined ? undefined : `default ${JSON.stringify(usual)}`,
  ].filter((word) => word !== undefined)
  return words.length === 0 ? [] : [{ text: `   # ${words.join(', ')}` }]
}

function alternatives(choices: readonly JsonSchema[], between: string, indent: string): readonly Part[] {
  return join(
    choices.map((choice) => schemaText(choice, indent)),
    between,
  )
}

function join(parts: readonly (readonly Part[])[], between: string): readonly Part[] {
  return parts.flatMap((part, index) => (index === 0 ? part : [{ text: between }, ...part]))
}

function shapeOf(reference: string): Part {
  const name = reference.replace('#/components/schemas/', '')
  return { text: name, shape: name }
}
