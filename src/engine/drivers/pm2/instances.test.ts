import assert from 'node:assert/strict'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { isRefusal } from '../../domain/refusal.ts'
import type { GroupSpec, InstanceExit } from '../../ports.ts'
import { environmentOf, processRow } from '../../processes.ts'
import { nextExit, until } from '../runtime.suite.ts'
import { openPm2Lab, type Pm2Lab } from './lab.suite.ts'
import { parseLogRecord } from './log-record.ts'

const node = process.execPath

describe('instances under a real PM2', () => {
  let lab: Pm2Lab
  before(async () => {
    process.env.NODEPILOT_TEST_CANARY = 'canary-of-the-server'
    lab = await openPm2Lab()
    await lab.runtime.connect()
  })
  after(() => lab?.close())

  /** What the app printed, once it has printed a whole line. */
  const output = (project: string, pattern: RegExp) =>
    until(async () => {
      const text = await readFile(lab.logFile(project), 'utf8').catch(() => '')
      const messages = text.split('\n').map((line) => parseLogRecord(line)?.text ?? '')
      return pattern.exec(messages.join(''))
    })

  test('an app sees exactly what it was given, whatever its config vars are called', async () => {
    const env = { name: 'not-a-name', status: 'odd', pm_id: '99', args: 'x', QUOTES: `a'b"c`, LINES: '1\n2' }
    const script = `process.stdout.write('ENV' + JSON.stringify(process.env) + 'END')`
    const group = lab.group('exact', `${node} -e "${script}; setInterval(() => {}, 1000)"`, { env })
    const [instance] = await lab.runtime.start(group)
    const found = await output('exact', /ENV(.*)END/s)
    assert.deepEqual(JSON.parse(found[1] ?? ''), group.instances[0]?.env)
    const kernel = await environmentOf(instance?.pid ?? 0)
    assert.deepEqual(Object.fromEntries(kernel ?? []), group.instances[0]?.env)
    assert.deepEqual(
      (await lab.runtime.list('exact')).map(({ status }) => status),
      ['online'],
    )
    await lab.runtime.stop(group, 2_000)
  })

  test('no secret is in the environment, the list, the files or the argv of PM2', async () => {
    const env = { SECRET: 'canary-of-the-app' }
    const group = lab.group('secret', `${node} -e "setInterval(() => {}, 1000)"`, { env })
    const [instance] = await lab.runtime.start(group)
    const daemon = await environmentOf(await lab.daemonPid())
    const names = [...(daemon?.keys() ?? [])].filter((name) => !name.startsWith('NODE_CHANNEL_'))
    assert.deepEqual(names.sort(), [
      'HOME',
      'LANG',
      'PATH',
      'PM2_DAEMON_PUB_PORT',
      'PM2_DAEMON_RPC_PORT',
      'PM2_DISABLE_VERSION_CHECK',
      'PM2_DISCRETE_MODE',
      'PM2_HOME',
      'PM2_KILL_SIGNAL',
      'PM2_NO_INTERACTION',
      'SILENT',
    ])
    const argv = await readFile(`/proc/${instance?.pid}/cmdline`, 'utf8')
    assert.ok(!argv.includes('canary'))
    for (const name of await readdir(lab.pm2Home)) {
      const text = await readFile(join(lab.pm2Home, name), 'utf8').catch(() => '')
      assert.ok(!text.includes('canary'), name)
    }
    assert.equal((await stat(lab.pm2Home)).mode & 0o777, 0o700)
    await lab.runtime.stop(group, 2_000)
  })

  test('a simple command is itself the process that is known', async () => {
    const group = lab.group('direct', `${node} -e "setInterval(() => {}, 1000)"`)
    const [instance] = await lab.runtime.start(group)
    const argv = await until(async () => {
      const text = await readFile(`/proc/${instance?.pid}/cmdline`, 'utf8')
      return text.startsWith(node) && text
    })
    assert.ok(argv.includes('setInterval'))
    await lab.runtime.stop(group, 2_000)
  })

  test('the log has every stream with its time, in a file for its owner alone', async () => {
    const command = `${node} -e "console.log('to out'); console.error('to err'); setInterval(() => {}, 1000)"`
    const group = lab.group('logged', command)
    await lab.runtime.start(group)
    await output('logged', /to err/)
    await output('logged', /to out/)
    const lines = (await readFile(lab.logFile('logged'), 'utf8')).trim().split('\n')
    const records = lines.map(parseLogRecord)
    assert.deepEqual(records.map((record) => [record?.stream, record?.text]).sort(), [
      ['err', 'to err\n'],
      ['out', 'to out\n'],
    ])
    for (const record of records) {
      assert.equal(new Date(record?.time ?? '').toISOString(), record?.time)
      assert.equal(record?.release, 1)
    }
    assert.equal((await stat(lab.logFile('logged'))).mode & 0o777, 0o600)
    await lab.runtime.stop(group, 2_000)
  })

  test('an app is asked to end once, by SIGTERM, and may finish', async () => {
    const script = `let n = 0; process.on('SIGTERM', () => { n++; setTimeout(() => { console.log('signals ' + n); process.exit(7) }, 150) }); console.log('ready'); setInterval(() => {}, 1000)`
    const group = lab.group('polite', `${node} -e "${script}"`)
    await lab.runtime.start(group)
    await output('polite', /ready/)
    const exit = nextExit(lab.runtime, 'polite')
    await lab.runtime.stop(group, 5_000)
    assert.equal((await exit).code, 7)
    await output('polite', /signals 1/)
  })

  test('an app that ignores SIGTERM is killed after the grace time', async () => {
    const group = lab.group('stubborn', `trap '' TERM; echo ready; while true; do sleep 0.05; done`)
    const [instance] = await lab.runtime.start(group)
    await output('stubborn', /ready/)
    const began = performance.now()
    await lab.runtime.stop(group, 300)
    const took = performance.now() - began
    assert.ok(took >= 290 && took < 2_500, `${took} ms`)
    assert.equal(processRow(instance?.pid ?? 0), null)
    assert.deepEqual(await lab.runtime.list('stubborn'), [])
  })

  test('while one takes its time to end, the next generation is started, and is left alone', async () => {
    const command = `trap 'echo asked' TERM; echo ready; while true; do sleep 0.05; done`
    const old = lab.group('succeeded', command, { generation: 1 })
    const fresh = lab.group('succeeded', 'sleep 600', { generation: 2 })
    const [instance] = await lab.runtime.start(old)
    await output('succeeded', /ready/)
    let ended = false
    const stop = lab.runtime.stop(old, 20_000).then(() => {
      ended = true
    })
    await output('succeeded', /asked/)
    const [next] = await lab.runtime.start(fresh)
    assert.equal(ended, false)
    process.kill(instance?.pid ?? 0, 'SIGKILL')
    await stop
    const left = await lab.runtime.list('succeeded')
    assert.deepEqual(
      left.map(({ generation, pid, status }) => [generation, pid, status]),
      [[2, next?.pid, 'online']],
    )
    await lab.runtime.stop(fresh, 2_000)
  })

  test('nothing of an app survives its stop: children, sessions of their own, daemons of their own', async () => {
    const script = join(lab.root, 'family.sh')
    await writeFile(
      script,
      [
        'sleep 601 & echo child=$!=',
        `setsid sh -c 'echo session=$$=; exec sleep 602' &`,
        // Its parent ends, it becomes init's child: only its environment says where it comes from.
        `(setsid sh -c 'echo daemon=$$=; exec sleep 603' &)`,
        `(setsid sh -c 'trap "" TERM; echo stubborn=$$=; while :; do sleep 0.05; done' &)`,
        'wait',
      ].join('\n'),
    )
    const group = lab.group('family', `sh ${script}; true`)
    await lab.runtime.start(group)
    const members = ['child', 'session', 'daemon', 'stubborn']
    const pids = await Promise.all(
      members.map(async (member) => Number((await output('family', new RegExp(`${member}=(\\d+)=`)))[1])),
    )
    for (const pid of pids) assert.ok(processRow(pid), `${pid} runs`)
    await lab.runtime.stop(group, 300)
    assert.deepEqual(
      pids.filter((pid) => processRow(pid)),
      [],
    )
  })

  test('stopping the old generation ends its stray daemons and spares those of the new one', async () => {
    const command = `(setsid sh -c 'echo daemon=$$=; exec sleep 604' >&2 &); exec sleep 605`
    const old = lab.group('strays', command, { generation: 1, port: 4001 })
    const fresh = lab.group('strays', command, { generation: 2, port: 4002 })
    const daemonOf = async (group: GroupSpec) => {
      await lab.runtime.start(group)
      return until(async () => {
        const text = await readFile(lab.logFile('strays'), 'utf8')
        const records = text.split('\n').map(parseLogRecord)
        const record = records.find((found) => found?.generation === group.generation)
        return Number(/daemon=(\d+)=/.exec(record?.text ?? '')?.[1])
      })
    }
    const oldDaemon = await daemonOf(old)
    const freshDaemon = await daemonOf(fresh)
    await lab.runtime.stop(old, 500)
    assert.equal(processRow(oldDaemon), null)
    assert.ok(processRow(freshDaemon))
    assert.equal(await lab.runtime.endOrphans(), 0)
    assert.ok(processRow(freshDaemon), 'the daemon of a living instance is no orphan')
    await lab.runtime.stop(fresh, 500)
    assert.equal(processRow(freshDaemon), null)
  })

  test('a crash loop is told exit by exit with its code, backs off, and can be stopped', async () => {
    const group = lab.group('looping', 'exit 3')
    const exits: { exit: InstanceExit; at: number }[] = []
    const unsubscribe = lab.runtime.onExit((exit) => {
      if (exit.project === 'looping') exits.push({ exit, at: performance.now() })
    })
    await lab.runtime.start(group)
    await until(async () => exits.length >= 5)
    unsubscribe()
    assert.deepEqual([...new Set(exits.map(({ exit }) => exit.code))], [3])
    const gaps = exits.slice(1).map(({ at }, index) => at - (exits[index]?.at ?? 0))
    assert.ok((gaps[0] ?? 0) >= 95 && (gaps[3] ?? 0) >= 330, `gaps ${gaps.map(Math.round)}`)
    const [instance] = await lab.runtime.list('looping')
    assert.ok((instance?.restarts ?? 0) >= 3)
    if (instance?.status === 'restarting') assert.equal(instance.pid, null)
    await lab.runtime.stop(group, 1_000)
    assert.deepEqual(await lab.runtime.list('looping'), [])
  })

  test('a missing command ends with 127 and the shell says so without naming our files', async () => {
    const group = lab.group('missing', 'no-such-program --flag')
    const exit = nextExit(lab.runtime, 'missing')
    await lab.runtime.start(group)
    assert.equal((await exit).code, 127)
    const found = await output('missing', /.*not found/)
    assert.ok(found[0].includes('no-such-program') && !found[0].includes(lab.runDirectory), found[0])
    await lab.runtime.stop(group, 1_000)
  })

  test('a group with a hostile config var or name is refused before anything starts', async () => {
    const hostile = lab.group('refused', 'sleep 606', { env: { 'A;id': 'x' } })
    await assert.rejects(lab.runtime.start(hostile), (error) => isRefusal(error, 'invalid'))
    const outside = { ...lab.group('refused', 'sleep 606'), type: '../../x' }
    await assert.rejects(lab.runtime.start(outside), (error) => isRefusal(error, 'invalid'))
    assert.deepEqual(await lab.runtime.list('refused'), [])
  })

  test('a folder for logs that cannot be made leaves no instance behind', async () => {
    await writeFile(join(lab.root, 'a-file'), '')
    const group = lab.group('no-logs', 'sleep 607', { logDirectory: join(lab.root, 'a-file', 'logs') })
    await assert.rejects(lab.runtime.start(group), { code: 'ENOTDIR' })
    assert.deepEqual(await lab.runtime.list('no-logs'), [])
  })

  test('a forgotten project has left no file with its name', async () => {
    const group = lab.group('forgotten', 'sleep 608')
    await lab.runtime.start(group)
    const named = async () => {
      const files = await readdir(lab.runDirectory, { recursive: true })
      return files.filter((file) => file.includes('forgotten'))
    }
    assert.ok((await named()).some((file) => file.endsWith('web.1-v1-g1.sh')))
    await lab.runtime.stop(group, 1_000)
    assert.ok(!(await named()).some((file) => file.endsWith('.sh')), 'a stopped instance keeps no script')
    await lab.runtime.forget('forgotten')
    assert.deepEqual(await named(), [])
  })

  test('statistics count the whole tree', async () => {
    const hold = `const b = Buffer.alloc(60e6, 1); setInterval(() => b, 1000); console.log('ready')`
    const group = lab.group('tree', `${node} -e "${hold}"; true`)
    await lab.runtime.start(group)
    await output('tree', /ready/)
    const [stats] = (await lab.runtime.stats()).filter(({ project }) => project === 'tree')
    assert.ok((stats?.memoryBytes ?? 0) > 60e6, `${stats?.memoryBytes}`)
    assert.ok((stats?.cpu ?? 0) > 0)
    await lab.runtime.stop(group, 1_000)
  })

  test('ten starts and stops at once, of many projects, get in no one’s way', async () => {
    const groups = Array.from({ length: 10 }, (_, at) => lab.group(`many-${at}x`, 'sleep 609'))
    for (let round = 0; round < 2; round++) {
      await Promise.all(groups.map((group) => lab.runtime.start(group)))
      const running = (await lab.runtime.list()).filter(({ project }) => project.startsWith('many-'))
      assert.equal(new Set(running.map(({ pid }) => pid)).size, 10)
      await Promise.all(groups.map((group) => lab.runtime.stop(group, 1_000)))
      assert.deepEqual(
        running.filter(({ pid }) => processRow(pid ?? 0)),
        [],
      )
    }
  })
})
