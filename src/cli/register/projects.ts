import type { Command } from 'commander'
import { usage } from '../client/failure.ts'
import type { Scope } from '../commands/config.ts'
import type { Run } from '../run.ts'
import { withExamples } from './examples.ts'

/** Projects, their settings, config vars, domains and members. */
export function registerProjects(program: Command, run: Run): void {
  program.commandsGroup('Projects:')

  program
    .command('projects')
    .summary('list the projects')
    .action(() => run(async (cli) => (await import('../commands/projects.ts')).projects(cli)))

  const create = program
    .command('create [name]')
    .summary('make a project, and a git remote for it in this repository')
    .option('--display-name <name>', 'how the panel calls it')
    .option('--no-remote', 'leave the git repository as it is')
    .option('--force', 'point a git remote "nodepilot" that is there already to the new project')
    .option('--store-credential', "make a push token and hand it to git's credential store")
    .action((name: string | undefined, options: CreateFlags) =>
      run(async (cli) => (await import('../commands/create.ts')).create(cli, name, options)),
    )
  withExamples(create, 'create', 'create shop --store-credential')

  program
    .command('open [project]')
    .summary("open the project's address in a browser")
    .option('--panel', 'its page in the panel')
    .action((name: string | undefined, options: { readonly panel?: boolean }) =>
      run(async (cli) => (await import('../commands/open.ts')).open(cli, name, options)),
    )

  const remove = program
    .command('delete [project]')
    .summary('delete a project with all its releases, data, logs and its repository')
    .action((name: string | undefined) =>
      run(async (cli) => (await import('../commands/delete.ts')).remove(cli, name)),
    )
  withExamples(remove, 'delete shop', 'delete shop -y')

  const previews = program
    .command('previews [project]')
    .summary('branches that are deployed beside a project')
    .action((name: string | undefined) =>
      run(async (cli) => (await import('../commands/previews.ts')).list(cli, name)),
    )
  withExamples(previews, 'previews', 'previews shop --json')

  registerConfig(program, run)
  registerSettings(program, run)
  registerDomains(program, run)
  registerMembers(program, run)
}

export interface CreateFlags {
  readonly displayName?: string
  readonly remote: boolean
  readonly force?: boolean
  readonly storeCredential?: boolean
}

const runtimeOnly = ['--runtime-only', 'keep it from installs and builds'] as const
const buildOnly = ['--build-only', 'keep it from processes'] as const
const everywhere = ['--everywhere', 'for builds and processes again'] as const

interface ScopeFlags {
  readonly apply: boolean
  readonly runtimeOnly?: boolean
  readonly buildOnly?: boolean
  readonly everywhere?: boolean
}

function scopeOf({ runtimeOnly, buildOnly, everywhere }: ScopeFlags): Scope | null {
  const wanted = [
    ...(runtimeOnly ? (['run'] as const) : []),
    ...(buildOnly ? (['build'] as const) : []),
    ...(everywhere ? (['all'] as const) : []),
  ]
  if (wanted.length > 1) throw usage('these scopes exclude each other', 'give one of them, or none')
  return wanted[0] ?? null
}

