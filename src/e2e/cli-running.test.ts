import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { app } from '../testing/apps.ts'
import { interruptWhen } from '../testing/command.ts'
import { type CommandLine, commandLine } from '../testing/command-line.ts'
import { assertLive } from '../testing/git-output.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { processesOf } from '../testing/processes.ts'
import { until } from '../testing/until.ts'
import { workTree } from '../testing/work-tree.ts'

describe('what runs, from the command line', { timeout: 240_000 }, () => {
  let pilot: Pilot
  let user: CommandLine

  before(async () => {
    pilot = await startPilot()
    user = await commandLine()
    await user.login(pilot)
    const tree = await workTree({
      ...app(`let n = 0
require('node:http').createServer((q, s) => { console.log('asked ' + q.url); s.end('ok') }).listen(process.env.PORT)`),
      Procfile: 'web: node server.js\nworker: node -e "setInterval(() => {}, 1000)"\n',
      'code.js': `process.stdout.write('out\\n'); process.stderr.write('err\\n'); process.exit(Number(process.argv[2]))`,
    })
    assertLive(await tree.push(pilot.remote('shop')), 1)
    await tree.remove()
  })
  after(async () => {
    await user?.remove()
    await pilot?.stop()
  })

  const run = (...args: string[]) => user.run([...args, '-p', 'shop'])
  const inShop = (args: readonly string[]) => user.run(args, { env: { NODEPILOT_PROJECT: 'shop' } })

  test('run passes on output, streams and exit code', async () => {
    const ended = await inShop(['run', '--', 'node', 'code.js', '7', '--json', '-p', 'x'])
    assert.deepEqual([ended.code, ended.out, ended.err], [7, 'out\n', 'err\n'])
    assert.equal((await inShop(['run', 'true'])).code, 0)
    const json = await inShop(['--json', 'run', '--', 'node', 'code.js', '3'])
    assert.equal(json.code, 3)
    const lines = json.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.deepEqual(lines.at(-1), { exitCode: 3 })
    const slow = await inShop(['run', '-t', '1', '--', 'sleep', '60'])
    assert.notEqual(slow.code, 0)
    assert.match(slow.err, /^error: .+\nhint: .+/m)
  })

  test('what is piped into run is the standard input of the command, whole, and only where that is wanted', async () => {
    const input = Buffer.alloc(8_000_003, 'line of data\n')
    const count = [
      'node',
      '-e',
      "let n = 0; process.stdin.on('data', (d) => (n += d.length)).on('end', () => console.log(n))",
    ]
    const env = { NODEPILOT_PROJECT: 'shop' }
    const whole = await user.run(['run', '--', ...count], { env, input })
    assert.deepEqual([whole.code, whole.out], [0, '8000003\n'], whole.all)
    const line = `${'x😀'.repeat(40_000)}\n`
    const same = await user.run(['run', '--', 'cat'], { env, input: line })
    assert.equal(same.out, line, 'a line longer than any piece comes out as one')
    const json = await user.run(['--json', 'run', '--', ...count], { env, input: 'x' })
    assert.deepEqual(
      json.out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
      [{ stream: 'out', text: '1' }, { exitCode: 0 }],
    )
    const none = await user.run(['run', '--no-stdin', '--', ...count], { env, input })
    assert.deepEqual([none.code, none.out], [0, '0\n'])
    const early = await user.run(['run', '--', 'head', '-n', '1'], { env, input })
    assert.deepEqual([early.code, early.out], [0, 'line of data\n'], early.all)
  })

  test('Ctrl-C ends the command on the server too', async () => {
    const script = "console.log('begun'); setInterval(() => {}, 1000)"
    const ended = await user.run(['run', '--', 'node', '-e', script, 'marked-for-the-end'], {
      env: { NODEPILOT_PROJECT: 'shop' },
      // a pipe in which nothing comes
      keepInput: true,
      onOutput: interruptWhen(/begun/),
    })
    assert.equal(ended.code, 130, ended.all)
    await until('the end of the command', async () =>
      (await processesOf(pilot.home)).every(({ command }) => !command.includes('marked-for-the-end')),
    )
  })

  test('scale changes how many run and says what is set', async () => {
    const scaled = await run('scale', 'web=2', 'worker=0')
    assert.equal(scaled.code, 0, scaled.all)
    assert.match(scaled.out, /^web=2$/m)
    const shown = (await run('ps')).out
    assert.match(shown, /^web\.1 .*\nweb\.2 /m)
    assert.doesNotMatch(shown, /^worker/m)
    assert.equal((await run('scale', 'nothing=2')).code, 1)
    assert.match((await run('scale', '--json')).json<{ project: { name: string } }>().project.name, /shop/)
  })

  test('members, users, sessions, domains and the audit log are kept', async () => {
    const added = await user.run(['users', 'add', 'ada', '--password-stdin'], {
      input: 'correct horse staple\n',
    })
    assert.equal(added.out, 'ada may sign in (member)\n', added.all)
    assert.equal((await run('members', 'add', 'ada', '--role', 'viewer')).out, 'ada is viewer of shop\n')
    const ada = await commandLine()
    await ada.login({ ...pilot, url: pilot.url, user: 'ada', password: 'correct horse staple' })
    assert.equal((await ada.run(['ps', '-p', 'shop'])).code, 0)
    const refused = await ada.run(['restart', '-p', 'shop', '--json'])
    assert.deepEqual([refused.code, refused.json<{ error: { code: string } }>().error.code], [1, 'forbidden'])
    assert.match((await run('members')).out, /^ada +viewer$/m)
    assert.equal((await run('members', 'rm', 'ada')).code, 2, 'it asks')
    assert.equal((await run('members', 'rm', 'ada', '-y')).code, 0)
    assert.equal((await ada.run(['projects', '--json'])).out.includes('shop'), false)
    assert.match((await ada.run(['sessions'])).out, /^\d+ \* /m)
    await ada.remove()
    assert.equal((await user.run(['users', 'rm', 'ada', '-y'])).code, 0)
    assert.doesNotMatch((await user.run(['users'])).out, /ada/)
    const domain = await run('domains', 'add', 'shop.example.com')
    assert.match(domain.out, /^shop answers at shop\.example\.com/, domain.all)
    assert.match((await run('domains')).out, /^shop\.example\.com /m)
    assert.equal((await run('domains', 'rm', 'shop.example.com', '-y')).code, 0)
    assert.match((await run('metrics')).out, /^LAST 1h .*\nCPU .*\nMemory /)
    assert.equal((await run('metrics', '--range', '2y')).code, 2)
    assert.match((await user.run(['audit'])).out, /^\d{4}-\S+ +admin +\S+ +(shop)?/m)
  })

  test('signing in by a link waits for the approval and keeps a session of its own', async () => {
    const other = await commandLine()
    let approved: Promise<unknown> | undefined
    const login = await other.run(['login', pilot.url, '--device'], {
      onOutput(text) {
        const code = /^Code {3}(\S+)$/m.exec(text)?.[1]
        if (code !== undefined) approved ??= approve(code)
      },
    })
    await approved
    assert.equal(login.code, 0, login.all)
    assert.match(login.out, /^signed in to http:\S+ as admin\n$/)
    assert.match((await other.run(['sessions'])).out, /^\d+ \* +cli /m)
    await other.remove()
  })

  /** What the page does when its button is pressed by somebody who is signed in. */
  async function approve(code: string): Promise<void> {
    const form = (fields: Record<string, string>) => new URLSearchParams(fields).toString()
    const headers = { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'same-origin' }
    const signedIn = await pilot.api('/login', {
      method: 'POST',
      token: null,
      headers,
      body: form({ username: pilot.user, password: pilot.password }),
    })
    const cookie = String(signedIn.headers['set-cookie']).split(';')[0] ?? ''
    const answer = await pilot.api('/device', {
      method: 'POST',
      token: null,
      headers: { ...headers, cookie },
      body: form({ code, answer: 'approve' }),
    })
    assert.equal(answer.status, 200, answer.text)
  }
})
