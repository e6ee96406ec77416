import { type Command, InvalidArgumentError } from 'commander'
import type { SetFlags } from '../commands/remote.ts'
import type { Run } from '../run.ts'
import { withExamples } from './examples.ts'

/** Deployments, releases, logs. */
export function registerDeploys(program: Command, run: Run): void {
  program.commandsGroup('Deployments:')

  const deploy = program
    .command('deploy [what]')
    .summary('deploy a folder (this one), a .zip or a .tar.gz without git')
    .description(
      'Packs a folder without what .gitignore and .nodepilotignore name, and without .git and node_modules, ' +
        'and deploys it. Ctrl-C cancels the deployment.',
    )
    .option('--ref <ref>', "a branch, tag or commit of the project's repository instead")
    .option('--again', 'what is live, built anew, instead')
    .option('--detach', 'do not wait for the end')
    .action((what: string | undefined, options: DeployFlags) =>
      run(async (cli) => (await import('../commands/deploy.ts')).deploy(cli, what, options)),
    )
  withExamples(deploy, 'deploy', 'deploy dist.tar.gz -p shop', 'deploy --ref v2.0')

  registerRemote(program, run)

  program
    .command('deploys')
    .summary('list the deployments')
    .option('-n, --limit <count>', 'how many', count, 15)
    .action((options: { readonly limit: number }) =>
      run(async (cli) => (await import('../commands/deploys.ts')).deploys(cli, options.limit)),
    )

  const log = program
    .command('deploy-log [number]')
    .summary('the output of a deployment: the last one, or the one of this number')
    .option('-f, --follow', 'until it ends')
    .action((number: string | undefined, options: { readonly follow?: boolean }) =>
      run(async (cli) =>
        (await import('../commands/deploys.ts')).deployLog(cli, number, options.follow ?? false),
      ),
    )
  withExamples(log, 'deploy-log', 'deploy-log 42 -f')

  program
    .command('cancel [number]')
    .summary('cancel the deployment that runs')
    .action((number: string | undefined) =>
      run(async (cli) => (await import('../commands/deploys.ts')).cancel(cli, number)),
    )

  program
    .command('releases')
    .summary('list the releases')
    .action(() => run(async (cli) => (await import('../commands/releases.ts')).releases(cli)))

  const rollback = program
    .command('rollback [release]')
    .summary('bring an older release back, as a new one')
    .option('--restore-config', 'its config vars too')
    .action((release: string | undefined, options: { readonly restoreConfig?: boolean }) =>
      run(async (cli) => (await import('../commands/rollback.ts')).rollback(cli, release, options)),
    )
  withExamples(rollback, 'rollback', 'rollback v41 -p shop')

  const logs = program
    .command('logs')
    .summary('what the project prints')
    .option('-f, --follow', 'go on until Ctrl-C')
    .option('-n, --lines <count>', 'how many lines', count, 100)
    .option('--type <type>', 'only this process type: web, worker')
    .option('--stream <stream>', 'only out or err')
    .option('-q, --search <text>', 'only lines with this in them')
    .option('--since <time>', 'only later ones: 10m, 2h, 3d or a time')
    .action((options: LogFlags) =>
      run(async (cli) => (await import('../commands/logs.ts')).logs(cli, options)),
    )
  withExamples(logs, 'logs', 'logs -f --type worker', 'logs --since 1h -q error --json')
}

/** A repository elsewhere. */
function registerRemote(program: Command, run: Run): void {
  const load = () => import('../commands/remote.ts')
  const fetch = program
    .command('fetch')
    .summary("fetch the remote's branch, and deploy it")
    .option('--detach', 'do not wait for the end')
    .action((options: { readonly detach?: boolean }) =>
      run(async (cli) => (await load()).fetchNow(cli, options.detach ?? false)),
    )
  withExamples(fetch, 'fetch', 'fetch -p shop --detach')

  const remote = program
    .command('remote')
    .summary('the repository elsewhere: show, set, rm, new-secret, new-key, deliveries')
  withExamples(
    remote,
    'remote',
    'remote set git@github.com:ana/shop.git',
    'remote set https://gitlab.com/ana/shop.git --token-stdin < token',
  )
  remote
    .command('show', { isDefault: true })
    .summary('its address, the deploy key it has to allow, the address of the webhook')
    .action(() => run(async (cli) => (await load()).show(cli)))
  remote
    .command('set <address>')
    .summary('fetch the project from there; prints the secret of the webhook when it is made')
    .option('--branch <branch>', 'what is fetched; else the deploy branch')
    .option('--token-stdin', 'a token for https, read from standard input')
    .option('--no-token', 'forget the token')
    .option('--username <name>', 'of the token')
    .option('--forget-hosts', 'meet ssh servers anew')
    .action((url: string, options: SetFlags) => run(async (cli) => (await load()).set(cli, url, options)))
  for (const [name, what, summary] of [
    ['new-secret', 'secret', 'make a new secret for the webhook'],
    ['new-key', 'key', 'make a new deploy key'],
  ] as const) {
    remote
      .command(name)
      .summary(summary)
      .action(() => run(async (cli) => (await load()).renew(cli, what)))
  }
  remote
    .command('deliveries')
    .summary('the last deliveries of the webhook')
    .action(() => run(async (cli) => (await load()).listDeliveries(cli)))
  remote
    .command('rm')
    .summary('fetch it from nowhere')
    .action(() => run(async (cli) => (await load()).remove(cli)))
}

export interface DeployFlags {
  readonly ref?: string
  readonly again?: boolean
  readonly detach?: boolean
}

export interface LogFlags {
  readonly follow?: boolean
  readonly lines: number
  readonly type?: string
  readonly stream?: string
  readonly search?: string
  readonly since?: string
}

export function count(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('a number above 0 is needed.')
  return Number(text)
}
