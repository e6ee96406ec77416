import { readGitRemote } from './client/git-remote.ts'
import type { GlobalFlags } from './client/session.ts'
import type { StopFlags } from './register/processes.ts'

/**
 * `stop` means a project where one is named or this folder belongs to one, and else the server, as it has
 * always done. What says "server" wins over a folder.
 */
export async function stopServerInstead(
  name: string | undefined,
  options: StopFlags,
  flags: GlobalFlags,
): Promise<boolean> {
  if (options.all || options.thisServer) return true
  if (name !== undefined || flags.project !== undefined) return false
  if (flags.home !== undefined) return true
  if (process.env.NODEPILOT_PROJECT) return false
  return (await readGitRemote(process.cwd())) === null
}
