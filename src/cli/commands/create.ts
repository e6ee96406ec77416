import { readFile } from 'node:fs/promises'
import path from 'node:path'
import type { Api } from '../client/api.ts'
import { confirmed } from '../client/confirm.ts'
import { storePushToken } from '../client/credential.ts'
import { usage } from '../client/failure.ts'
import { addRemote, isRepository } from '../client/git-remote.ts'
import { terminal } from '../client/prompt.ts'
import type { Cli } from '../client/session.ts'
import { read } from '../client/shape.ts'
import { oneProject, type Project } from '../client/shapes.ts'
import type { CreateFlags } from '../register/projects.ts'

/** `nodepilot create shop`: the project, the git remote, and if wanted a credential for it. */
export async function create(cli: Cli, name: string | undefined, flags: CreateFlags): Promise<void> {
  const wanted = name ?? cli.flags.project ?? (await nameOfFolder(cli.directory))
  const api = await cli.connect()
  const withRemote = flags.remote && (await isRepository(cli.directory))
  if (withRemote && !flags.force) await refuseOtherRemote(cli, wanted)
  const displayName = flags.displayName === undefined ? {} : { displayName: flags.displayName }
  const { body } = await api.ask('POST', '/api/project/create', { body: { name: wanted, ...displayName } })
  const { project } = read(oneProject, body)
  if (withRemote) await connectRepository(cli, api, project, flags)
  if (cli.out.json) return cli.out.document(body)
  cli.out.line(`${project.name} was created: ${project.url}`)
  cli.out.note(
    withRemote
      ? 'deploy it: git push nodepilot main'
      : `deploy it: nodepilot deploy -p ${project.name}, or in a repository: git remote add nodepilot ${project.gitUrl}`,
  )
}

async function refuseOtherRemote(cli: Cli, wanted: string): Promise<void> {
  const remote = await cli.remote()
  if (remote === null) return
  throw usage(
    `this repository has a remote "nodepilot" already, of ${remote.project}`,
    `point it to the new project with --force, or leave it: nodepilot create ${wanted} --no-remote`,
  )
}

async function connectRepository(cli: Cli, api: Api, project: Project, flags: CreateFlags): Promise<void> {
  const store =
    flags.storeCredential ?? (terminal().present && (await confirmed(cli, 'Store a push token with git?')))
  // the project's name as user name: git then keeps one credential for each project, not one for the server
  const user = store && (await storePushToken(cli, api, project)) ? project.name : null
  await addRemote(cli.directory, project.gitUrl, user)
  cli.out.note(`git remote "nodepilot" was added`)
}

/** The package's name, else the folder's. The server makes a project's name of it. */
async function nameOfFolder(directory: string): Promise<string> {
  const manifest = await readFile(path.join(directory, 'package.json'), 'utf8').catch(() => '{}')
  const name = packageName(manifest) ?? path.basename(directory)
  if (name !== '') return name
  throw usage('this folder has no name', 'give the project one: nodepilot create <name>')
}

function packageName(manifest: string): string | null {
  try {
    const { name } = JSON.parse(manifest)
    return typeof name === 'string' && name !== '' ? name.replace(/^@[^/]*\//, '') : null
  } catch {
    return null
  }
}
