import { Command, Option } from 'commander'
import { version } from '../installation.ts'
import type { GlobalFlags } from './client/session.ts'
import { registerAccounts } from './register/accounts.ts'
import { registerDeploys } from './register/deploys.ts'
import { refuseUnknownWords } from './register/examples.ts'
import { registerProcesses } from './register/processes.ts'
import { registerProjects } from './register/projects.ts'
import { registerServer } from './register/server.ts'
import { registerTools } from './register/tools.ts'
import { createRun } from './run.ts'

/** All commands, in the order in which `--help` shows them. */
export function createProgram(): Command {
  const program = new Command('nodepilot')
    .description('git push nodepilot main, and it is live')
    .usage('<command> [options]')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .showSuggestionAfterError()
    .showHelpAfterError('hint: nodepilot --help lists every command, and <command> --help its options')
    .configureHelp({ showGlobalOptions: true })
    .exitOverride()
    .addHelpText('before', start)
  for (const option of everywhere()) program.addOption(option)
  const flags = () => program.opts<GlobalFlags>()
  const run = createRun(flags)
  registerProjects(program, run)
  registerDeploys(program, run)
  registerProcesses(program, run, flags)
  registerAccounts(program, run)
  registerServer(program, run, flags)
  registerTools(program, run)
  for (const group of program.commands) if (group.commands.length > 0) refuseUnknownWords(group)
  program.helpCommand('help [command]', 'print help for a command')
  return program
}

const start = `Examples:
  nodepilot serve                     start a server here
  nodepilot login pilot.example.com   sign in to one
  nodepilot create shop               make a project and a git remote for it
  git push nodepilot main             deploy
  nodepilot logs -f                   see what it says
`

function everywhere(): readonly Option[] {
  const options = [
    new Option(
      '-p, --project <name>',
      'the project; else that of the git remote "nodepilot" (NODEPILOT_PROJECT)',
    ),
    new Option(
      '--server <url>',
      'the server; else that of the git remote, else the last login (NODEPILOT_URL)',
    ),
    new Option('--json', 'one JSON document on stdout, errors too'),
    new Option('-y, --yes', 'answer every question with yes'),
    new Option('--no-color', 'no colours (NO_COLOR)'),
    new Option('--home <folder>', 'of a server here: where its state lives (NODEPILOT_HOME)'),
  ]
  return options.map((option) => option.helpGroup('Everywhere:'))
}
