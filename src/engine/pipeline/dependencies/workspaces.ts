import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { parse, YAMLParseError } from 'yaml'
import { z } from 'zod'
import { Refusal } from '../../domain/refusal.ts'
import { readTreeFile } from '../tree-file.ts'
import { closure, type Glob, literalOf, matches, parseGlob, type State, step } from './workspace-glob.ts'

/** Deeper than any real monorepo; a bound on hostile patterns. */
const deepest = 6
const mostPatterns = 100

/**
 * The folders below `root` that a `workspaces` field names and that hold a package.json, sorted. Understands
 * what monorepos use: plain folders, `*` in a name, `**`, and `!` before what is left out. Each folder is looked at
 * once, whatever the patterns. Refuses more than 100 of them with `install_failed`.
 */
export async function workspaceFolders(root: string, patterns: readonly string[]): Promise<string[]> {
  if (patterns.length > mostPatterns) throw tooMany()
  const globs = patterns.map(parseGlob)
  const hits = new Map(globs.map((glob) => [glob, new Set<string>()]))
  await walk(root, '', closure(globs.map((glob) => ({ glob, position: 0 }))), hits)
  const found = new Set<string>()
  for (const glob of globs) {
    for (const folder of hits.get(glob) ?? []) {
      if (glob.excludes) found.delete(folder)
      else found.add(folder)
    }
  }
  return [...found].sort()
}

const workspaceYaml = z.looseObject({ packages: z.array(z.string()).nullish() }).nullish()
/** Bytes. */
const largestYaml = 200_000
/** Characters. */
const longestReason = 200

/** What pnpm-workspace.yaml names; nothing without one. Refuses with `install_failed` one that cannot be read. */
export async function pnpmPatterns(root: string): Promise<readonly string[]> {
  const file = 'pnpm-workspace.yaml'
  const text = (await readTreeFile(root, file, largestYaml))?.toString('utf8') ?? ''
  try {
    if (!isTame(text)) throw new Error('it is nested deeper than any such file')
    return workspaceYaml.parse(parse(text, cheap))?.packages ?? []
  } catch (error) {
    const hint = `correct ${file}, commit, push again`
    throw new Refusal('install_failed', `${file} cannot be read: ${whyNot(error, text)}`, {
      hint,
      cause: error,
    })
  }
}

function whyNot(error: unknown, text: string): string {
  if (error instanceof YAMLParseError) {
    const line = text.slice(0, error.pos[0]).split(/\r\n|\n|\r/).length
    return `line ${line}: ${error.message.slice(0, longestReason)}`
  }
  if (!(error instanceof z.ZodError)) return error instanceof Error ? error.message : String(error)
  const [field, index] = error.issues[0]?.path ?? []
  if (field === undefined) return 'it has to be fields with values, like "packages:"'
  return index === undefined
    ? `${String(field)} has to be a list of folders`
    : `entry ${Number(index) + 1} of ${String(field)} has to be a text`
}

/** To look for keys that are there twice takes a time that grows with the square of their number. */
const cheap = { uniqueKeys: false, prettyErrors: false, logLevel: 'error' } as const
const longestLine = 5_000
const deepestColumn = 100
const mostFlows = 1_000

/**
 * The parser recurses, and makes patterns as long as the indentation: of thousands of levels the process would die,
 * and no error could be caught.
 */
function isTame(text: string): boolean {
  const flows = text.match(/[[{]/g)?.length ?? 0
  return flows <= mostFlows && text.split(/\r\n|\n|\r/).every(isTameLine)
}

function isTameLine(line: string): boolean {
  const lead = /^(?:[ \t]|[-?:](?=[ \t]|$))*/.exec(line)?.[0].length ?? 0
  return line.length <= longestLine && lead <= deepestColumn
}

/** `states`: how far each pattern has come with the folders on the way to `at`. */
async function walk(
  root: string,
  at: string,
  states: readonly State[],
  hits: ReadonlyMap<Glob, Set<string>>,
): Promise<void> {
  const going = states.filter(({ glob, position }) => position < glob.segments.length)
  const ended = states.filter((state) => !going.includes(state))
  if (ended.length > 0 && (await holdsPackage(root, at))) {
    for (const { glob } of ended) hits.get(glob)?.add(at)
  }
  const next = new Map<string, State[]>()
  const lead = (name: string, state: State) => next.set(name, [...(next.get(name) ?? []), state])
  const wild = going.filter((state) => literalOf(state) === null)
  for (const state of going) {
    const name = literalOf(state)
    if (name !== null) lead(name, step(state))
  }
  if (wild.length > 0 && at.split('/').length <= deepest) {
    for (const name of await folders(root, at)) {
      for (const state of wild) if (matches(state, name)) lead(name, step(state))
    }
  }
  for (const [name, after] of next) await walk(root, path.posix.join(at, name), closure(after), hits)
}

async function folders(root: string, at: string): Promise<string[]> {
  const entries = await readdir(path.join(root, at), { withFileTypes: true }).catch(() => [])
  return entries
    .filter((entry) => entry.isDirectory() && entry.name !== 'node_modules' && !entry.name.startsWith('.'))
    .map((entry) => entry.name)
}

async function holdsPackage(root: string, at: string): Promise<boolean> {
  const names = at === '' ? [] : await readdir(path.join(root, at)).catch(() => [])
  return names.includes('package.json')
}

function tooMany(): Refusal {
  return new Refusal('install_failed', `workspaces: there are more than ${mostPatterns} patterns`, {
    hint: 'name folders together: packages/*',
  })
}
