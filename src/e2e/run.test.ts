import assert from 'node:assert/strict'
import { once } from 'node:events'
import { access, writeFile } from 'node:fs/promises'
import { type IncomingMessage, request } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { hello } from '../testing/apps.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { appProcesses, processesOf, proportionalMemory } from '../testing/processes.ts'
import { until } from '../testing/until.ts'
import { type WorkTree, workTree } from '../testing/work-tree.ts'

interface Line {
  readonly input?: string
  readonly stream?: 'out' | 'err'
  readonly text?: string
  readonly exitCode?: number
  readonly error?: { readonly code: string }
}

describe('one-off commands', { timeout: 240_000 }, () => {
  let pilot: Pilot
  let tree: WorkTree

  before(async () => {
    pilot = await startPilot()
    tree = await workTree(hello('v1'))
    const pushed = await tree.push(pilot.remote('shop'))
    assert.equal(pushed.code, 0, pushed.all)
    const env = { method: 'PUT', body: { SECRET: 'swordfish' } }
    assert.equal((await pilot.api('/api/project/shop/env', env)).status, 200)
  })
  after(async () => {
    await tree?.remove()
    await pilot?.stop()
  })

  const ask = (command: readonly string[], more: object = {}) =>
    pilot.api('/api/project/shop/run', { method: 'POST', body: { command, ...more } })
  const run = async (command: readonly string[], more: object = {}): Promise<Line[]> => {
    const answer = await ask(command, more)
    assert.equal(answer.status, 200, answer.text)
    assert.match(String(answer.headers['content-type']), /^application\/x-ndjson/)
    return answer.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Line)
  }
  const sh = (script: string) => ['/bin/sh', '-c', script]
  /** Everything that runs for the project, beside its one web process. */
  const extra = async () => (await appProcesses(pilot.home, 'shop')).length - 1
  const sleepers = async () =>
    (await appProcesses(pilot.home, 'shop')).filter(({ command }) => command === 'sleep 600').length

  test('both streams come line by line, the exit code last, and it is passed on', async () => {
    const script = 'echo one; read go; echo two >&2; read go; printf three; exit 7'
    const { input, lines, ended } = await withInput(script)
    // each comes while the command goes on, and nothing orders two pipes but that
    for (const word of ['one', 'two']) {
      await until(`${word} to come`, () => lines.some(({ text }) => text === word))
      assert.equal(await send(`${input}?more=true`, '\n'), 204)
    }
    assert.deepEqual((await ended).slice(1), [
      { stream: 'out', text: 'one' },
      { stream: 'err', text: 'two' },
      { stream: 'out', text: 'three' },
      { exitCode: 7 },
    ])
    assert.deepEqual((await run(sh('kill -TERM $$'))).at(-1), { exitCode: 143 })
  })

  test("it has the files, the config vars and the rights of the release's instances, and no port", async () => {
    const script = 'console.log(JSON.stringify([process.cwd(), process.env]))'
    const [line] = await run(['node', '-e', script])
    const [cwd, env] = JSON.parse(line?.text ?? '') as [string, Record<string, string>]
    // new config vars made v2 of the files of v1
    assert.equal(cwd, `${pilot.home}/projects/shop/releases/1`)
    assert.equal(env.SECRET, 'swordfish')
    assert.equal(env.NODEPILOT_INSTANCE, 'run.1')
    assert.equal(env.NODEPILOT_RELEASE, 'v2')
    assert.equal(env.PORT, undefined)
    assert.equal(env.NODEPILOT_ADMIN_PASSWORD, undefined)
    assert.equal(env.NODEPILOT_DATA_DIR, `${pilot.home}/projects/shop/data`)
  })

  test('no shell looks at the words of a command', async () => {
    const words = ['$HOME', '; echo no', '`id`', "it's", '--', '-x']
    const script = 'for (const w of process.argv.slice(1)) console.log(w)'
    const lines = await run(['node', '-e', script, '--', ...words])
    assert.deepEqual(
      lines.slice(0, -1).map(({ text }) => text),
      words,
    )
  })

  test('a program that there is not is exit code 127 and says so', async () => {
    const lines = await run(['no-such-program'])
    assert.equal(lines.at(-1)?.exitCode, 127)
    assert.ok(lines.some(({ stream, text }) => stream === 'err' && text?.includes('no-such-program')))
  })

  test('after its time everything of it is ended, detached children too', async () => {
    const lines = await run(sh('setsid sleep 600 & echo begun; exec sleep 600'), { timeoutMs: 3_000 })
    assert.deepEqual(lines[0], { stream: 'out', text: 'begun' })
    assert.equal(lines.at(-1)?.exitCode, 124)
    assert.equal(lines.at(-1)?.error?.code, 'timeout')
    assert.equal(await extra(), 0)
  })

  test('over the memory limit of the project it is ended with all of it, and says why', async () => {
    const limit = (memoryLimitMb: number | null) =>
      pilot.api('/api/project/shop', { method: 'PATCH', body: { memoryLimitMb } })
    assert.equal((await limit(200)).status, 200)
    const hog = 'const a = []; setInterval(() => a.push(Buffer.alloc(5e6, 1)), 20)'
    const lines = await run(sh(`setsid node -e "${hog}" & sleep 300`))
    assert.equal((await limit(null)).status, 200)
    assert.equal(lines.at(-1)?.exitCode, 137)
    assert.equal(lines.at(-1)?.error?.code, 'out_of_memory')
    await until('nothing of it is left', async () => (await extra()) === 0)
  })

  test('what it leaves in the background ends with it', async () => {
    await run(sh('setsid sleep 600 >/dev/null 2>&1 & exit 0'))
    assert.equal(await extra(), 0)
  })

  /** A command whose answer is read by hand. */
  const open = (command: readonly string[], more: object = {}) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const body = JSON.stringify({ command, ...more })
      const headers = {
        authorization: `Bearer ${pilot.token}`,
        'content-type': 'application/json',
        'content-length': body.length,
      }
      request(`${pilot.url}/api/project/shop/run`, { method: 'POST', headers, agent: false }, resolve)
        .on('error', reject)
        .end(body)
    })

  test('whoever goes away ends the command and all it has started', async () => {
    const answer = await open(sh('trap "" TERM; setsid sleep 600 & echo begun; while :; do sleep 1; done'))
    await new Promise((resolve) => answer.once('data', resolve))
    assert.ok((await extra()) >= 2)
    answer.on('error', () => {})
    answer.destroy()
    await until('nothing of it is left', async () => (await extra()) === 0)
  })

  test('a command that says nothing ends too when its reader has gone', async () => {
    const answer = open(sh('exec sleep 600'))
    answer.catch(() => {})
    await until('it runs', async () => (await sleepers()) === 1)
    // the head may come with the first output only: cut the connection, whatever has come
    const body = JSON.stringify({ command: sh('exec sleep 601') })
    const sent = request(`${pilot.url}/api/project/shop/run`, {
      method: 'POST',
      agent: false,
      headers: {
        authorization: `Bearer ${pilot.token}`,
        'content-type': 'application/json',
        'content-length': body.length,
      },
    })
    sent.on('error', () => {}).end(body)
    await until('the second runs', async () => (await extra()) === 2)
    sent.destroy()
    await until('the second has ended', async () => (await extra()) === 1)
    const [first] = (await processesOf(pilot.home)).filter(({ command }) => command === 'sleep 600')
    assert.ok(first)
    process.kill(first.pid, 'SIGKILL')
    ;(await answer).resume()
    await until('the first has ended', async () => (await extra()) === 0)
  })

  test('a reader that does not read slows the command down, and gets everything in the end', async () => {
    const megabytes = 40
    const script = `const line = 'x'.repeat(999) + '\\n'; const s = process.stdout
      let n = 0; (function go() { while (n < ${megabytes * 1000}) { n++; if (!s.write(line)) return s.once('drain', go) } })()`
    const answer = await open(['node', '-e', script])
    await new Promise((resolve) => answer.once('readable', resolve))
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    assert.equal(await extra(), 1, 'it waits')
    let lines = 0
    let rest = ''
    for await (const chunk of answer.setEncoding('utf8')) {
      const parts = (rest + chunk).split('\n')
      rest = parts.pop() ?? ''
      lines += parts.length
    }
    assert.equal(lines, megabytes * 1000 + 1)
  })

  /** A command that waits for its input: where that goes, and what it has printed at the end. */
  const withInput = async (script: string) => {
    const answer = await open(sh(script), { stdin: true })
    const lines: Line[] = []
    const ended = (async () => {
      let rest = ''
      for await (const chunk of answer.setEncoding('utf8')) {
        const whole = (rest + chunk).split('\n')
        rest = whole.pop() ?? ''
        lines.push(...whole.map((line) => JSON.parse(line) as Line))
      }
      return lines
    })()
    ended.catch(() => {})
    const input = await until('the address of the input', () => lines[0]?.input)
    return { answer, lines, ended, input }
  }
  const octets = { 'content-type': 'application/octet-stream' }
  const send = (where: string, body = '') =>
    pilot.api(where, { method: 'POST', body, headers: octets }).then(({ status }) => status)

  test('standard input comes in parts, and ends with the last one', async () => {
    const { input, ended, lines } = await withInput('read first; echo "first: $first"; cat; echo end')
    for (const piece of 'one') assert.equal(await send(`${input}?more=true`, piece), 204)
    assert.equal(await send(`${input}?more=true`, '\n'), 204)
    await until('the first line is read', () => lines.some(({ text }) => text === 'first: one'))
    assert.equal(await send(`${input}?more=true`, 'two\nthr'), 204)
    assert.equal(await send(input, 'ee'), 204)
    assert.deepEqual((await ended).slice(1), [
      { stream: 'out', text: 'first: one' },
      { stream: 'out', text: 'two' },
      { stream: 'out', text: 'threeend' },
      { exitCode: 0 },
    ])
    assert.equal(await send(input, 'more'), 404)
  })

  test('standard input can be opened by its name, as /dev/stdin', async () => {
    const { input, ended } = await withInput('sleep 0.2; cat /dev/stdin /dev/stdin')
    assert.equal(await send(input, 'here since long, and no more to come'), 204)
    assert.deepEqual((await ended).slice(1), [
      { stream: 'out', text: 'here since long, and no more to come' },
      { exitCode: 0 },
    ])
    assert.deepEqual(await run(sh('cat /dev/stdin && echo nothing')), [
      { stream: 'out', text: 'nothing' },
      { exitCode: 0 },
    ])
  })

  /** A part of which the test sends as much as goes. */
  const pour = (where: string) => {
    const sent = request(`${pilot.url}${where}`, {
      method: 'POST',
      agent: false,
      headers: { authorization: `Bearer ${pilot.token}`, ...octets },
    })
    sent.on('error', () => {})
    return sent
  }

  test('input of any length is taken as fast as the command reads, and not kept meanwhile', async () => {
    const go = `${pilot.home}/projects/shop/data/go`
    const { input, ended } = await withInput(`while ! [ -e '${go}' ]; do sleep 0.1; done; wc -c`)
    const before = await proportionalMemory([pilot.pid])
    const sent = pour(input)
    const piece = Buffer.alloc(1_000_000)
    const pieces = 200
    let left = pieces
    const writing = (async () => {
      for (; left > 0; left--) if (!sent.write(piece)) await once(sent, 'drain')
      sent.end()
    })()
    // what waits is in the buffers on the way, and stands still
    let seen = -1
    await until('it waits', async () => {
      await new Promise((resolve) => setTimeout(resolve, 300))
      const still = seen === left
      seen = left
      return still
    })
    assert.ok(pieces - left < 60, `${pieces - left} MB were taken`)
    assert.ok((await proportionalMemory([pilot.pid])) - before < 40_000_000)
    await writeFile(go, '')
    await writing
    assert.deepEqual((await ended).at(-2), { stream: 'out', text: '200000000' })
  })

  test('input that breaks off ends the command, which never sees an end of it', async () => {
    const marker = `${pilot.home}/projects/shop/data/imported`
    const { input, ended, lines } = await withInput(
      `read -r line; echo "$line"; cat >/dev/null; echo whole >'${marker}'`,
    )
    const sent = pour(input)
    sent.write('half\n')
    await until('it reads', () => lines.some(({ text }) => text === 'half'))
    sent.destroy()
    const last = (await ended).at(-1)
    assert.equal(last?.error?.code, 'cancelled')
    assert.equal(last?.exitCode, 130)
    assert.equal(await extra(), 0)
    await assert.rejects(access(marker))
  })

  test('a command that reads no more ends, whatever is still sent', async () => {
    const { input, ended } = await withInput('head -c 3')
    const sent = pour(input)
    sent.write('abcdef')
    assert.deepEqual((await ended).slice(1), [{ stream: 'out', text: 'abc' }, { exitCode: 0 }])
    sent.destroy()
  })

  test('the files of a command that runs are not pruned', async () => {
    const answer = await open(sh('echo begun; read forever </dev/zero; sleep 600'))
    await new Promise((resolve) => answer.once('data', resolve))
    const keep = { method: 'PATCH', body: { keepReleases: 1 } }
    assert.equal((await pilot.api('/api/project/shop', keep)).status, 200)
    for (const version of ['v3', 'v4']) {
      await tree.commit(hello(version))
      assert.equal((await tree.push(pilot.remote('shop'))).code, 0)
    }
    const available = async () =>
      (await pilot.api('/api/project/shop/releases'))
        .json<{ releases: { number: number; available: boolean }[] }>()
        .releases.flatMap((release) => (release.available ? [release.number] : []))
    await until('v3 is pruned', async () => !(await available()).includes(3))
    assert.deepEqual(await available(), [4, 2, 1])
    answer.on('error', () => {})
    answer.destroy()
    await until('it has ended', async () => (await extra()) === 0)
  })

  test('SIGKILL of the server ends what it had been running, and half an input never looks whole', async () => {
    const answer = await open(sh('setsid sleep 600 & echo begun; exec sleep 600'))
    answer.on('error', () => {})
    await new Promise((resolve) => answer.once('data', resolve))
    const marker = `${pilot.home}/projects/shop/data/read`
    const { input } = await withInput(`trap '' TERM; cat >/dev/null; echo whole >'${marker}'`)
    assert.equal(await send(`${input}?more=true`, 'half'), 204)
    // the detached one has left its group only when it is what it shall be
    await until('both sleep', async () => (await sleepers()) === 2)
    await until('the other one reads', async () => (await extra()) >= 4)
    pilot.signal('SIGKILL')
    await pilot.exited()
    // what has left its group lives until the next start, which looks for it
    await until('all but the detached one have ended', async () => (await extra()) === 1)
    await assert.rejects(access(marker))
    await pilot.start()
    await until('it has ended', async () => (await extra()) === 0)
  })

  test('what cannot begin is a problem as any other', async () => {
    await pilot.api('/api/project/create', { method: 'POST', body: { name: 'empty' } })
    const body = { command: ['ls'] }
    const none = await pilot.api('/api/project/empty/run', { method: 'POST', body })
    assert.equal(none.status, 409, none.text)
    for (const command of [[], [''], ['a\0b'], 'ls', [1]]) {
      assert.equal((await ask(command as string[])).status, 422, JSON.stringify(command))
    }
    const anonymous = await pilot.api('/api/project/shop/run', { method: 'POST', token: null, body })
    assert.equal(anonymous.status, 401)
  })

  test('the audit log knows the command, and no value of a config var', async () => {
    await run(['echo', 'the word is swordfish', 'x'])
    const { text } = await pilot.api('/api/audit')
    assert.ok(text.includes('the word is $SECRET'), text)
    assert.ok(!text.includes('swordfish'))
  })
})
