import { GitError, type SimpleGit } from 'simple-git'
import type { CommitRange, SourceCommit, SourceHistory } from '../engine/ports.ts'
import { type Environment, openGit, pickObjects, shaPattern } from './repository.ts'

export interface HistoryOptions {
  /** The bare repository. */
  readonly directory: string
  /** A whole commit id. */
  readonly sha: string
  /** PATH and HOME. */
  readonly environment: Environment
  /** The hook's object variables, for a commit that is still in quarantine. */
  readonly objectEnvironment?: Environment | undefined
}

const mostCommits = 50
const longestSubject = 300
const largestFile = 20_000_000
/** Hash, subject, author, time: nothing of them is taken from a file of the repository. */
const format = '%H%x00%s%x00%an%x00%aI'

/** Where a commit comes from. Subjects and names are a stranger's words: data, and nothing else. */
export function commitHistory({ directory, sha, ...options }: HistoryOptions): SourceHistory {
  const git = openGit(directory, { ...options.environment, ...pickObjects(options.objectEnvironment) })
  return {
    async against(revision) {
      if (!shaPattern.test(revision)) return null
      try {
        const [added, removed] = await Promise.all([
          readRange(git, `${revision}..${sha}`),
          readRange(git, `${sha}..${revision}`),
        ])
        return { added, removed }
      } catch (error) {
        // one of them is no longer there: overwritten by a forced push, and cleared away since
        if (error instanceof GitError) return null
        throw error
      }
    },
    async file(path) {
      const object = `${sha}:${path}`
      try {
        if (Number(await git.raw(['cat-file', '-s', object])) > largestFile) return null
        return await git.raw(['cat-file', 'blob', object])
      } catch (error) {
        if (error instanceof GitError) return null
        throw error
      }
    },
  }
}

async function readRange(git: SimpleGit, range: string): Promise<CommitRange> {
  const flags = ['-z', '--no-mailmap', '--no-show-signature', '--no-color', '--encoding=UTF-8']
  const words = ['log', ...flags, `--max-count=${mostCommits}`, `--format=tformat:${format}`]
  const text = await git.raw([...words, '--end-of-options', range])
  const commits = parseLog(text)
  if (commits.length < mostCommits) return { commits, count: commits.length }
  const count = Number(await git.raw(['rev-list', '--count', '--end-of-options', range]))
  return { commits, count }
}

function parseLog(text: string): SourceCommit[] {
  const words = text.split('\0')
  const commits: SourceCommit[] = []
  for (let n = 0; n + 3 < words.length; n += 4) {
    const [sha = '', subject = '', author = '', at = ''] = words.slice(n, n + 4)
    if (!shaPattern.test(sha)) break
    commits.push({
      sha,
      subject: subject.slice(0, longestSubject),
      author: author.slice(0, 100),
      at: timeOf(at),
    })
  }
  return commits
}

/** The author's clock can say anything. */
function timeOf(text: string): string | null {
  const time = new Date(text)
  return Number.isNaN(time.getTime()) || time.getUTCFullYear() > 9999 ? null : time.toISOString()
}
