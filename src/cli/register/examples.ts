import type { Command } from 'commander'

/** Help begins with what most people want to type. */
export function withExamples(command: Command, ...lines: readonly string[]): Command {
  return command.addHelpText('before', `Examples:\n${lines.map((line) => `  nodepilot ${line}\n`).join('')}`)
}
