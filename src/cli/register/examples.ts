import type { Command } from 'commander'
import { usage } from '../client/failure.ts'

/** Help begins with what most people want to type. */
export function withExamples(command: Command, ...lines: readonly string[]): Command {
  return command.addHelpText('before', `Examples:\n${lines.map((line) => `  nodepilot ${line}\n`).join('')}`)
}

/** A word that is none of a group's commands is a mistake, not an argument of the one that lists. */
export function refuseUnknownWords(group: Command): Command {
  return group.hook('preSubcommand', () => {
    const [word] = group.args
    const names = group.commands.flatMap((one) => [one.name(), ...one.aliases()])
    if (word === undefined || word.startsWith('-') || word === 'help' || names.includes(word)) return
    const known = group.commands.map((one) => one.name()).join(', ')
    throw usage(
      `unknown command '${group.name()} ${word}'`,
      `it is one of ${known}; nodepilot ${group.name()} --help`,
    )
  })
}
