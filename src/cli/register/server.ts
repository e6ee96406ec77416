import type { Command } from 'commander'
import type { GlobalFlags } from '../client/session.ts'
import type { Run } from '../run.ts'
import { withExamples } from './examples.ts'

/** Commands that run on the server's own machine, on its home. `stop` is among the processes. */
export function registerServer(program: Command, run: Run, flags: () => GlobalFlags): void {
  program.commandsGroup('Server:')
  const home = () => ({ home: flags().home })

  const serve = program
    .command('serve')
    .summary('start the server')
    .description(
      'Starts the server: panel, API, git and the front door of all projects. Ctrl-C stops it; projects go on.',
    )
    .option('--host <address>', 'address of the front door (HOST)')
    .option('--port <number>', 'port of the front door, 0 for any free one (PORT)')
    .option('--base-domain <domain>', 'projects answer at <name>.<base domain> (NODEPILOT_BASE_DOMAIN)')
    .option('--trusted-proxy <address>', '127.0.0.1 behind Caddy on this machine (NODEPILOT_TRUSTED_PROXY)')
    .action(async (options: Record<string, string>) => {
      const { serve } = await import('../serve.ts')
      await serve({ ...home(), ...options })
    })
  withExamples(serve, 'serve', 'serve --port 8080 --base-domain example.com')

  const service = program
    .command('service')
    .summary('the server as a service of systemd: install, show, uninstall')
    .description(
      'It starts with the machine, and again when it was killed. Projects go on while it is stopped.',
    )
  const unit = (verb: string, summary: string) =>
    service
      .command(verb)
      .summary(summary)
      .option('--user <name>', 'runs the server and all projects; else whoever calls sudo')
      .option('--host <address>', 'address of the front door (HOST)')
      .option('--port <number>', 'port of the front door (PORT)')
      .option('--base-domain <domain>', 'projects answer at <name>.<base domain> (NODEPILOT_BASE_DOMAIN)')
      .option('--trusted-proxy <address>', '127.0.0.1 behind Caddy on this machine (NODEPILOT_TRUSTED_PROXY)')
  unit('install', 'write the unit and start it, now and with the machine').action(
    async ({ user, ...options }: ServiceFlags) =>
      (await import('../service.ts')).install({ ...home(), ...options }, { ...(user ? { user } : {}) }),
  )
  unit('show', 'print the unit that install would write').action(async ({ user, ...options }: ServiceFlags) =>
    (await import('../service.ts')).show({ ...home(), ...options }, { ...(user ? { user } : {}) }),
  )
  service
    .command('uninstall')
    .summary('end the server and remove the unit; projects go on')
    .action(async () => (await import('../service.ts')).uninstall())
  withExamples(
    service,
    'service install --user pilot --base-domain pilot.example.com --trusted-proxy 127.0.0.1',
    'service show',
    'service uninstall',
  )

  program
    .command('setup')
    .summary('print a new one-time set-up link')
    .option('--reset', 'make a new link in place of the old one')
    .action(async () => {
      const { setup } = await import('../setup.ts')
      await setup(home())
    })

  const disk = program
    .command('disk')
    .summary('what uses how much of the disk of the server')
    .option('--clean', 'remove what nothing needs any more first, as the server does every hour')
    .action((options: { readonly clean?: boolean }) =>
      run(async (cli) => (await import('../commands/disk.ts')).disk(cli, options.clean ?? false)),
    )
  withExamples(disk, 'disk', 'disk --clean --json')

  const keys = program.command('keys').summary('the keys that config vars are sealed with: rotate')
  keys
    .command('rotate')
    .summary('seal all config vars of the server with a new key')
    .action(() => run(async (cli) => (await import('../commands/keys.ts')).rotate(cli)))
  withExamples(keys, 'keys rotate')

  const backup = program
    .command('backup')
    .summary('save database, repositories and data of this home, proved by a restore')
    .description(
      'Writes <home>/backups/<id>.tar.gz, with a server running or not. Apps go on; what they write meanwhile is saved as it is found.',
    )
    .option('--keys', 'with the secrets of the home: sessions stay valid after a restore')
    .option('--slugs', 'with whole releases: larger, and projects start without being built again')
    .action(async (options: BackupFlags) => {
      const { backup } = await import('../backup.ts')
      await backup(home(), options, flags().json ?? false)
    })
  withExamples(backup, 'backup', 'backup --slugs')

  const restore = program
    .command('restore <file>')
    .summary('make an empty home out of a backup; serve then brings every project back')
    .option('--force', 'move a home that is not empty aside first')
    .action(async (file: string, options: RestoreFlags) => {
      const { restore } = await import('../restore.ts')
      await restore(home(), file, options, flags().json ?? false)
    })
  withExamples(restore, 'restore backup.tar.gz --home ~/.nodepilot', 'restore backup.tar.gz --force')
}

interface ServiceFlags extends Record<string, string | undefined> {
  readonly user?: string
}

export interface BackupFlags {
  readonly keys?: boolean
  readonly slugs?: boolean
}

export interface RestoreFlags {
  readonly force?: boolean
}
