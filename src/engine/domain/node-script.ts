/** A start command that is one script of Node and nothing else: what the cluster mode can run. */

export interface NodeScript {
  /** As in the command: relative to the app's folder. */
  readonly script: string
  readonly args: readonly string[]
  /** Options of Node before the script: `--enable-source-maps`. */
  readonly nodeArgs: readonly string[]
}

/** Options of Node that take the next word: a script is not looked for there. */
const withValue = new Set([
  '-r',
  '--require',
  '--import',
  '--loader',
  '--experimental-loader',
  '-C',
  '--conditions',
])
/** Options with which Node runs no script, or not as a server. */
const foreign = /^(-e|--eval|-p|--print|-i|--interactive|-c|--check|--watch.*|--test.*|--run)$/

/** `node --enable-source-maps dist/server.js --port 1`; null for anything a shell has to understand. */
export function nodeScriptOf(command: string): NodeScript | null {
  const words = wordsOf(command.trim())
  if (words === null || !/^(?:.*\/)?node$/.test(words[0] ?? '')) return null
  const nodeArgs: string[] = []
  for (let at = 1; at < words.length; at++) {
    const word = words[at] ?? ''
    if (!word.startsWith('-')) return { script: word, args: words.slice(at + 1), nodeArgs }
    if (foreign.test(word)) return null
    nodeArgs.push(word)
    if (withValue.has(word)) nodeArgs.push(words[++at] ?? '')
  }
  return null
}

/** What the words of NODE_OPTIONS are. */
export function nodeOptionsOf(text: string | undefined): readonly string[] {
  return wordsOf((text ?? '').trim()) ?? []
}

/** Null where a shell would do more than cut it into words. */
function wordsOf(text: string): string[] | null {
  if (text === '') return []
  const pieces = text.match(/(?:'[^']*'|"[^"$`\\]*"|[^\s'"$`\\;&|<>(){}*?#~!])+|\S/g) ?? []
  if (pieces.some((piece) => /^[$`\\;&|<>(){}*?#~!'"]$/.test(piece))) return null
  return pieces.map((piece) => piece.replaceAll(/'([^']*)'|"([^"]*)"/g, (_, a, b) => a ?? b))
}
