import { createInterface } from 'node:readline'
import { interrupted, usage } from './failure.ts'

/** Questions to a person. Without a terminal there is nobody to ask: then it is an error, never a prompt. */

export interface Terminal {
  readonly present: boolean
}

export function terminal(): Terminal {
  return { present: process.stdin.isTTY === true && process.stderr.isTTY === true }
}

export async function ask(question: string, otherwise: string): Promise<string> {
  need(otherwise)
  return askLine(question, false)
}

/** Nothing of the answer is shown. */
export async function askHidden(question: string, otherwise: string): Promise<string> {
  need(otherwise)
  const answer = await askLine(question, true)
  process.stderr.write('\n')
  return answer
}

function need(otherwise: string): void {
  if (!terminal().present) throw usage('there is no terminal to ask at', otherwise)
}

function askLine(question: string, hidden: boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    // no output: readline then shows nothing of what is typed, and for a visible answer the terminal does
    const lines = createInterface(
      hidden ? { input: process.stdin, terminal: true } : { input: process.stdin, terminal: false },
    )
    // only now: what is typed at once would be shown before the terminal was told to be silent
    process.stderr.write(question)
    let answered = false
    lines.once('line', (line) => {
      answered = true
      lines.close()
      resolve(line.trim())
    })
    lines.once('SIGINT', () => lines.close())
    lines.once('close', () => {
      if (!answered) reject(interrupted())
    })
  })
}

/** The first line of standard input, for `--password-stdin`; all of it with `whole`. At most 1 MB. */
export async function readStdin(whole = false): Promise<string> {
  let text = ''
  process.stdin.setEncoding('utf8')
  for await (const chunk of process.stdin) {
    text += chunk
    if (text.length > 1_000_000) throw usage('standard input has more than 1 MB', 'give a smaller file')
    if (!whole && text.includes('\n')) break
  }
  return whole ? text : (text.split(/\r?\n/)[0] ?? '')
}
