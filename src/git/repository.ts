import { randomBytes } from 'node:crypto'
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { GitError, type SimpleGit, simpleGit } from 'simple-git'
import { projectNamePattern } from '../engine/domain/project.ts'
import { Refusal } from '../engine/domain/refusal.ts'
import { refNameProblem } from './ref-name.ts'
import { collectGarbage, removeStaleLocks, tidyRepository } from './upkeep.ts'

export type Environment = Readonly<Record<string, string>>

export interface RepositoriesOptions {
  /** `<home>/repositories`; made when the first repository is. */
  readonly root: string
  /** Absolute: where git finds `pre-receive` and `post-receive`. */
  readonly hooksDirectory: string
  /** PATH and HOME; everything git must not read is shut off on top of it. */
  readonly environment: Environment
}

/** The bare repositories of a home, one a project. */
export interface Repositories {
  /** Absolute. Refuses with `not_found` a name that no project can have. */
  path(name: string): string
  exists(name: string): Promise<boolean>
  /** Makes it unless it exists, all or nothing, and brings its settings up to date. Returns its path. */
  create(name: string): Promise<string>
  /** A repository that is always empty, to show to who pushes a project that does not exist yet. */
  empty(): Promise<string>
  /** What a clone checks out. */
  setHead(name: string, branch: string): Promise<void>
  /** Undoes a push whose last step failed, unless the ref has moved on. */
  moveBack(
    name: string,
    update: { readonly ref: string; readonly oldSha: string; readonly newSha: string },
  ): Promise<void>
  /** Moves a branch (null: makes or removes it), unless it is not where it is said to be: then false. */
  moveBranch(name: string, branch: string, from: string | null, to: string | null): Promise<boolean>
  /** Packs what has piled up, when it is much: pushes themselves never stop for it. */
  tidy(name: string): Promise<void>
  /** Throws away what no ref and none of these commits needs and is two weeks old. */
  collect(name: string, keep: readonly string[]): Promise<void>
  /** Absent counts as removed. */
  remove(name: string): Promise<void>
  /** The commit that a branch, a tag or a (shortened) commit id means, in this order; null for none. */
  resolve(name: string, ref: string): Promise<string | null>
  branchTip(name: string, branch: string): Promise<string | null>
  /** First line of a commit's message, null for no such commit; `objectEnvironment` for one in quarantine. */
  commitMessage(name: string, sha: string, objectEnvironment?: Environment): Promise<string | null>
}

export const shaPattern = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/
/** git holds a lock for milliseconds while it moves a ref, a while longer when it packs. */
const staleLockMs = 30_000
const shortShaPattern = /^[0-9a-f]{4,64}$/
const objectVariables = ['GIT_OBJECT_DIRECTORY', 'GIT_ALTERNATE_OBJECT_DIRECTORIES', 'GIT_QUARANTINE_PATH']

export function createRepositories(options: RepositoriesOptions): Repositories {
  const { root, environment } = options
  const path = (name: string) => {
    if (!projectNamePattern.test(name)) throw new Refusal('not_found', 'there is no such project')
    return join(root, `${name}.git`)
  }
  const exists = async (name: string) => projectNamePattern.test(name) && (await isRepository(path(name)))
  const git = (name: string) => openGit(path(name), environment)
  return {
    path,
    exists,
    async create(name) {
      const directory = path(name)
      if (!(await isRepository(directory))) await createWhole(root, name, directory, environment)
      await configure(directory, options.hooksDirectory)
      await removeStaleLocks(directory, staleLockMs, Date.now())
      return directory
    },
    async empty() {
      const directory = join(root, '.empty.git')
      if (!(await isRepository(directory))) await createWhole(root, 'empty', directory, environment)
      await configure(directory, options.hooksDirectory)
      return directory
    },
    async setHead(name, branch) {
      if (!isRefName(branch)) throw new Refusal('invalid', 'that is not the name of a branch')
      const text = `ref: refs/heads/${branch}\n`
      const file = join(path(name), 'HEAD')
      if ((await readFile(file, 'utf8').catch(() => '')) === text) return
      const draft = `${file}.${randomBytes(6).toString('hex')}`
      await writeFile(draft, text, { mode: 0o600 })
      await rename(draft, file)
    },
    async moveBack(name, { ref, oldSha, newSha }) {
      if (refNameProblem(ref) !== null || !shaPattern.test(oldSha) || !shaPattern.test(newSha)) return
      const change = /^0+$/.test(oldSha) ? ['-d', ref, newSha] : [ref, oldSha, newSha]
      await git(name).raw(['update-ref', ...change])
    },
    async moveBranch(name, branch, from, to) {
      if (!isRefName(branch) || [from, to].some((sha) => sha !== null && !shaPattern.test(sha))) return false
      const ref = `refs/heads/${branch}`
      // zeros stand for "there is none"
      const old = from ?? '0'.repeat(to?.length ?? 40)
      try {
        await git(name).raw(['update-ref', ...(to === null ? ['-d', ref, old] : [ref, to, old])])
        return true
      } catch (error) {
        if (error instanceof GitError && /cannot lock ref/i.test(error.message)) return false
        throw error
      }
    },
    async tidy(name) {
      if (!(await exists(name))) return
      await tidyRepository(path(name), gitEnvironment(environment))
    },
    async collect(name, keep) {
      if (!(await exists(name))) return
      await configure(path(name), options.hooksDirectory)
      await collectGarbage(path(name), gitEnvironment(environment), keep)
    },
    async remove(name) {
      await removeWhole(root, path(name))
    },
    async resolve(name, ref) {
      if (!isRefName(ref) || !(await exists(name))) return null
      if (shaPattern.test(ref)) return await commitOf(git(name), ref)
      const branch = await commitOf(git(name), `refs/heads/${ref}`)
      const named = branch ?? (await commitOf(git(name), `refs/tags/${ref}`))
      if (named !== null || !shortShaPattern.test(ref)) return named
      return await commitOf(git(name), ref)
    },
    async branchTip(name, branch) {
      if (!isRefName(branch) || !(await exists(name))) return null
      return await commitOf(git(name), `refs/heads/${branch}`)
    },
    async commitMessage(name, sha, objectEnvironment) {
      if (!shaPattern.test(sha) || !(await exists(name))) return null
      const all = { ...environment, ...pickObjects(objectEnvironment) }
      return await firstLine(openGit(path(name), all), sha)
    },
  }
}

