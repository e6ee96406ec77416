import { hostname as thisMachine } from 'node:os'
import type { Api } from './api.ts'
import { runCommand } from './command.ts'
import { type Cli, isPublic } from './session.ts'
import { read } from './shape.ts'
import { newToken, type Project } from './shapes.ts'

/**
 * Makes a token that may push to this project alone and hands it to git, whose own store keeps it
 * (git-credential(1)). False where git has no store: then no token is made.
 */
export async function storePushToken(cli: Cli, api: Api, project: Project): Promise<boolean> {
  const { protocol, host, hostname } = new URL(project.gitUrl)
  // whoever says where the repository is chooses for which server git keeps the token
  if (`${protocol}//${host}` !== api.server && isPublic(hostname)) {
    cli.out.note(`no token was stored: the repository is at ${host}, and you are signed in to ${api.server}`)
    return false
  }
  const key = ['credential.helper', `${protocol}//${host}`] as const
  const helper = await runCommand('git', ['config', '--get-urlmatch', ...key], { directory: cli.directory })
  if (helper.code !== 0 || helper.out.trim() === '') {
    cli.out.note(
      'git has no credential store, so no token was made. Choose one, like: git config --global credential.helper cache',
    )
    return false
  }
  const { body } = await api.ask('POST', '/api/auth/tokens', {
    body: { name: `git push from ${thisMachine()}`.slice(0, 100), scope: 'push', project: project.name },
  })
  const fields = {
    protocol: protocol.slice(0, -1),
    host,
    username: project.name,
    password: read(newToken, body).token,
  }
  const input = Object.entries(fields).map(([name, value]) => `${name}=${value}\n`)
  const { code } = await runCommand('git', ['credential', 'approve'], {
    directory: cli.directory,
    input: `${input.join('')}\n`,
  })
  if (code === 0) cli.out.note("a push token for this project lies in git's credential store")
  return code === 0
}
