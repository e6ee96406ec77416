import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatDotEnv, parseDotEnv } from './dot-env.ts'
import { isRefusal } from './refusal.ts'

test('names, comments, export and both kinds of quotes are read as people write them', () => {
  const text = `\uFEFF# a comment
A=1
export B = two words # and a comment
C='single $HOME \\n'
D="a\\tb \\"c\\" \\$x"
E=with#hash

F=
`
  assert.deepEqual(parseDotEnv(text.replaceAll('\n', '\r\n')), {
    ...{ A: '1', B: 'two words', C: 'single $HOME \\n', D: 'a\tb "c" $x' },
    ...{ E: 'with#hash', F: '' },
  })
})

test('a value in quotes may go over several lines', () => {
  assert.deepEqual(parseDotEnv('KEY="-----BEGIN\nabc\n-----END" # key\nB=2'), {
    KEY: '-----BEGIN\nabc\n-----END',
    B: '2',
  })
})

test('what cannot be read is refused with the number of its line', () => {
  const cases = { 'A=1\nnonsense': 2, 'A="never\nclosed': 1, 'A="x" y': 1, '=1': 1 }
  for (const [text, line] of Object.entries(cases)) {
    assert.throws(
      () => parseDotEnv(text),
      (error) => isRefusal(error, 'invalid') && error.message.startsWith(`line ${line}: `),
    )
  }
})

test('what is exported is read back as it was', () => {
  const values = { A: 'plain', B: 'it\'s\n"quoted" $x \\n', C: ' spaces # ', D: '', E: 'a\r\nb', F: '`' }
  assert.deepEqual(parseDotEnv(formatDotEnv(values)), values)
})

test('a quote over many lines is read once, and so is one that is never closed', () => {
  const began = performance.now()
  const lines = '\\\n'.repeat(400_000)
  assert.equal(parseDotEnv(`A="${lines}"\nB=2`).B, '2')
  assert.throws(() => parseDotEnv(`A='${'\n'.repeat(900_000)}`), /the quote of A is never closed/)
  assert.ok(performance.now() - began < 5_000)
})

test('.env files are read as other tools read them', () => {
  const values = parseDotEnv(
    '# all\n\nA=1\nexport B = two # three\nC="x\\ny \\"q\\" #no"\nD=\'raw \\n $X\'\nE=\r\nF="first\nsecond"\nG=a#b\nH=`it\'s "so"`\nI=a=b=c\n',
  )
  assert.deepEqual(values, {
    A: '1',
    B: 'two',
    C: 'x\ny "q" #no',
    D: 'raw \\n $X',
    E: '',
    F: 'first\nsecond',
    G: 'a#b',
    H: 'it\'s "so"',
    I: 'a=b=c',
  })
  assert.throws(() => parseDotEnv('A=1\nnot a line\n'), /^Refusal: line 2: .*is not NAME=value/)
  assert.throws(() => parseDotEnv('A="never ended\n'), /line 1: the quote of A is never closed/)
})

test('what is exported can be imported again, whatever is in it', () => {
  const values = {
    A: '',
    B: 'x y',
    C: 'a"b\\c',
    D: 'line\nbreak\r\n\ttab',
    E: "it's #1",
    F: '$HOME `id`',
    G: ' spaced ',
    H: 'ünï',
  }
  assert.deepEqual(parseDotEnv(formatDotEnv(values)), values)
})

test('a name that every object has is a name like any other, and the last of two counts', () => {
  const values = parseDotEnv('__proto__=a\nconstructor=b\nconstructor=c\n')
  assert.deepEqual(Object.entries(values), [
    ['__proto__', 'a'],
    ['constructor', 'c'],
  ])
  assert.equal(formatDotEnv(values), '__proto__=a\nconstructor=c\n')
})