/**
 * What git runs with: nothing of the machine's or a user's configuration, no prompts, no transports, and no
 * replaced objects: a pushed `refs/replace/…` would show other files than the commit has.
 */
export function gitEnvironment(base: Environment, objectEnvironment?: Environment): Record<string, string> {
  return {
    ...base,
    LC_ALL: 'C.UTF-8',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_NO_LAZY_FETCH: '1',
    GIT_ALLOW_PROTOCOL: 'none',
    ...pickObjects(objectEnvironment),
  }
}

/** Of a hook's environment, what lets another process see the objects that are still in quarantine. */
export function pickObjects(environment: Environment | undefined): Record<string, string> {
  const entries = objectVariables.map((name) => [name, environment?.[name]] as const)
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => entry[1] !== undefined))
}

/** Whether a name from a stranger may stand behind `refs/heads/` in an argument for git. */
function isRefName(name: string): boolean {
  return refNameProblem(`refs/heads/${name}`) === null
}

function isRepository(directory: string): Promise<boolean> {
  return stat(join(directory, 'HEAD')).then(
    () => true,
    () => false,
  )
}

/** Under another name first, so that a crash or two pushes at once never leave half a repository. */
async function createWhole(
  root: string,
  name: string,
  directory: string,
  environment: Environment,
): Promise<void> {
  const draft = join(root, `.new-${name}-${randomBytes(6).toString('hex')}`)
  await mkdir(draft, { recursive: true, mode: 0o700 })
  try {
    await openGit(draft, environment).init(true, ['--initial-branch=main', '--template='])
    await rename(draft, directory)
  } catch (error) {
    await rm(draft, { recursive: true, force: true })
    const code = (error as NodeJS.ErrnoException).code
    const taken = code === 'ENOTEMPTY' || code === 'EEXIST'
    if (!(taken && (await isRepository(directory)))) throw error
  }
}

/** Git stops seeing it at once; its files go after. */
async function removeWhole(root: string, directory: string): Promise<void> {
  const aside = join(root, `.removed-${randomBytes(6).toString('hex')}`)
  try {
    await rename(directory, aside)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  await rm(aside, { recursive: true, force: true })
}

/** The whole file is ours. Written again when NodePilot has moved, because hooks are named by their path. */
async function configure(directory: string, hooksDirectory: string): Promise<void> {
  const file = join(directory, 'config')
  const text = configurationText(hooksDirectory)
  if ((await readFile(file, 'utf8').catch(() => '')) === text) return
  const draft = `${file}.${randomBytes(6).toString('hex')}`
  await writeFile(draft, text, { mode: 0o600 })
  await rename(draft, file)
}

function configurationText(hooksDirectory: string): string {
  const quoted = hooksDirectory.replace(/[\\"]/g, '\\$&')
  return `# Written by NodePilot; changes are lost.
[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
\thooksPath = "${quoted}"
[receive]
\tshallowUpdate = true
\tadvertisePushOptions = true
[transfer]
\thideRefs = refs/nodepilot
[protocol]
\tallow = never
[transfer]
\thideRefs = refs/nodepilot
`
}

/** simple-git filters options and environment; what is allowed here are our own constants. */
export function openGit(directory: string, environment: Environment): SimpleGit {
  const env = gitEnvironment(environment, environment)
  return simpleGit({
    baseDir: directory,
    allowEnvironment: Object.keys(env).filter((name) => name.startsWith('GIT_')),
    unsafe: { allowUnsafeConfigPaths: true, allowUnsafeTemplateDir: true },
    completion: { onClose: true, onExit: false },
    timeout: { block: 30_000 },
    maxConcurrentProcesses: 2,
  }).env(env)
}

/** Only a checked ref or id gets here, and `--end-of-options` stands before it. */
async function commitOf(git: SimpleGit, revision: string): Promise<string | null> {
  try {
    const sha = await git.revparse(['--verify', '--end-of-options', `${revision}^{commit}`])
    return shaPattern.test(sha) ? sha : null
  } catch (error) {
    if (error instanceof GitError && isMissing(error)) return null
    throw error
  }
}

async function firstLine(git: SimpleGit, sha: string): Promise<string | null> {
  try {
    const text = await git.raw(['log', '-1', '--no-show-signature', '--format=%s', '--end-of-options', sha])
    return text.split('\n')[0]?.trim() ?? ''
  } catch (error) {
    if (error instanceof GitError && isMissing(error)) return null
    throw error
  }
}

/** git has one exit status for all errors, so its words decide (its language is set to English). */
function isMissing(error: GitError): boolean {
  return /needed a single revision|bad object|unknown revision|ambiguous/i.test(error.message)
}
