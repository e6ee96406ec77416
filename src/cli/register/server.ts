import type { Command } from 'commander'
import type { GlobalFlags } from '../client/session.ts'
import { withExamples } from './examples.ts'

/** Commands that run on the server's own machine, on its home. `stop` is among the processes. */
export function registerServer(program: Command, flags: () => GlobalFlags): void {
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
    .action(async (options: Record<string, string>) => {
      const { serve } = await import('../serve.ts')
      await serve({ ...home(), ...options })
    })
  withExamples(serve, 'serve', 'serve --port 8080 --base-domain example.com')

  program
    .command('setup')
    .summary('print a new one-time set-up link')
    .option('--reset', 'make a new link in place of the old one')
    .action(async () => {
      const { setup } = await import('../setup.ts')
      await setup(home())
    })
}
