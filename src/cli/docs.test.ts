import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { Command } from 'commander'
import { root } from '../testing/root.ts'
import { readWords } from './arguments.ts'
import { createProgram } from './program.ts'

describe('commands that the documentation names', () => {
  const program = createProgram()
  for (const file of ['README.md', 'docs/apps.md', 'docs/server.md', 'CHANGELOG.md']) {
    test(`there are those of ${file}`, () => {
      const lines = commandsIn(readFileSync(join(root, file), 'utf8'))
      assert.ok(lines.length > 0)
      assert.deepEqual(
        lines.map((line) => ({ line, fault: faultOf(program, line) })).filter(({ fault }) => fault !== null),
        [],
      )
    })
  }

  test('one that is not there, and an option that is not, are found', () => {
    assert.equal(faultOf(program, 'nodepilot settings sleepAfterMinutes=30'), 'sleepAfterMinutes=30')
    assert.equal(faultOf(program, 'nodepilot no-such'), 'no-such')
    assert.equal(faultOf(program, 'nodepilot maintenance on --pages a.html'), '--pages')
    assert.equal(faultOf(program, 'nodepilot run -- node --whatever'), null)
  })
})

/** In code: from `nodepilot` to the end of the line, the quotation or a comment. */
function commandsIn(text: string): string[] {
  const quoted = [...text.matchAll(/`(nodepilot [^`]*)`/g)].map(([, line = '']) => line)
  const indented = [...text.matchAll(/^(?: {4}|\$ )?(?:sudo )?(?:bin\/)?(nodepilot [^\n]*)$/gm)].map(
    ([, line = '']) => line,
  )
  return [...quoted, ...indented]
    .map((line) => line.replace(/\s+#.*$|\s*[|<>].*$/, '').replaceAll(/\s+/g, ' '))
    .filter((line) => !line.includes('…'))
}

/** The first word of it that means nothing; null: there is none. */
function faultOf(program: Command, line: string): string | null {
  const words = readWords(line.split(' ').slice(1))
  const options = [...program.options]
  let at = program
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? ''
    if (word === '--') return null
    if (word.startsWith('-')) {
      const [name] = word.split('=')
      // without a verb, the noun's default one takes them
      const known = [...options, ...at.options, ...at.commands.flatMap((verb) => verb.options)]
      const option = known.find(({ short, long }) => name === short || name === long)
      if (!option && !['--help', '-h', '--version', '-V'].includes(word)) return word
      if (option?.required && !word.includes('=')) i++
      continue
    }
    const next = at.commands.find((one) => one.name() === word || one.aliases().includes(word))
    if (next) at = next
    else if (at.commands.length > 0 && at.registeredArguments.length === 0) return word.replace(/[[\]]/g, '')
  }
  return null
}
