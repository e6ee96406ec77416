import type { AppLog } from './app-log/line.ts'
import type { Addresses } from './context.ts'
import type { Vars } from './domain/config-vars.ts'
import { createRedactor, nothingHidden, type Redactor } from './domain/redact.ts'
import { Refusal } from './domain/refusal.ts'
import type { Paths } from './paths.ts'
import type { Store } from './store/store.ts'

/** Keeps the values of config vars out of every log. */
export interface Secrets {
  /** A project's log, in which every line lacks what its own release knew. */
  appLog(project: string): AppLog
  /** Before the first process of a release starts that is in no table yet: it may be abandoned, its lines stay. */
  learn(project: { readonly id: number; readonly name: string }, release: number, vars: Vars): void
  /** For the output of something that is under way. */
  veil(project: string): Veil
}

/** Hides more and more: what a deployment is about shows itself step by step. */
export interface Veil {
  hide(vars: Vars): void
  line(text: string): string
  /** For one output in order. Follows what is hidden later, too. */
  stream(): (line: string) => string
  refusal(refusal: Refusal): Refusal
}

/** Releases whose redactor is kept; beyond, the one unused for longest is made again when it is needed. */
const mostKept = 500

export function createSecrets(deps: {
  readonly store: Store
  readonly paths: Paths
  readonly addresses: Addresses
}): Secrets {
  const { store, paths, addresses } = deps
  const kept = new Map<string, { readonly values: ReadonlySet<string>; readonly redactor: Redactor }>()

  let learnt = 0

  /** What everybody may read who reads the log. */
  const knownOf = (project: string) => [addresses.app(project), addresses.panel(), addresses.git(project)]
  const keep = (key: string, project: string, values: ReadonlySet<string>): Redactor => {
    const redactor = createRedactor(values, knownOf(project))
    kept.delete(key)
    kept.set(key, { values, redactor })
    const [oldest] = kept.keys()
    if (kept.size > mostKept && oldest !== undefined) kept.delete(oldest)
    return redactor
  }
  const ofRelease = (id: number, project: string, number: number): Redactor => {
    const key = `${id} ${number}`
    const found = kept.get(key)
    if (found) return found.redactor
    const release = store.releases.find(id, number)
    // nothing is known of it: a later look may know more
    if (!release) return nothingHidden
    return keep(key, project, new Set(Object.values(release.readableVars)))
  }

  return {
    appLog(project) {
      const id = store.projects.find(project)?.id ?? null
      const find = (release: number) => (id === null ? nothingHidden : ofRelease(id, project, release))
      const hiding = lastAnswer(find, () => learnt)
      return { directory: paths.projectLogs(project), hiding }
    },
    learn({ id, name }, release, vars) {
      const key = `${id} ${release}`
      const before = kept.get(key)?.values ?? []
      learnt++
      keep(key, name, new Set([...before, ...Object.values(vars)]))
    },
    veil: (project) => createVeil(knownOf(project)),
  }
}

/** Line after line is of the same release: it is looked for once, until something was learnt. */
function lastAnswer(
  find: (release: number) => Redactor,
  learnt: () => number,
): (release: number) => Redactor {
  let last: { readonly release: number; readonly at: number; readonly redactor: Redactor } | undefined
  return (release) => {
    const at = learnt()
    if (last?.release !== release || last.at !== at) last = { release, at, redactor: find(release) }
    return last.redactor
  }
}

export function createVeil(known: readonly string[] = []): Veil {
  const values = new Set<string>()
  let redactor = nothingHidden
  return {
    hide(vars) {
      const before = values.size
      for (const value of Object.values(vars)) values.add(value)
      if (values.size > before) redactor = createRedactor(values, known)
    },
    line: (text) => redactor.line(text),
    stream() {
      let of = redactor
      let next = of.stream()
      return (line) => {
        if (of !== redactor) {
          of = redactor
          next = of.stream()
        }
        return next(line)
      }
    },
    refusal(refusal) {
      const { code, message, hint, lines, fields, retryAfter } = refusal
      const clean = (text: string) => redactor.line(text)
      const details = {
        ...(hint === undefined ? {} : { hint: clean(hint) }),
        ...(retryAfter === undefined ? {} : { retryAfter }),
        lines: lines.map(clean),
        fields,
        cause: refusal.cause,
      }
      return new Refusal(code, clean(message), details)
    },
  }
}
