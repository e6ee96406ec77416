import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { isRefusal } from '../../domain/refusal.ts'
import { isSimpleCommand, launchArgv, launchScript, writePrivate } from './launch.ts'

const execute = promisify(execFile)
let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'launch-'))
})
after(() => rm(folder, { recursive: true, force: true }))

const printEnvironment = `node -e 'process.stdout.write(JSON.stringify(process.env))'`
const PATH = `${join(process.execPath, '..')}:/usr/bin:/bin`

async function run(name: string, command: string, env: Record<string, string>): Promise<string> {
  const script = join(folder, 'scripts', `${name}.sh`)
  await writePrivate(script, launchScript({ cwd: folder, env, command }))
  const [file = '', ...args] = launchArgv([], script)
  return (await execute(file, args, { env: { CANARY: 'leaked' } })).stdout
}

test('an app sees exactly the environment it was given', async () => {
  const env = {
    PATH,
    EMPTY: '',
    QUOTES: `it's "so" \`date\` $HOME \\ %s`,
    LINES: 'first\nsecond\n\n',
    name: 'a field of the record',
    IFS: 'x',
    ÜMLAUT: '',
    _hidden1: '-e',
  }
  const { ÜMLAUT: _, ...exportable } = env
  assert.deepEqual(JSON.parse(await run('exact', printEnvironment, exportable)), exportable)
})

test('a command with shell syntax sees exactly the same environment', async () => {
  const env = { PATH, GREETING: `don't` }
  assert.deepEqual(JSON.parse(await run('list', `true && ${printEnvironment}`, env)), env)
})

test('assignments before a command reach it, and it still takes the place of the shell', async () => {
  const text = launchScript({ cwd: '/', env: {}, command: "A=1 B='x y' node app.js" })
  assert.match(text, /^A=1 B='x y' exec node app\.js$/m)
  const seen = JSON.parse(await run('assigned', `A=1 B='x y' ${printEnvironment}`, { PATH }))
  assert.deepEqual(seen, { PATH, A: '1', B: 'x y' })
})

test('PWD and its kind are passed on when they are given', async () => {
  const seen = JSON.parse(await run('given', printEnvironment, { PATH, PWD: '/given', SHLVL: '7' }))
  assert.deepEqual(seen, { PATH, PWD: '/given', SHLVL: '7' })
})

test('the app starts in its folder, with nothing to read', async () => {
  assert.equal(await run('folder', 'pwd -P; cat', { PATH }), `${folder}\n`)
})

test('a script is readable for its owner alone, and so is its folder', async () => {
  await run('private', 'true', { PATH })
  assert.equal((await stat(join(folder, 'scripts', 'private.sh'))).mode & 0o777, 0o600)
  assert.equal((await stat(join(folder, 'scripts'))).mode & 0o777, 0o700)
})

test('argv names the script and nothing of the user', () => {
  assert.deepEqual(launchArgv(['/usr/bin/prlimit', '--nproc=100'], '/run/a.sh'), [
    '/usr/bin/env',
    '-i',
    '/usr/bin/prlimit',
    '--nproc=100',
    '/bin/sh',
    '-c',
    '. "$1"',
    'sh',
    '/run/a.sh',
  ])
})

for (const key of ['1A', 'A-B', 'A B', 'A=B', '', 'A\n', '$(id)', 'OPTIND', 'PPID']) {
  test(`a config var called ${JSON.stringify(key)} is refused by name`, () => {
    assert.throws(
      () => launchScript({ cwd: '/', env: { [key]: 'x' }, command: 'true' }),
      (error) => isRefusal(error, 'invalid') && error.message.includes(key),
    )
  })
}

test('a value with a NUL byte is refused, and not repeated', () => {
  assert.throws(
    () => launchScript({ cwd: '/', env: { SECRET: 'hush\0' }, command: 'true' }),
    (error) => isRefusal(error, 'invalid') && !error.message.includes('hush'),
  )
})

for (const command of [
  'node server.js',
  '  node server.js --port $PORT ',
  'node -e "a; b && c"',
  "node -e 'x | y'",
  'node x\\;y',
  'node app.js > out.log 2>&1',
  `next start -p \${PORT}`,
  'NODE_ENV=production node x',
  '"./my app" --flag',
]) {
  test(`one program is run in the place of the shell: ${command}`, () => {
    assert.equal(isSimpleCommand(command), true)
  })
}

for (const command of [
  '',
  'A=1',
  'cd app && node x',
  'node a; node b',
  'node a | cat',
  'node a &',
  '(node a)',
  'if true; then node a; fi',
  'while :',
  'cd app',
  '. ./env.sh',
  'export A=1',
  'ulimit -n 100',
  'node `cat x`',
  'node $(cat x)',
  'node "$(cat x)"',
  'A=$(cat x) node y',
  'node "open',
  "node it's",
  '! node a',
  '{ node a; }',
  '> file',
  'exec node a',
  'node a\nnode b',
]) {
  test(`a shell stays for what needs one: ${JSON.stringify(command)}`, () => {
    assert.equal(isSimpleCommand(command), false)
  })
}
