/** Words as they are typed, before commander reads them. */

/** Commands with verbs of their own, which older tools write with a colon: `config:set`. */
const nouns = new Set(['config', 'domains', 'tokens', 'members', 'users', 'sessions', 'service', 'backups'])

/** Options of the program that take a value. */
const valued = new Set(['-p', '--project', '--server', '--home'])

export function readWords(words: readonly string[]): string[] {
  const at = firstOperand(words)
  const command = words[at]
  if (command === undefined) return [...words]
  const before = words.slice(0, at)
  const after = words.slice(at + 1)
  const [, noun, verb] = /^([a-z]+):([a-z]+)$/.exec(command) ?? []
  if (noun !== undefined && verb !== undefined && nouns.has(noun)) return [...before, noun, verb, ...after]
  if (command === 'stop') return [...before, command, ...after.map(serverItself)]
  return [...words]
}

/** `stop --server` without an address means the server itself, not which one. */
function serverItself(word: string, i: number, all: readonly string[]): string {
  const next = all[i + 1]
  return word === '--server' && (next === undefined || next.startsWith('-')) ? '--this-server' : word
}

function firstOperand(words: readonly string[]): number {
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? ''
    if (word === '--') return words.length
    if (valued.has(word)) i++
    else if (!word.startsWith('-')) return i
  }
  return words.length
}
