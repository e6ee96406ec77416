import assert from 'node:assert/strict'
import { chmod, stat, writeFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { printable } from '../cli/client/printable.ts'
import { hello } from '../testing/apps.ts'
import { type CommandLine, commandLine } from '../testing/command-line.ts'
import { assertLive } from '../testing/git-output.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { projectOf } from '../testing/project.ts'
import { until } from '../testing/until.ts'
import { type WorkTree, workTree } from '../testing/work-tree.ts'

interface SaidError {
  readonly error: { readonly code: string; readonly message: string; readonly hint: string }
}

describe('the command line', { timeout: 240_000 }, () => {
  let pilot: Pilot
  let user: CommandLine
  let tree: WorkTree

  before(async () => {
    pilot = await startPilot()
    user = await commandLine()
    await user.login(pilot)
    tree = await workTree(hello('one'))
    assertLive(await tree.push(pilot.remote('shop')), 1)
    await tree.commit(hello('two'))
    assertLive(await tree.push(pilot.remote('shop')), 2)
  })
  after(async () => {
    await tree?.remove()
    await user?.remove()
    await pilot?.stop()
  })

  const run = (...args: string[]) => user.run(args)
  /** Data on stdout, and nothing went wrong. */
  const done = async (...args: string[]) => {
    const result = await run(...args)
    assert.equal(result.code, 0, result.all)
    return result
  }

  test('signing in with a password keeps a session that only its owner can read', async () => {
    assert.equal((await stat(user.settingsFile)).mode & 0o777, 0o600)
    assert.match((await done('whoami')).out, /^admin \(admin\) at http:\/\/127\.0\.0\.1:\d+\n$/)
    await chmod(user.settingsFile, 0o644)
    assert.match((await done('whoami')).err, /was readable by others; it was closed/)
    assert.equal((await stat(user.settingsFile)).mode & 0o777, 0o600)
  })

  test('each class of failure has its exit code, its code in JSON and a next step', async () => {
    const stranger = await commandLine()
    const cases: readonly [number, string, CommandLine, readonly string[]][] = [
      [1, 'invalid', user, ['config', 'set', '1A=b', '-p', 'shop']],
      [2, 'usage', user, ['projects', '--no-such-option']],
      [2, 'usage', user, ['no-such-command']],
      [2, 'usage', user, ['ps']],
      [2, 'usage', user, ['delete', '-p', 'shop']],
      [2, 'usage', user, ['scale', 'web', '-p', 'shop']],
      [2, 'usage', stranger, ['login', pilot.url]],
      [3, 'unauthorized', stranger, ['projects', '--server', pilot.url]],
      [3, 'unauthorized', stranger, ['projects']],
      [4, 'not_found', user, ['ps', '-p', 'no-such-project']],
      [4, 'not_found', user, ['rollback', 'v99', '-p', 'shop']],
      [4, 'not_found', user, ['config', 'get', 'NO_SUCH', '-p', 'shop']],
      [5, 'conflict', user, ['create', 'shop', '--no-remote']],
      [6, 'unreachable', user, ['doctor', '--server', 'http://127.0.0.1:1', '--json']],
      [6, 'unreachable', stranger, ['login', 'http://127.0.0.1:1', '--token', 'np_x']],
    ]
    for (const [code, name, who, args] of cases) {
      if (args[0] === 'doctor') continue
      const plain = await who.run(args)
      assert.equal(plain.code, code, `${args.join(' ')}: ${plain.all}`)
      assert.equal(plain.out, '', 'nothing on stdout')
      assert.match(plain.err, /^error: .+\n/m)
      assert.match(
        plain.err,
        /^hint: .*(nodepilot|--?\w|mend|kept|another)/m,
        `${args.join(' ')}: ${plain.err}`,
      )
      const json = await who.run([...args, '--json'])
      assert.equal(json.code, code)
      const { error } = json.json<SaidError>()
      assert.equal(error.code, name, json.out)
      assert.ok(error.message.length > 3 && error.hint.length > 3, json.out)
    }
    await stranger.remove()
  })

  test('a token from the environment signs in, and is never sent where only a git remote leads', async () => {
    const made = await done('tokens', 'create', 'ci', '--scope', 'admin')
    const token = made.out.trim()
    assert.match(token, /^np_/)
    const ci = await commandLine()
    const env = { NODEPILOT_TOKEN: token }
    const there = await ci.run(['projects'], { env: { ...env, NODEPILOT_URL: pilot.url } })
    assert.equal(there.code, 0, there.all)
    assert.match(there.out, /^shop +running +v\d+ +web=1 +http/m)
    await tree.git('remote', 'add', 'nodepilot', pilot.remote('shop'))
    const folder = await ci.run(['ps'], { env, cwd: tree.directory })
    assert.equal(folder.code, 3, folder.all)
    assert.match(folder.err, /only the git remote names/)
    assert.match(folder.err, /NODEPILOT_URL=/)
    const meant = await ci.run(['ps'], { env: { ...env, NODEPILOT_URL: pilot.url }, cwd: tree.directory })
    assert.equal(meant.code, 0, meant.all)
    await ci.remove()
  })

  test('the git remote of a folder says which project is meant', async () => {
    const shown = await user.run(['ps', '--json'], { cwd: tree.directory })
    assert.equal(shown.json<{ project: { name: string } }>().project.name, 'shop')
    assert.match((await user.run(['ps'], { cwd: tree.directory })).out, /^web\.1 +online +v\d+ +\d+ /m)
  })

  test('a misspelt command, option or project is answered with the one that was meant', async () => {
    assert.match((await run('confg')).err, /Did you mean config\?/)
    assert.match((await run('logs', '--folow')).err, /Did you mean --follow\?/)
    assert.match((await run('ps', '-p', 'shpo')).err, /did you mean shop\?/)
    const verb = await run('tokens', 'creat', 'ci')
    assert.equal(verb.code, 2, verb.all)
    assert.match(verb.err, /unknown command 'tokens creat'\nhint: it is one of list, create, rm/)
    assert.match((await run('sessions', 'rm', 'zzz')).err, /that is not an id/)
    assert.match(
      (await run('deploy-log', '99', '-p', 'shop')).err,
      /has no deployment 99\nhint: the newest is \d+/,
    )
  })

  test('the output of a deployment is one document with --json, followed or not', async () => {
    for (const follow of [[], ['-f']]) {
      const { out } = await done('deploy-log', '1', '-p', 'shop', '--json', ...follow)
      const { number, lines } = JSON.parse(out) as { number: number; lines: string[] }
      assert.equal(number, 1)
      assert.match(lines[0] ?? '', /^NodePilot {2}shop/)
      assert.match(lines.join('\n'), /^success: v1 is live/m)
    }
  })

  test('a rollback is followed to the end and brings the older version back', async () => {
    const back = await done('rollback', 'v1', '-p', 'shop')
    assert.match(back.out, /^v3 is live: http:\/\/shop\./)
    assert.match(back.err, /^\[5\/5\] Health /m)
    assert.equal((await pilot.app('shop')).text, 'one')
    const again = await done('rollback', '-p', 'shop', '--json')
    assert.equal(again.json<{ deployment: { status: string } }>().deployment.status, 'live')
    assert.equal((await pilot.app('shop')).text, 'two')
    assert.match((await done('releases', '-p', 'shop')).out, /^v4 +live /m)
    assert.match((await done('deploys', '-p', 'shop')).out, /^4 +live +v4 /m)
  })

  test('config vars are set, read, imported and removed; the colon form means the same', async () => {
    const set = await done('config:set', 'A=1', 'B=two words', '-p', 'shop')
    assert.match(set.out, /^set A, B\nv5 is live\n$/)
    assert.equal((await done('config', 'get', 'B', '-p', 'shop')).out, 'two words\n')
    assert.equal((await done('config', '-p', 'shop')).out, 'A=1\nB=two words\n')
    const exported = (await done('config', 'export', '-p', 'shop')).out
    assert.equal(exported, "A=1\nB='two words'\n")
    const input = `${exported}export C='it''s' # comment\n`.replace("''", ' ')
    const imported = await user.run(['config', 'import', '-', '--no-apply', '-p', 'shop'], { input })
    assert.equal(imported.code, 0, imported.all)
    assert.equal((await projectOf(pilot, 'shop')).release, 5, 'only stored')
    assert.match((await run('config', 'unset', 'AA', '-p', 'shop')).err, /did you mean A\?/)
    await done('config', 'unset', 'A', 'B', '--no-apply', '-p', 'shop')
    assert.equal((await done('env', 'list', '-p', 'shop')).out, 'C=it s\n')
  })

  test('stop, start and restart change the project, never the server', async () => {
    await done('stop', '-p', 'shop')
    assert.equal((await projectOf(pilot, 'shop')).status, 'stopped')
    await user.run(['start'], { cwd: tree.directory })
    assert.equal((await projectOf(pilot, 'shop')).status, 'running')
    await done('restart', 'shop')
    const stopped = await user.run(['stop', '-y'], { cwd: tree.directory })
    assert.equal(stopped.out, 'shop has stopped\n', stopped.all)
    await done('start', 'shop')
  })

  test('logs are printed without escapes, and as they are with --json', async () => {
    const evil = await workTree(
      hello('evil', `console.log('\\x1b[31mred\\x1b[0m \\x1b[2J\\x1b]0;title\\x07clear')`),
    )
    assertLive(await evil.push(pilot.remote('evil')), 1)
    await evil.remove()
    await pilot.app('evil')
    await until('what it wrote', async () =>
      (await pilot.api('/api/project/evil/logs?q=red')).text.includes('clear'),
    )
    const plain = await done('logs', '-p', 'evil', '-n', '20', '-q', 'red')
    assert.match(plain.out, /^\S+Z web\.1 {2}red clear$/m)
    assert.equal(printable(plain.out.replaceAll('\n', '')), plain.out.replaceAll('\n', ''))
    const { lines } = (await done('logs', '-p', 'evil', '-q', 'red', '--json')).json<{
      lines: { line: string }[]
    }>()
    assert.equal(lines[0]?.line, '\u001b[31mred\u001b[0m \u001b[2J\u001b]0;title\u0007clear')
  })

  test('delete asks for the name, and without a terminal for -y', async () => {
    await done('create', 'short-lived', '--no-remote')
    assert.equal((await run('delete', 'short-lived')).code, 2)
    assert.equal((await done('delete', 'short-lived', '-y')).out, 'short-lived was deleted\n')
    assert.equal((await run('ps', '-p', 'short-lived')).code, 4)
  })

  test('the doctor finds what is wrong', async () => {
    const well = (await done('doctor')).out
    assert.match(well, /^ok +Account +admin \(admin\)$/m)
    assert.match(well, /^ok +Node +v\d+\.\d+\.\d+ on the server$/m)
    assert.match(well, /Disk +[\d.]+ [GT]B of .* free, .* must stay free; most is used by .*\d [kMG]?B/)
    for (const check of ['Builds', 'Priority', 'Modules'])
      assert.match(well, new RegExp(`^(ok|warning) +${check} `, 'm'))
    const away = await run('doctor', '--server', 'http://127.0.0.1:1')
    assert.equal(away.code, 1)
    assert.match(away.out, /^failed +Server +.*nothing listens there/m)
    await writeFile(user.settingsFile, '{', { flag: 'a' })
    assert.match((await run('doctor')).out, /^failed +Settings +.*is damaged/m)
    await writeFile(user.settingsFile, '{}')
    await user.login(pilot)
  })

  test('signing out ends the session on the server too', async () => {
    const { token } = await import('node:fs/promises')
      .then(({ readFile }) => readFile(user.settingsFile, 'utf8'))
      .then((text) => Object.values(JSON.parse(text).servers)[0] as { token: string })
    await done('logout')
    assert.equal((await pilot.api('/api/auth/verify', { token })).status, 401)
    assert.equal((await run('whoami')).code, 3)
    await user.login(pilot)
  })
})
