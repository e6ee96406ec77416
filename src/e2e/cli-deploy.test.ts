import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { app, hello } from '../testing/apps.ts'
import { type CommandResult, interruptWhen } from '../testing/command.ts'
import { type CommandLine, commandLine } from '../testing/command-line.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { deploymentsOf, projectOf } from '../testing/project.ts'
import { until } from '../testing/until.ts'
import { type Files, workTree, writeFiles } from '../testing/work-tree.ts'

describe('deploying from the command line', { timeout: 300_000 }, () => {
  let pilot: Pilot
  let user: CommandLine

  before(async () => {
    pilot = await startPilot()
    user = await commandLine()
    await user.login(pilot)
  })
  after(async () => {
    await user?.remove()
    await pilot?.stop()
  })

  const done = async (args: readonly string[], cwd = user.directory) => {
    const result = await user.run(args, { cwd })
    assert.equal(result.code, 0, result.all)
    return result
  }
  const folder = async (name: string, files: Files) => {
    const directory = join(user.home, name)
    await mkdir(directory, { recursive: true })
    await writeFiles(directory, files)
    return directory
  }

  test('a folder goes live without git, and leaves behind what is ignored', async () => {
    const source = await folder('plain', {
      ...app(
        `const { readdirSync } = require('node:fs')
require('node:http').createServer((q, s) => s.end(readdirSync('.').join(' '))).listen(process.env.PORT)`,
      ),
      '.gitignore': '*.secret\n',
      'key.secret': 'x',
      'node_modules/left/index.js': '',
      '.env': 'A=1',
    })
    await done(['create', 'plain', '--no-remote'])
    const deployed = await done(['deploy', '-p', 'plain'], source)
    assert.match(deployed.out, /^v1 is live: http:\/\/plain\.localhost:\d+\n$/)
    assert.match(deployed.err, /^Uploaded 4 files, /m)
    assert.match(deployed.err, /^\[5\/5\] Health /m, 'the log is shown')
    assert.match(deployed.err, /warning: \.env goes along/)
    assert.equal((await pilot.app('plain')).text, '.env .gitignore package.json server.js')
  })

  test('archives go live as they are; anything else is refused before it is sent', async () => {
    const source = await folder('archive', hello('from an archive'))
    execFileSync('tar', ['-czf', join(user.home, 'a.tgz'), '-C', source, '.'])
    await done(['create', 'archive', '--no-remote'])
    const deployed = await done(['deploy', join(user.home, 'a.tgz'), '-p', 'archive', '--json'])
    const { deployment, project } = deployed.json<{
      deployment: { status: string }
      project: { release: number }
    }>()
    assert.deepEqual([deployment.status, project.release], ['live', 1])
    assert.equal((await pilot.app('archive')).text, 'from an archive')
    await writeFile(join(user.home, 'a.rar'), '')
    for (const what of [join(user.home, 'a.rar'), join(user.home, 'nothing')]) {
      const refused = await user.run(['deploy', what, '-p', 'archive'])
      assert.equal(refused.code, 2, refused.all)
    }
    assert.equal((await deploymentsOf(pilot, 'archive')).length, 1)
  })

  test('a deployment that fails ends with 1 and its code; what was live stays', async () => {
    const broken = await folder('broken', app('process.exit(7)', { scripts: { build: 'exit 3' } }))
    const failed = await user.run(['deploy', broken, '-p', 'archive'])
    assert.equal(failed.code, 1)
    assert.equal(failed.out, '')
    assert.deepEqual(failed.err.match(/^error:.*$/gm), [
      'error: build_failed: "npm run build" exited with code 3',
    ])
    const json = await user.run(['deploy', broken, '-p', 'archive', '--json'])
    assert.equal(json.code, 1)
    assert.equal(json.json<{ error: { code: string } }>().error.code, 'build_failed')
    assert.equal((await pilot.app('archive')).text, 'from an archive')
  })

  test('Ctrl-C cancels the deployment on the server and ends with 130', async () => {
    const slow = await folder('slow', app('', { scripts: { build: 'echo building; sleep 60' } }))
    const interrupted = await user.run(['deploy', slow, '-p', 'archive'], {
      onOutput: interruptWhen(/^ *\| building$/m),
    })
    assert.equal(interrupted.code, 130, interrupted.all)
    assert.ok(interrupted.ms < 30_000, `${interrupted.ms} ms`)
    assert.match(interrupted.err, /was cancelled/)
    const last = await until('the end', async () => {
      const [newest] = await deploymentsOf(pilot, 'archive')
      return newest?.finishedAt ? newest : undefined
    })
    assert.equal(last.status, 'cancelled')
  })

  test('one that runs can be followed, and cancelled, from elsewhere', async () => {
    const slow = join(user.home, 'slow')
    const detached = await done(['deploy', slow, '-p', 'archive', '--detach'])
    const number = /^deployment (\d+) has begun\n$/.exec(detached.out)?.[1] ?? assert.fail(detached.out)
    const following = user.run(['deploy-log', number, '-f', '-p', 'archive'])
    await done(['cancel', '-p', 'archive'])
    const followed = await following
    assert.equal(followed.code, 1, 'it did not go live')
    assert.match(followed.out, /^NodePilot {2}archive/)
    assert.equal((await user.run(['cancel', '-p', 'archive'])).code, 4, 'nothing runs any more')
  })

  test('create makes a remote without a secret, stores a push token with git, and git push goes live', async () => {
    const tree = await workTree(hello('pushed'))
    await writeFile(join(user.home, '.gitconfig'), '[credential]\n\thelper = store\n')
    const created = await done(['create', 'pushed', '--store-credential'], tree.directory)
    assert.match(created.out, /^pushed was created: http:\/\/pushed\.localhost:\d+\n$/)
    const remote = (await tree.git('remote', 'get-url', 'nodepilot')).out.trim()
    assert.equal(remote, `http://pushed@127.0.0.1:${pilot.port}/git/pushed.git`)
    const kept = await readFile(join(user.home, '.git-credentials'), 'utf8')
    assert.match(kept, /^http:\/\/pushed:np_\w+@127\.0\.0\.1/)
    const pushed = await tree.push('nodepilot', 'main', {
      env: { HOME: user.home, GIT_CONFIG_GLOBAL: join(user.home, '.gitconfig') },
    })
    assert.equal(pushed.code, 0, pushed.all)
    assert.equal((await pilot.app('pushed')).text, 'pushed')
    const again = await user.run(['create', 'other'], { cwd: tree.directory })
    assert.equal(again.code, 2, 'the remote is not taken away from its project')
    assert.equal((await projectOf(pilot, 'pushed')).release, 1)
    const byRef = await done(['deploy', '--ref', 'main'], tree.directory)
    assert.match(byRef.out, /^v2 is live/)
    assert.match((await done(['deploy', '--again'], tree.directory)).out, /^v3 is live/)
    const wrong = await user.run(['deploy', '--ref', 'no-such-branch'], { cwd: tree.directory })
    assert.notEqual(wrong.code, 0)
    await tree.remove()
  })

  test('a large folder is sent without being held in memory', async () => {
    const source = await folder('large', hello('large'))
    execFileSync('dd', ['if=/dev/urandom', `of=${join(source, 'blob')}`, 'bs=1M', 'count=120'], {
      stdio: 'ignore',
    })
    await done(['create', 'large', '--no-remote'])
    const measured = join(user.home, 'memory')
    const result: CommandResult = await user.run(['deploy', source, '-p', 'large'], {
      env: { NODE_OPTIONS: `--import=${await memoryProbe(measured)}` },
    })
    assert.equal(result.code, 0, result.all)
    const peak = Number(await readFile(measured, 'utf8'))
    assert.ok(peak > 30_000 && peak < 200_000, `${peak} kB at most`)
  })

  /** A module that writes down, at the end, how much memory a process has ever had. */
  async function memoryProbe(file: string): Promise<string> {
    const code = `import { writeFileSync } from 'node:fs'
process.on('exit', () => process.argv[2] === 'deploy' && writeFileSync(${JSON.stringify(file)}, String(process.resourceUsage().maxRSS)))`
    return `data:text/javascript,${encodeURIComponent(code)}`
  }
})
