import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { hello } from '../testing/apps.ts'
import { command } from '../testing/command.ts'
import { type CommandLine, commandLine } from '../testing/command-line.ts'
import { assertLive } from '../testing/git-output.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { projectOf } from '../testing/project.ts'
import { workTree } from '../testing/work-tree.ts'

/** With a person at a terminal: script(1) makes one. */
describe('the command line at a terminal', { timeout: 180_000 }, () => {
  let pilot: Pilot
  let user: CommandLine

  before(async () => {
    pilot = await startPilot()
    user = await commandLine()
    const tree = await workTree(hello('one'))
    assertLive(await tree.push(pilot.remote('shop')), 1)
    await tree.remove()
  })
  after(async () => {
    await user?.remove()
    await pilot?.stop()
  })

  /** Types a line whenever the prompt appears. `words` must need no quoting. */
  const at = async (prompt: RegExp, typed: string, words: string, env: Record<string, string> = {}) => {
    let answered = false
    let seen = ''
    const child = command('script', ['-qec', `nodepilot ${words}`, '/dev/null'], {
      cwd: user.directory,
      env: { ...user.environment, TERM: 'xterm', ...env },
      timeoutMs: 60_000,
      keepInput: true,
      onOutput(text, { stdin }) {
        seen += text
        if (answered || !prompt.test(seen)) return
        answered = true
        stdin?.end(`${typed}\n`)
      },
    })
    const result = await child
    assert.ok(answered, `no prompt: ${result.all}`)
    return result
  }

  test('a password is asked for and never shown', async () => {
    const signedIn = await at(/Password of admin: /, pilot.password, `login ${pilot.url} --username admin`)
    assert.equal(signedIn.code, 0, signedIn.all)
    assert.match(signedIn.all, /signed in to/)
    assert.equal(signedIn.all.includes(pilot.password), false, signedIn.all)
    const { current } = JSON.parse(await readFile(user.settingsFile, 'utf8'))
    assert.equal(current, pilot.url)
  })

  test('what cannot be undone happens only when the name is typed', async () => {
    const wrong = await at(/Type shop to go on: /, 'shpo', 'delete shop')
    assert.equal(wrong.code, 1, wrong.all)
    assert.match(wrong.all, /nothing was changed/)
    assert.equal((await projectOf(pilot, 'shop')).name, 'shop')
    const made = await user.run(['tokens', 'create', 'ci'])
    assert.equal(made.code, 0, made.all)
    assert.equal((await at(/\[y\/N\] /, 'n', 'tokens rm 1')).code, 1)
    assert.match((await user.run(['tokens'])).out, /^1 +ci /m)
    assert.equal((await at(/\[y\/N\] /, 'y', 'tokens rm 1')).code, 0)
    assert.equal((await at(/Type shop to go on: /, 'shop', 'delete shop')).code, 0)
  })

  test('colours are for terminals alone, and for those who want them', async () => {
    const coloured = (env: Record<string, string>, words: string) =>
      command('script', ['-qec', `nodepilot ${words}`, '/dev/null'], {
        cwd: user.directory,
        env: { ...user.environment, TERM: 'xterm', ...env },
      }).then(({ out }) => out.includes('\u001b['))
    assert.equal(await coloured({}, 'doctor'), true)
    assert.equal(await coloured({}, 'doctor --no-color'), false)
    assert.equal(await coloured({ NO_COLOR: '1' }, 'doctor'), false)
    assert.equal((await user.run(['doctor'])).out.includes('\u001b['), false)
  })

  test('stop means the server where no project is meant, and says what it stopped', async () => {
    const env = { NODEPILOT_HOME: pilot.home }
    const nowhere = await user.run(['stop'])
    assert.equal(nowhere.out, 'no server was running\n', nowhere.all)
    const stopped = await user.run(['stop', '--server'], { env: { ...env, NODEPILOT_PROJECT: 'shop' } })
    assert.equal(stopped.out, 'the server has ended; projects go on\n', stopped.all)
    await pilot.exited()
    assert.equal((await user.run(['whoami'])).code, 6)
    assert.equal(
      (await user.run(['stop', '--home', join(user.home, 'other'), '-p', 'shop'])).code,
      6,
      'a project',
    )
  })
})
