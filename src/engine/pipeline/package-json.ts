import path from 'node:path'
import { z } from 'zod'
import { Refusal } from '../domain/refusal.ts'
import { readTreeFile } from './tree-file.ts'

/** What NodePilot reads of a `package.json`. As tolerant as npm: entries it would ignore are dropped. */

/** npm ignores scripts and versions that are not strings. */
const strings = z
  .record(z.string(), z.unknown())
  .transform((record) =>
    Object.fromEntries(
      Object.entries(record).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
    ),
  )

const workspaces = z.union([
  z.array(z.string()),
  z.looseObject({ packages: z.array(z.string()).default([]) }).transform((value) => value.packages),
])

export const packageJsonSchema = z.looseObject({
  name: z.string().optional(),
  version: z.string().optional(),
  main: z.string().optional(),
  bin: z.union([z.string(), strings]).optional(),
  scripts: strings.default({}),
  engines: strings.optional().catch(undefined),
  dependencies: strings.default({}),
  devDependencies: strings.default({}),
  optionalDependencies: strings.default({}),
  peerDependencies: strings.default({}),
  workspaces: workspaces.default([]),
  gypfile: z.boolean().optional().catch(undefined),
  packageManager: z.string().optional().catch(undefined),
})

export type PackageJson = z.infer<typeof packageJsonSchema>

/** Bytes. */
const largest = 2_000_000

/**
 * Reads `<root>/<folder>/package.json`; null where there is none. Refuses with `rejected_tree`, naming the
 * file as the pusher knows it, when it is not JSON or not the shape npm understands.
 */
export async function readPackageJson(root: string, folder = ''): Promise<PackageJson | null> {
  const name = path.posix.join(folder, 'package.json')
  const bytes = await readTreeFile(root, name, largest)
  return bytes === null ? null : parsePackageJson(bytes.toString('utf8'), name)
}

/** As `readPackageJson`, from text that is already there. `name` is for the sentence. */
export function parsePackageJson(text: string, name = 'package.json'): PackageJson {
  const parsed = packageJsonSchema.safeParse(parseJson(text, name))
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const field = issue?.path.join('.')
  throw refuse(name, field ? `has a wrong "${field}": ${issue?.message}` : 'must hold an object')
}

function parseJson(text: string, name: string): unknown {
  try {
    // Editors on Windows put a byte order mark there; npm takes it off too.
    return JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (error) {
    const why = /^(<{7}|={7}|>{7})/m.test(text) ? 'a merge conflict is left in it' : (error as Error).message
    throw refuse(name, `is not valid JSON: ${why}`)
  }
}

function refuse(name: string, what: string): Refusal {
  return new Refusal('rejected_tree', `${name} ${what}`, { hint: `correct ${name}, commit, push again` })
}
