import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { ask } from '../testing/ask.ts'
import { type CommandResult, command } from '../testing/command.ts'
import { endProcessesOf, processesOf } from '../testing/processes.ts'
import { root } from '../testing/root.ts'
import { removeDirectory, temporaryDirectory } from '../testing/temporary.ts'
import { until } from '../testing/until.ts'

const script = join(root, 'scripts', 'quickstart.mjs')

describe('the quick start', { timeout: 240_000 }, () => {
  // The script's temporary folders lie in here, so that whatever it leaves behind is found.
  let folder: string
  let environment: Record<string, string>

  before(async () => {
    folder = await temporaryDirectory('quick')
    // A home or password in the environment of whoever runs the tests would change what is tested.
    environment = { TMPDIR: folder, PORT: '0', NODEPILOT_HOME: '', NODEPILOT_ADMIN_PASSWORD: '' }
  })
  after(async () => {
    await endProcessesOf(folder)
    await removeDirectory(folder)
  })

  const quickstart = (...args: string[]): Promise<CommandResult> =>
    command(process.execPath, [script, '--no-build', ...args], { env: environment, timeoutMs: 120_000 })

  const nothingLeft = async () => {
    await until('every process to be gone', async () => (await processesOf(folder)).length === 0)
  }

  test('it deploys the example by a real push, proves it, and leaves nothing behind', async () => {
    const done = await quickstart('--once')
    assert.equal(done.code, 0, done.all)
    assert.match(done.all, /success: v1 is live/)
    assert.match(done.all, /-> 200: Hello from hello/)
    for (const label of ['App', 'Panel', 'User', 'Password', 'Git remote', 'Home']) {
      assert.match(done.all, new RegExp(`^ +${label} +\\S+`, 'm'))
    }
    await nothingLeft()
    assert.ok(!existsSync(homeIn(done.all)), 'the temporary home is still there')
  })

  test('a given home stays, and a second quick start on it deploys the next release', async () => {
    const home = join(folder, 'given')
    const password = 'a password of my own'
    environment = { ...environment, NODEPILOT_ADMIN_PASSWORD: password }
    const first = await quickstart('--once', '--home', home)
    assert.equal(first.code, 0, first.all)
    await nothingLeft()
    const second = await quickstart('--once', '--home', home)
    assert.equal(second.code, 0, second.all)
    assert.match(second.all, /success: v2 is live/)
    await nothingLeft()
    assert.ok(existsSync(home))
  })

  test('it serves until SIGTERM, then ends everything and exits 0', async () => {
    const running = start(environment)
    try {
      const output = await running.prints(/Ctrl-C ends everything/)
      const { port } = new URL(/App +(\S+)/.exec(output)?.[1] ?? '')
      const page = await ask(`http://127.0.0.1:${port}`, '/', { host: 'hello.localhost' })
      assert.match(page.text, /release <b>1<\/b>|release <b>v1<\/b>/)
      running.child.kill('SIGTERM')
      assert.equal(await running.exit, 0, running.output())
      await nothingLeft()
    } finally {
      running.child.kill('SIGKILL')
    }
  })

  test('interrupted during the push it ends everything and exits 0', async () => {
    const running = start(environment)
    try {
      await running.prints(/^Push /m)
      running.child.kill('SIGINT')
      assert.equal(await running.exit, 0, running.output())
      await nothingLeft()
      assert.ok(!existsSync(homeIn(running.output())))
    } finally {
      running.child.kill('SIGKILL')
    }
  })

  test('when nobody reads its output any more it ends everything', async () => {
    const running = start(environment)
    try {
      await running.prints(/^Start /m)
      running.child.stdout?.destroy()
      running.child.stderr?.destroy()
      await running.exit
      await nothingLeft()
    } finally {
      running.child.kill('SIGKILL')
    }
  })

  test('a taken port is one sentence, exit 1, and nothing left running', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const address = taken.address()
    const port = typeof address === 'object' && address ? String(address.port) : ''
    const failed = await quickstart('--once', '--port', port)
    taken.close()
    assert.equal(failed.code, 1, failed.all)
    assert.match(failed.all, /NodePilot did not start:/)
    assert.match(failed.all, new RegExp(port))
    assert.doesNotMatch(failed.all, /^\s+at /m, 'a stack trace')
    await nothingLeft()
  })

  test('an unknown option is refused with the ones there are', async () => {
    const refused = await quickstart('--nonsense')
    assert.equal(refused.code, 1)
    assert.match(refused.all, /--nonsense.*--home, --port, --once, --no-build/s)
  })
})

function homeIn(output: string): string {
  const home = /with its state in (\S+)/.exec(output)?.[1]
  assert.ok(home, output)
  return home
}

interface Running {
  readonly child: ChildProcess
  readonly exit: Promise<number | null>
  output(): string
  /** Resolves with everything so far once it holds the pattern; rejects when the script ends before. */
  prints(pattern: RegExp): Promise<string>
}

function start(environment: Readonly<Record<string, string>>): Running {
  const child = spawn(process.execPath, [script, '--no-build'], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const exit = once(child, 'close').then(([code]) => code as number | null)
  const prints = (pattern: RegExp) =>
    new Promise<string>((resolve, reject) => {
      const look = () => pattern.test(output) && resolve(output)
      child.stdout.on('data', look)
      exit.then(() => reject(new Error(`it ended without ${pattern}:\n${output}`)))
      look()
    })
  return { child, exit, output: () => output, prints }
}
