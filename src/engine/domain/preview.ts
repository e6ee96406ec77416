import { createHash } from 'node:crypto'
import { projectNamePattern } from './project.ts'

/** What makes a project a preview of another one. */
export interface PreviewOf {
  /** The number of the parent. */
  readonly parent: number
  readonly branch: string
  /** Names of config vars that were changed in the preview itself. */
  readonly ownVars: readonly string[]
  /** The last push or request, ISO 8601. */
  readonly usedAt: string
}

const longestName = 40
const hashLength = 6

/**
 * `<branch>--<project>`, to the letter where that is a name. Else the branch is written with a-z, 0-9 and -, both are
 * cut to fit, and six characters of a hash keep two branches apart that would look alike then.
 */
export function previewName(project: string, branch: string): string {
  const plain = `${branch}--${project}`
  if (projectNamePattern.test(plain)) return plain
  const hash = createHash('sha256').update(`${project}\0${branch}`).digest('hex').slice(0, hashLength)
  const slug = branch
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+/, '')
  const ofBranch = Math.max(longestName - hashLength - '---'.length - project.length, 8)
  const head = [cut(slug, ofBranch), hash].filter((part) => part !== '').join('-')
  // a name begins with a letter, a hash may not
  const begin = /^[a-z]/.test(head) ? head : `b${head}`
  return `${begin}--${cut(project, longestName - begin.length - 2)}`
}

function cut(text: string, length: number): string {
  return text.slice(0, length).replace(/-+$/, '')
}

/** Config vars of a preview: those of its parent, but for what was changed or removed in the preview itself. */
export function inherited<T>(
  ofParent: Readonly<Record<string, T>>,
  own: Readonly<Record<string, T>>,
  ownNames: readonly string[],
): Record<string, T> {
  const names = new Set(ownNames)
  const pick = (from: Readonly<Record<string, T>>, mine: boolean) =>
    Object.entries(from).filter(([name]) => names.has(name) === mine)
  return Object.fromEntries([...pick(ofParent, false), ...pick(own, true)])
}
