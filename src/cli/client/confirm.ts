import { Failure, usage } from './failure.ts'
import { ask, terminal } from './prompt.ts'
import type { Cli } from './session.ts'

/** Lets a person say no. `-y` says yes beforehand; without a terminal and without it, the answer is an error. */
export async function confirm(cli: Cli, question: string): Promise<void> {
  if (cli.flags.yes) return
  const answer = await ask(`${question} [y/N] `, 'say yes beforehand with -y')
  if (!/^y(es)?$/i.test(answer)) throw declined()
}

/** The same for what cannot be undone: the name has to be typed. */
export async function confirmByName(cli: Cli, warning: string, name: string): Promise<void> {
  if (cli.flags.yes) return
  if (!terminal().present) throw usage('there is no terminal to ask at', 'say yes beforehand with -y')
  cli.out.note(warning)
  const answer = await ask(`Type ${name} to go on: `, 'say yes beforehand with -y')
  if (answer !== name) throw declined()
}

function declined(): Failure {
  return new Failure('declined', 'nothing was changed', 'say yes beforehand with -y')
}

/** A question whose "no" is an answer too; "yes" where nothing is typed. */
export async function confirmed(cli: Cli, question: string): Promise<boolean> {
  if (cli.flags.yes) return true
  return !/^n/i.test(await ask(`${question} [Y/n] `, 'say yes beforehand with -y'))
}
