import { CommanderError } from 'commander'
import { readWords } from './arguments.ts'
import { exit, usage } from './client/failure.ts'
import { explain, tell, tellDocument } from './fail.ts'
import { createProgram } from './program.ts'

/** `nodepilot`: one command for the server and for its users. Each command is loaded only when it is used. */
const words = readWords(process.argv.slice(2))
const program = createProgram()
try {
  await program.parseAsync(words, { from: 'user' })
} catch (error) {
  process.exit(end(error))
}

/** commander has said already what is wrong with the words; what it did not say is the next step. */
function end(error: unknown): number {
  const json = words.includes('--json')
  if (!(error instanceof CommanderError)) {
    const said = explain(error)
    tell(said, json)
    return said.exitCode
  }
  if (error.exitCode === 0) return exit.done
  const said = explain(usage(error.message.replace(/^error: /, ''), 'nodepilot --help'))
  if (json) tellDocument(said)
  return exit.usage
}
