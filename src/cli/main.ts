import { Command, Option } from 'commander'
import { version } from '../installation.ts'
import { fail } from './fail.ts'

/** `nodepilot`: one command for the server and for its users. Each command is loaded only when it is used. */
const program = new Command('nodepilot')
  .description('git push nodepilot main, and it is live')
  .version(version)
  .showSuggestionAfterError()
  .configureHelp({ showGlobalOptions: true })
  .addOption(new Option('--home <folder>', 'where all state lives (NODEPILOT_HOME)'))
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))

program
  .command('serve')
  .summary('start the server')
  .description(
    'Starts the server: panel, API, git and the front door of all projects. Ctrl-C stops it; projects go on.',
  )
  .option('--host <address>', 'address of the front door (HOST)')
  .option('--port <number>', 'port of the front door, 0 for any free one (PORT)')
  .option('--base-domain <domain>', 'projects answer at <name>.<base domain> (NODEPILOT_BASE_DOMAIN)')
  .action(async (options: Record<string, string>) => {
    const { serve } = await import('./serve.ts')
    await serve({ ...program.opts(), ...options })
  })

program
  .command('stop')
  .summary('stop the server; with --all the projects too')
  .option('--all', 'end every project, the front door and PM2 as well')
  .action(async (options: { all?: boolean }) => {
    const { stop } = await import('./stop.ts')
    await stop(program.opts(), options.all ?? false)
  })

program
  .command('setup')
  .summary('print a new one-time set-up link')
  .option('--reset', 'make a new link in place of the old one')
  .action(async () => {
    const { setup } = await import('./setup.ts')
    await setup(program.opts())
  })

program
  .command('rollback [release]')
  .summary('bring an older release back, as a new one')
  .requiredOption('-p, --project <name>', 'the project (NODEPILOT_PROJECT)', process.env.NODEPILOT_PROJECT)
  .option('--server <url>', 'the panel (NODEPILOT_URL)', process.env.NODEPILOT_URL)
  .action(async (release: string | undefined, options: { project: string; server?: string }) => {
    const { rollback } = await import('./rollback.ts')
    await rollback(program.opts(), release, options)
  })

await program.parseAsync().catch(fail)
