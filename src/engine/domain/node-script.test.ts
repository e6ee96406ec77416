import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeOptionsOf, nodeScriptOf } from './node-script.ts'

test('a script of Node is found behind its options, with its arguments', () => {
  assert.deepEqual(nodeScriptOf('node server.js'), { script: 'server.js', args: [], nodeArgs: [] })
  assert.deepEqual(nodeScriptOf("node --enable-source-maps -r ./a.js dist/s.js --port 1 'two words'"), {
    script: 'dist/s.js',
    args: ['--port', '1', 'two words'],
    nodeArgs: ['--enable-source-maps', '-r', './a.js'],
  })
  assert.equal(nodeScriptOf('/usr/bin/node "my app.js"')?.script, 'my app.js')
})

test('what a shell has to understand, and what is no script, is none', () => {
  for (const command of [
    'next start',
    'npm start',
    'node',
    'node -e "1"',
    'node --watch server.js',
    'PORT=1 node server.js',
    'node migrate.js && node server.js',
    'node server.js > out.txt',
    'node $FILE',
    'node *.js',
    'node "server.js',
    'nodemon server.js',
  ]) {
    assert.equal(nodeScriptOf(command), null, command)
  }
})

test('NODE_OPTIONS become words', () => {
  assert.deepEqual(nodeOptionsOf('--a=1  --require "./x y.js"'), ['--a=1', '--require', './x y.js'])
  assert.deepEqual(nodeOptionsOf(undefined), [])
})
