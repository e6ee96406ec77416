import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { hello } from '../testing/apps.ts'
import { type CommandLine, commandLine } from '../testing/command-line.ts'
import { assertLive } from '../testing/git-output.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { type WorkTree, workTree } from '../testing/work-tree.ts'

const pageOfApp = '<h1>The app will be back</h1>\n'
const ownPage = '<h1>We are back at 9</h1>\n'

describe('maintenance, from the command line', { timeout: 180_000 }, () => {
  let pilot: Pilot
  let user: CommandLine
  let tree: WorkTree

  before(async () => {
    pilot = await startPilot()
    user = await commandLine()
    await user.login(pilot)
    tree = await workTree({ ...hello('v1'), 'maintenance.html': pageOfApp })
    assertLive(await tree.push(pilot.remote('shop')), 1)
  })
  after(async () => {
    await tree?.remove()
    await user?.remove()
    await pilot?.stop()
  })

  const visit = async () => {
    const { status, text } = await pilot.app('shop', '/', { headers: { accept: 'text/html' } })
    return [status, text]
  }
  const maintenance = (...args: string[]) => user.run(['maintenance', ...args])

  test('it is on when the command returns, with the page of the app, and shows how it is', async () => {
    const before = await maintenance('-p', 'shop')
    assert.match(before.out, /^shop is not in maintenance\n/, before.all)
    const on = await maintenance('on', 'shop')
    assert.match(on.out, /^shop is in maintenance: http:\/\/shop\.localhost.* answers 503\n/, on.all)
    assert.match(on.err, /end it: nodepilot maintenance off -p shop/)
    assert.deepEqual(await visit(), [503, pageOfApp])
    assert.match((await user.run(['projects'])).out, /^shop +running, maintenance /m)
    assert.match((await user.run(['audit'])).out, /project\.maintenance-on +shop/)
  })

  test('what is wrong is named with the way out of it, and changes nothing', async () => {
    const address = await maintenance('on', '--allow', '127.0.0.1', '--allow', 'the-office', 'shop')
    assert.equal(address.code, 1)
    assert.match(address.err, /maintenanceAllow\.1: it is no address and no range; write 203\.0\.113\.7/)
    const missing = await maintenance('on', '--page', 'nowhere.html', 'shop')
    assert.deepEqual([missing.code, missing.out], [2, ''])
    assert.match(missing.err, /nowhere\.html cannot be read \(ENOENT\)\nhint: name a file of HTML/)
    await writeFile(join(user.directory, 'large.html'), 'x'.repeat(65_537))
    const large = await maintenance('on', '--page', 'large.html', 'shop')
    assert.match(large.err, /maintenancePage: it is larger than 64 KiB/)
    assert.match((await maintenance('maybe')).err, /it is one of show, on, off/)
    assert.deepEqual(await visit(), [503, pageOfApp])
  })

  test('it holds over deployments, a killed server and a stop, and who is let through sees what comes', async () => {
    await writeFile(join(user.directory, 'soon.html'), ownPage)
    const set = await maintenance(
      'on',
      '--page',
      'soon.html',
      '--allow',
      '203.0.113.0/24',
      '-p',
      'shop',
      '--json',
    )
    const { project } = set.json<{ project: Record<string, unknown> }>()
    assert.deepEqual(
      [project.maintenance, project.maintenancePage, project.maintenanceAllow],
      [true, ownPage, ['203.0.113.0/24']],
    )
    assert.deepEqual(await visit(), [503, ownPage])
    await tree.commit({ ...hello('v2'), 'maintenance.html': pageOfApp })
    const pushed = await tree.push(pilot.remote('shop'))
    assertLive(pushed, 2)
    assert.match(pushed.all, /Note {3}in maintenance until: nodepilot maintenance off -p shop/)
    assert.deepEqual(await visit(), [503, ownPage])

    pilot.signal('SIGKILL')
    await pilot.exited()
    assert.deepEqual(await visit(), [503, ownPage])
    await pilot.start()
    assert.deepEqual(await visit(), [503, ownPage])

    await maintenance('on', '--allow', '127.0.0.0/8', '--no-page', 'shop')
    assert.deepEqual(await visit(), [200, 'v2'])
    await maintenance('on', '--no-allow', 'shop')
    await user.run(['stop', 'shop'])
    assert.deepEqual(await visit(), [503, '<h1>The app will be back</h1>\n'], 'also while it is stopped')
    await user.run(['start', 'shop'])
  })

  test('off lets visitors in to what is live now, and no release is blamed for the time before', async () => {
    const off = await maintenance('off', 'shop')
    assert.match(off.out, /^shop is not in maintenance\n/, off.all)
    assert.deepEqual(await visit(), [200, 'v2'])
    const { releases } = (await pilot.api('/api/project/shop/traffic')).json<{
      releases: { release: number; errors: number }[]
    }>()
    assert.deepEqual(
      releases.map(({ release, errors }) => [release, errors]),
      [[2, 0]],
    )
  })
})
