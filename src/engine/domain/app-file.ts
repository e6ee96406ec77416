import { z } from 'zod'
import { bootTimeoutMs, command, folder, graceMs, healthPath, nodeVersion } from './app-fields.ts'
import { cronJobs } from './cron.ts'
import { varName } from './environment.ts'
import { Refusal } from './refusal.ts'

/** `nodepilot.json`: what an app says about itself. What it does not name is left to others. */
export const appFile = z.strictObject({
  /** For editors. */
  $schema: z.string().optional(),
  rootDir: folder.optional(),
  node: nodeVersion.optional(),
  build: command.optional(),
  release: command.optional(),
  start: command.optional(),
  static: folder.optional(),
  spa: z.boolean().optional(),
  healthPath: healthPath.optional(),
  bootTimeoutMs: bootTimeoutMs.optional(),
  graceMs: graceMs.optional(),
  env: z.array(varName).max(200, 'it names more than 200').optional(),
  cron: cronJobs.optional(),
})

export type AppFile = z.infer<typeof appFile>

/** Mistakes that a refusal names. */
const mostNamed = 5

/** `name` is the file as the pusher knows it. Refuses with `rejected_tree`, naming every field that is wrong. */
export function parseAppFile(text: string, name = 'nodepilot.json'): AppFile {
  const parsed = appFile.safeParse(parseJson(text, name))
  if (!parsed.success) throw refuse(name, parsed.error.issues.flatMap(mistakesOf))
  if (parsed.data.start !== undefined && parsed.data.static !== undefined) {
    throw refuse(name, [{ field: 'static', message: 'files are served or a process is started, not both' }])
  }
  return parsed.data
}

interface Mistake {
  readonly field: string
  readonly message: string
}

function mistakesOf(issue: z.core.$ZodIssue): Mistake[] {
  const at = (more: readonly PropertyKey[] = []) => [...issue.path, ...more].join('.').slice(0, 100)
  if (issue.code !== 'unrecognized_keys') return [{ field: at(), message: messageOf(issue) }]
  return issue.keys.map((key) => ({ field: at([key]), message: 'there is no such field' }))
}

function messageOf({ message }: z.core.$ZodIssue): string {
  const plain = message.replace(/^Invalid input: /, '')
  return plain.charAt(0).toLowerCase() + plain.slice(1)
}

function refuse(name: string, mistakes: readonly Mistake[]): Refusal {
  const [first, ...others] = mistakes.slice(0, mostNamed)
  const sentence = ({ field, message }: Mistake) => (field === '' ? message : `${field}: ${message}`)
  const unknown = mistakes.some(({ message }) => message === 'there is no such field')
  const known = Object.keys(appFile.shape).filter((field) => !field.startsWith('$'))
  return new Refusal('rejected_tree', `${name}: ${first ? sentence(first) : 'it cannot be used'}`, {
    hint: unknown ? `the fields are: ${known.join(', ')}` : `correct ${name}, commit, push again`,
    lines: others.map((mistake) => `${name}: ${sentence(mistake)}`),
    fields: mistakes.slice(0, mostNamed),
  })
}

function parseJson(text: string, name: string): unknown {
  try {
    // editors on Windows put a byte order mark there
    return JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (error) {
    throw refuse(name, [{ field: '', message: `it is not valid JSON: ${(error as Error).message}` }])
  }
}
