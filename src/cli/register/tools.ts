import type { Command } from 'commander'
import type { Run } from '../run.ts'
import { withExamples } from './examples.ts'

/** What helps with the rest. */
export function registerTools(program: Command, run: Run): void {
  program.commandsGroup('Tools:')

  program
    .command('doctor')
    .summary('look whether everything is as it should be, here and on the server')
    .action(() => run(async (cli) => (await import('../commands/doctor.ts')).doctor(cli)))

  const completion = program
    .command('completion <shell>')
    .summary('print a script that completes commands for bash, zsh or fish')
    .action((shell: string) =>
      run(async (cli) => (await import('../commands/completion.ts')).completion(cli, shell)),
    )
  withExamples(
    completion,
    'completion bash > ~/.local/share/bash-completion/completions/nodepilot',
    'completion zsh > ~/.zsh/completions/_nodepilot',
    'completion fish > ~/.config/fish/completions/nodepilot.fish',
  )

  program
    .command('complete-words [words...]', { hidden: true })
    .allowUnknownOption()
    .action((words: string[]) =>
      run(async (cli) => (await import('../commands/complete.ts')).complete(cli, program, words)),
    )
}
