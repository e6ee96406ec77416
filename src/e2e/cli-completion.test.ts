import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { hello } from '../testing/apps.ts'
import { command } from '../testing/command.ts'
import { type CommandLine, commandLine } from '../testing/command-line.ts'
import { assertLive } from '../testing/git-output.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { workTree } from '../testing/work-tree.ts'

describe('completion', { timeout: 180_000 }, () => {
  let pilot: Pilot
  let user: CommandLine

  before(async () => {
    pilot = await startPilot()
    user = await commandLine()
    await user.login(pilot)
    const tree = await workTree(hello('one'))
    assertLive(await tree.push(pilot.remote('shop')), 1)
    assertLive(await tree.push(pilot.remote('shop-api')), 1)
    await tree.commit(hello('two'))
    assertLive(await tree.push(pilot.remote('shop')), 2)
    await tree.remove()
    assert.equal((await user.run(['config', 'set', 'API_KEY=x', '--no-apply', '-p', 'shop'])).code, 0)
  })
  after(async () => {
    await user?.remove()
    await pilot?.stop()
  })

  /** What bash would offer for these words when Tab is pressed after them. */
  const tab = async (...words: string[]) => {
    const script = `source <(nodepilot completion bash)
COMP_WORDS=(nodepilot "$@"); COMP_CWORD=$#
_nodepilot; printf '%s\\n' "\${COMPREPLY[@]}"`
    const { out, code, err } = await command('bash', ['-c', script, 'bash', ...words], {
      cwd: user.directory,
      env: user.environment,
    })
    assert.equal(code, 0, err)
    return out.split('\n').filter(Boolean)
  }

  test('bash is registered for nodepilot and falls back to file names', async () => {
    const { out } = await command(
      'bash',
      ['-c', 'source <(nodepilot completion bash); complete -p nodepilot'],
      {
        env: user.environment,
      },
    )
    assert.equal(out, 'complete -o default -F _nodepilot nodepilot\n')
    assert.deepEqual(await tab('deploy', ''), [])
  })

  test('commands and their verbs are completed', async () => {
    assert.deepEqual(await tab('rel'), ['releases'])
    assert.deepEqual(await tab('ro'), ['rollback'])
    assert.ok((await tab('')).length > 30)
    assert.deepEqual(await tab('config', 'un'), ['unset'])
    assert.deepEqual(await tab('maintenance', 'o'), ['on', 'off'])
    assert.deepEqual(await tab('maintenance', 'on', 'shop-'), ['shop-api'])
    assert.deepEqual(await tab('-p', 'shop', 'roll'), ['rollback'])
    assert.deepEqual(await tab('completion', ''), ['bash', 'zsh', 'fish'])
  })

  test('options are completed, those of the command and those of all', async () => {
    const options = await tab('logs', '--')
    for (const wanted of ['--follow', '--since', '--json', '--project', '--help'])
      assert.ok(options.includes(wanted), wanted)
    assert.deepEqual(await tab('logs', '--fo'), ['--follow'])
    assert.deepEqual(await tab('tokens', 'create', 'ci', '--scope', ''), ['push', 'read', 'admin'])
    assert.deepEqual(await tab('run', '--', '--'), [], 'what is run has options of its own')
  })

  test('names come from the server: projects, releases, config vars', async () => {
    assert.deepEqual(await tab('ps', '-p', 'sh'), ['shop', 'shop-api'])
    assert.deepEqual(await tab('delete', 'shop-'), ['shop-api'])
    const env = { ...user.environment, NODEPILOT_PROJECT: 'shop' }
    const words = async (...given: string[]) =>
      (await user.run(['complete-words', '--', ...given], { env })).out.split('\n').filter(Boolean)
    assert.deepEqual(await words('rollback', ''), ['v1'])
    assert.deepEqual(await words('config', 'unset', 'A'), ['API_KEY'])
  })

  test('a server that is away, or nobody signed in, means no names and no complaint', async () => {
    const stranger = await commandLine()
    const silent = await stranger.run(['complete-words', '--', 'ps', '-p', ''])
    assert.deepEqual([silent.code, silent.all], [0, ''])
    await stranger.remove()
  })

  test('the scripts of zsh and fish are ones that these shells can read, where they are installed', async () => {
    for (const shell of ['zsh', 'fish']) {
      const script = (await user.run(['completion', shell])).out
      assert.match(script, /nodepilot complete-words -- /)
      assert.match(script, shell === 'zsh' ? /^#compdef nodepilot\n/ : /^complete -c nodepilot -a /m)
      const installed = ['/usr/bin', '/bin', '/usr/local/bin'].some((folder) =>
        existsSync(`${folder}/${shell}`),
      )
      if (installed) assert.equal((await command(shell, ['-n'], { input: script })).code, 0)
    }
    assert.equal((await user.run(['completion', 'cmd'])).code, 2)
  })
})
