import { runCommand } from './command.ts'
import { Failure } from './failure.ts'

/** The name of the remote that `create` adds and every command looks for. */
export const remoteName = 'nodepilot'

export interface GitRemote {
  /** Origin of the server, without what a URL may say of users and passwords. */
  readonly server: string
  readonly project: string
}

/** The project of the `nodepilot` remote of the repository around this folder, or null. */
export async function readGitRemote(directory: string): Promise<GitRemote | null> {
  const { code, out } = await runCommand('git', ['remote', 'get-url', remoteName], { directory })
  return code === 0 ? parseRemote(out.trim()) : null
}

/** `https://user:secret@pilot.example.com/git/shop.git`; null for anything that is no NodePilot address. */
export function parseRemote(address: string): GitRemote | null {
  const url = parseUrl(address)
  if (!url || !/^https?:$/.test(url.protocol)) return null
  const project = /^\/git\/([a-z][a-z0-9-]{0,38}[a-z0-9])\.git\/?$/.exec(url.pathname)?.[1]
  return project === undefined ? null : { server: url.origin, project }
}

function parseUrl(address: string): URL | null {
  try {
    return new URL(address)
  } catch {
    return null
  }
}

export async function isRepository(directory: string): Promise<boolean> {
  const { code, out } = await runCommand('git', ['rev-parse', '--is-inside-work-tree'], { directory })
  return code === 0 && out.trim() === 'true'
}

/** Adds the remote, or points the one that is there to this address. With a user name in it where one is given. */
export async function addRemote(directory: string, gitUrl: string, user: string | null): Promise<void> {
  // git understands addresses that run commands or read files here
  if (parseRemote(gitUrl) === null)
    throw new Failure(
      'unexpected_answer',
      `the server names ${gitUrl} as its repository, which is none`,
      'is it a NodePilot? try: nodepilot doctor',
    )
  const url = new URL(gitUrl)
  if (user !== null) url.username = user
  const has = (await runCommand('git', ['remote', 'get-url', remoteName], { directory })).code === 0
  const verb = has ? 'set-url' : 'add'
  const { code, err } = await runCommand('git', ['remote', verb, '--', remoteName, url.href], { directory })
  if (code !== 0)
    throw new Failure(
      'git',
      err.trim() || 'git could not add the remote',
      `git remote add nodepilot ${gitUrl}`,
    )
}
