import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { command } from '../../testing/command.ts'
import { type CommandLine, commandLine } from '../../testing/command-line.ts'
import { unitOf } from './unit.ts'

describe('the unit of the service', () => {
  let user: CommandLine
  before(async () => {
    user = await commandLine()
  })
  after(() => user.remove())

  /** What systemd itself thinks of it; an empty text: nothing to say. */
  const verify = async (text: string) => {
    const file = join(user.directory, 'nodepilot.service')
    await writeFile(file, text)
    const { code, all } = await command('systemd-analyze', ['verify', file], { cwd: user.directory })
    return code === 0 ? all.trim() : `ended with ${code}: ${all}`
  }

  test('is one that systemd reads without a word', async () => {
    const { code, out, err } = await user.run(
      [
        ...['service', 'show', '--home', join(user.home, 'a pilot')],
        ...['--base-domain', 'pilot.example.com', '--trusted-proxy', '127.0.0.1', '--port', '8080'],
      ],
      { env: { HOST: '127.0.0.2' } },
    )
    assert.equal(code, 0, err)
    assert.equal(await verify(out), '')
    assert.notEqual(await verify(out.replace('Type=exec', 'Type=no-such-type')), '')
    assert.match(out, new RegExp(`^User=${userInfo().username}$`, 'm'))
    assert.match(out, /^Environment="HOST=127\.0\.0\.2"$/m)
    assert.match(out, /^Environment="NODEPILOT_HOME=\/.*\/a pilot"$/m)
    const [, words = ''] = /^ExecStart=\S*node \S*\/bin\/nodepilot serve (.*)$/m.exec(out) ?? []
    assert.match(words, /--base-domain pilot\.example\.com/)
    assert.match(words, /--trusted-proxy 127\.0\.0\.1/)
    assert.match(words, /--port 8080/, 'wins over the settings file, as without a service')
  })

  test('leaves the apps alone when the server ends', () => {
    const text = unitOf({
      node: '/usr/bin/node',
      program: '/p',
      home: '/h',
      user: 'u',
      environment: {},
      flags: [],
    })
    assert.match(text, /^KillMode=process$/m)
    assert.match(text, /^OOMPolicy=continue$/m)
    assert.match(text, /^Restart=on-failure$/m)
  })

  test('escapes what systemd would read as something else', async () => {
    const text = unitOf({
      node: '/opt/node 20/bin/node',
      program: '/opt/$pilot/bin/nodepilot',
      home: '/srv/100%d "home"\nUser=root',
      user: 'pilot',
      environment: {},
      flags: [],
    })
    assert.match(text, /^ExecStart="\/opt\/node 20\/bin\/node" "\/opt\/\$\$pilot\/bin\/nodepilot" serve$/m)
    assert.match(text, /^Environment="NODEPILOT_HOME=\/srv\/100%%d \\"home\\"\\nUser=root"$/m)
    assert.match(text, /^Environment="PATH=\/opt\/node 20\/bin:\/usr\/local\/sbin:/m)
  })

  test('is refused for settings that a server would not start with, and for nobody', async () => {
    const bad = await user.run(['service', 'show', '--port', '99999'])
    assert.equal(bad.code, 1)
    assert.match(bad.err, /^error: --port: /)
    const nobody = await user.run(['service', 'show', '--user', 'no-such-user'])
    assert.equal(nobody.code, 1)
    assert.match(nobody.err, /^error: there is no user no-such-user on this machine\nhint: useradd /)
  })
})
