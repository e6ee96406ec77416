import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import { Refusal } from '../../domain/refusal.ts'

/** Deeper than any real monorepo; a bound on hostile patterns. */
const deepest = 6

/**
 * The folders below `root` that a `workspaces` field names and that hold a package.json, sorted. Understands
 * what monorepos use: plain folders, `*` in a name, `**`, and `!` before what is left out.
 */
export async function workspaceFolders(root: string, patterns: readonly string[]): Promise<string[]> {
  const found = new Set<string>()
  for (const pattern of patterns) {
    const excluded = pattern.startsWith('!')
    const clean = pattern
      .replace(/^!/, '')
      .replace(/^(\.?\/)+/, '')
      .replace(/\/+$/, '')
    for (const folder of await expand(root, '', clean.split('/'))) {
      if (excluded) found.delete(folder)
      else found.add(folder)
    }
  }
  return [...found].sort()
}

const workspaceYaml = z.looseObject({ packages: z.array(z.string()).nullish() }).nullish()

/** What pnpm-workspace.yaml names; nothing without one. Refuses with `install_failed` one that cannot be read. */
export async function pnpmPatterns(root: string): Promise<readonly string[]> {
  const file = 'pnpm-workspace.yaml'
  const text = await readFile(path.join(root, file), 'utf8').catch(() => '')
  try {
    return workspaceYaml.parse(parse(text))?.packages ?? []
  } catch (error) {
    const hint = `correct ${file}, commit, push again`
    throw new Refusal('install_failed', `${file} cannot be read`, { hint, cause: error })
  }
}

async function expand(root: string, at: string, segments: readonly string[]): Promise<string[]> {
  const [segment, ...rest] = segments
  if (segment === undefined) return (await holdsPackage(root, at)) ? [at] : []
  if (segment === '..') return []
  if (segment === '.') return expand(root, at, rest)
  if (!segment.includes('*')) return expand(root, path.posix.join(at, segment), rest)
  if (at.split('/').length > deepest) return []
  const found = segment === '**' ? await expand(root, at, rest) : []
  const matches = segment === '**' ? () => true : matcher(segment)
  for (const name of await folders(root, at)) {
    if (!matches(name)) continue
    const below = path.posix.join(at, name)
    found.push(...(await expand(root, below, segment === '**' ? segments : rest)))
  }
  return found
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

function matcher(segment: string): (name: string) => boolean {
  const source = segment.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
  const expression = new RegExp(`^${source.join('[^/]*')}$`)
  return (name) => expression.test(name)
}
