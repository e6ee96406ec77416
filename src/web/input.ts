import type { Context } from 'hono'
import type { z } from 'zod'
import { Refusal } from '../engine/domain/refusal.ts'
import type { Env } from './services.ts'

const jsonLimit = 1_000_000

/** The JSON body by its schema. Refuses with `malformed`, `too_large`, `unsupported_media_type` or `invalid`. */
export async function readJson<T extends z.ZodType>(c: Context<Env>, schema: T): Promise<z.infer<T>> {
  const text = await readText(c)
  if (text && !/^application\/(json|[\w.+-]+\+json)\b/i.test(c.req.header('content-type') ?? '')) {
    throw new Refusal('unsupported_media_type', 'the body must be JSON', {
      hint: 'send Content-Type: application/json',
    })
  }
  return parse(schema, parseJson(text))
}

/** The query by its schema. */
export function readQuery<T extends z.ZodType>(c: Context<Env>, schema: T): z.infer<T> {
  return parse(schema, c.req.query())
}

/** Fields that a refusal names: a megabyte of wrong ones, from anybody, is not answered with ten. */
const mostNamed = 20

function named(path: readonly PropertyKey[]): string {
  return path.join('.').slice(0, 200)
}

/** Values of any origin by their schema; the refusal names the fields that are wrong, twenty at most. */
export function parse<T extends z.ZodType>(schema: T, value: unknown): z.infer<T> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const fields = parsed.error.issues.slice(0, mostNamed).flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.slice(0, mostNamed).map((key) => ({
          field: named([...issue.path, key]),
          message: 'there is no such field',
        }))
      : [{ field: named(issue.path) || 'body', message: messageOf(issue) }],
  )
  const first = fields[0]
  throw new Refusal('invalid', `${first?.field}: ${first?.message}`, {
    fields: fields.slice(0, mostNamed),
    hint: 'mend the named fields and send it again',
  })
}

/** A wrong key of a record says so inside; show that message, not "invalid key". */
function messageOf(issue: z.core.$ZodIssue): string {
  return issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message
}

export function parseJson(text: string): unknown {
  if (text.trim() === '') return {}
  try {
    return JSON.parse(text)
  } catch {
    throw new Refusal('malformed', 'the body is not valid JSON')
  }
}

/** The whole body, which nothing that is not a file may exceed 1 MB with. */
export async function readText(c: Context<Env>): Promise<string> {
  return (await readBytes(c, jsonLimit)).toString('utf8')
}

/** The whole body as it came. Refuses with `too_large` or `malformed`. */
export async function readBytes(c: Context<Env>, limit: number): Promise<Buffer> {
  const parts: Buffer[] = []
  let bytes = 0
  const { incoming } = c.env
  try {
    // leaving the loop must not end the connection, or the client would never read our answer
    for await (const chunk of incoming.iterator({ destroyOnReturn: false })) {
      bytes += (chunk as Buffer).length
      if (bytes > limit) throw new Refusal('too_large', `the body has more than ${limit / 1_000_000} MB`)
      parts.push(chunk as Buffer)
    }
  } catch (error) {
    incoming.resume()
    throw incoming.errored ? new Refusal('malformed', 'the body ended in the middle') : error
  }
  return Buffer.concat(parts)
}