function registerConfig(program: Command, run: Run): void {
  const config = program
    .command('config')
    .alias('env')
    .summary('config vars: list, get, set, unset, import, export')
  withExamples(
    config,
    'config',
    'config set API_KEY=abc LOG_LEVEL=debug',
    'config set NPM_TOKEN=abc --build-only',
    'config unset API_KEY',
    'config import .env',
  )
  const load = () => import('../commands/config.ts')
  const noApply = ['--no-apply', 'only store; the next deployment brings it live'] as const
  config
    .command('list', { isDefault: true })
    .summary('print all, as KEY=value')
    .option('--env', 'as a .env file, which import reads')
    .action(({ env }: { readonly env?: boolean }) =>
      run(async (cli) => (await load()).list(cli, env === true)),
    )
  config
    .command('get <key>')
    .summary('print the value of one')
    .action((key: string) => run(async (cli) => (await load()).get(cli, key)))
  config
    .command('set <key=value...>')
    .summary('set some, and bring them live; with a scope, KEY alone keeps its value')
    .option(...noApply)
    .option(...runtimeOnly)
    .option(...buildOnly)
    .option(...everywhere)
    .action((pairs: string[], flags: ScopeFlags) =>
      run(async (cli) => (await load()).set(cli, pairs, { apply: flags.apply, scope: scopeOf(flags) })),
    )
  config
    .command('unset <key...>')
    .summary('remove some, and bring that live')
    .option(...noApply)
    .action((keys: string[], { apply }: { readonly apply: boolean }) =>
      run(async (cli) => (await load()).unset(cli, keys, apply)),
    )
  config
    .command('import <file>')
    .summary('set all of a .env file; - is standard input')
    .option(...noApply)
    .option(...runtimeOnly)
    .option(...buildOnly)
    .action((file: string, flags: ScopeFlags) =>
      run(async (cli) => (await load()).importFile(cli, file, { apply: flags.apply, scope: scopeOf(flags) })),
    )
  config
    .command('export')
    .summary('print all as a .env file')
    .action(() => run(async (cli) => (await load()).exportAll(cli)))
}

function registerSettings(program: Command, run: Run): void {
  const settings = program.command('settings').summary('settings of a project: list, set, unset')
  withExamples(
    settings,
    'settings',
    'settings set healthPath=/healthz graceMs=5000',
    'settings set rootDir=apps/web',
    'settings unset healthPath',
  )
  const load = () => import('../commands/settings.ts')
  settings
    .command('list', { isDefault: true })
    .summary('print all, with what they mean')
    .action(() => run(async (cli) => (await load()).list(cli)))
  settings
    .command('set <name=value...>')
    .summary('set some')
    .action((pairs: string[]) => run(async (cli) => (await load()).set(cli, pairs)))
  settings
    .command('unset <setting...>')
    .summary('let the app file or the server decide again')
    .action((names: string[]) => run(async (cli) => (await load()).unset(cli, names)))
}

function registerDomains(program: Command, run: Run): void {
  const domains = program.command('domains').summary('host names: list, add, primary, rm, check')
  withExamples(domains, 'domains', 'domains add shop.example.com', 'domains rm shop.example.com')
  const load = () => import('../commands/domains.ts')
  domains
    .command('list', { isDefault: true })
    .summary('list them, with the state of their DNS')
    .action(() => run(async (cli) => (await load()).list(cli)))
  domains
    .command('add <domain>')
    .summary('let the project answer at a host name of yours')
    .action((domain: string) => run(async (cli) => (await load()).add(cli, domain)))
  domains
    .command('primary <domain>')
    .summary('let the other names of the project lead on to this one')
    .option('--off', 'no longer')
    .option('--force', 'also while its DNS does not lead here')
    .action((domain: string, options: { readonly off?: boolean; readonly force?: boolean }) =>
      run(async (cli) => (await load()).primary(cli, domain, options)),
    )
  domains
    .command('rm <domain>')
    .summary('remove one')
    .action((domain: string) => run(async (cli) => (await load()).remove(cli, domain)))
  domains
    .command('check <domain>')
    .summary('look its DNS up')
    .action((domain: string) => run(async (cli) => (await load()).check(cli, domain)))
}

function registerMembers(program: Command, run: Run): void {
  const members = program.command('members').summary('who works on the project: list, add, rm')
  withExamples(members, 'members add ada', 'members add bob --role viewer')
  const load = () => import('../commands/members.ts')
  members
    .command('list', { isDefault: true })
    .summary('list them with their roles')
    .action(() => run(async (cli) => (await load()).list(cli)))
  members
    .command('add <username>')
    .summary('invite somebody, or change the role')
    .option('--role <role>', 'viewer, deployer or owner', 'deployer')
    .action((username: string, { role }: { readonly role: string }) =>
      run(async (cli) => (await load()).add(cli, username, role)),
    )
  members
    .command('rm <username>')
    .summary('remove somebody')
    .action((username: string) => run(async (cli) => (await load()).remove(cli, username)))
}
