import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Failpoint } from '../engine/failpoints.ts'
import { app as appFiles, hello } from './apps.ts'
import type { Answer } from './ask.ts'
import type { CommandResult } from './command.ts'
import { answersAsWritten, routesAsWritten } from './front-door-truth.ts'
import { assertLive } from './git-output.ts'
import { nothingLeft } from './leftovers.ts'
import type { Load } from './load.ts'
import { type Pilot, startPilot } from './pilot.ts'
import { appProcesses, isAlive, isStopped, processesOf } from './processes.ts'
import { RemoteLab } from './remote-lab.ts'
import { removeDirectory, temporaryDirectory } from './temporary.ts'
import { until } from './until.ts'
import { type Files, type WorkTree, workTree } from './work-tree.ts'
import { disagreements } from './world.ts'

export type Fault = 'kill' | 'throw'
export const victims = ['server', 'PM2', 'router', 'keeper', 'app'] as const
export type Victim = (typeof victims)[number]

/** Something a user does, again and again. */
export interface Operation {
  /** What has to be so before it means anything. */
  prepare?(): Promise<unknown>
  /** Resolves to whether it was done; rejects where the server left in the middle. */
  run(): Promise<boolean>
  /** What has to be so when the server that died in the middle of it is back. */
  survived?(): Promise<unknown>
  /** Whether `app` serves all through it. */
  readonly serves: boolean
}

/** Everything a deployment can have: a build, a release command, `web` and a worker. */
function versionFiles(version: string): Files {
  return {
    ...appFiles(
      `require('node:http').createServer((q, s) => {
  s.end([${JSON.stringify(version)}, process.env.NODEPILOT_RELEASE, process.env.COLOUR].join(' '))
}).listen(process.env.PORT)
`,
      { scripts: { start: 'node server.js', build: 'true' } },
    ),
    'worker.js': 'setInterval(() => {}, 1e6)\n',
    Procfile: 'web: node server.js\nworker: node worker.js\nrelease: true\n',
  }
}

/**
 * A server whose failpoints can be armed while it runs, with `app`, to which everything is done, and `other`,
 * which must never notice.
 */
export class FaultLab {
  readonly pilot: Pilot
  readonly work: WorkTree
  readonly #folder: string
  #remote: Promise<RemoteLab> | undefined
  #versions = 0
  /** Nothing has been done since all was found well. */
  #isWell = false
  /** The newest push, whatever became of it; nothing else has changed `app` since. */
  #pushed: { readonly commit: string; readonly version: string } | null = null

  private constructor(pilot: Pilot, work: WorkTree, folder: string) {
    this.pilot = pilot
    this.work = work
    this.#folder = folder
  }

  static async start(): Promise<FaultLab> {
    const folder = await temporaryDirectory('fault')
    const env = { NODEPILOT_FAILPOINT: join(folder, 'armed'), NODEPILOT_SLEEP_MINUTE_MS: '1000' }
    const home = join(folder, 'home')
    await mkdir(home)
    await writeFile(join(home, 'nodepilot.json'), '{"allowLocalFetch":true}')
    const pilot = await startPilot({ env, home })
    const work = await workTree(versionFiles('first'))
    const lab = new FaultLab(pilot, work, folder)
    try {
      assertLive(await work.push(pilot.remote('app')), 1)
      await lab.push()
      await lab.pushTo('other')
      await lab.allIsWell()
      return lab
    } catch (error) {
      await lab.stop()
      throw error
    }
  }

  async stop(): Promise<void> {
    await this.pilot.stop()
    await (await this.#remote)?.remove()
    await this.work.remove()
    await removeDirectory(this.#folder)
  }

  /**
   * Does it while the server fails at the point, lets the server start again where it died, and looks at
   * everything. After a death the same has to succeed at once; a failure is followed by other walks, which do.
   */
  async survives(operation: Operation, point: Failpoint, fault: Fault): Promise<void> {
    await this.#standUp()
    const loads = [this.#load('other'), ...(operation.serves ? [this.#load('app')] : [])]
    try {
      await this.#prepare(operation)
      await this.#arm(point, fault)
      await operation.run().catch((error: unknown) => {
        // a server that dies cuts its callers off
        if (fault === 'throw' || error instanceof assert.AssertionError) throw error
      })
      await until(`${point} to be reached`, () => !existsSync(this.#armed))
      if (fault === 'throw') return await this.allIsWell()
      await this.pilot.exited()
      await this.pilot.start()
      await this.allIsWell()
      await operation.survived?.()
      await operation.prepare?.()
      assert.ok(await operation.run(), `not again after ${point}`)
    } finally {
      for (const load of loads) assert.deepEqual((await load.stop()).lost, {}, `lost at ${point} (${fault})`)
    }
  }

  /** Does it while PM2 is killed at the point. It has to be done all the same, and all to be well within 15 s. */
  async outlivesPm2(operation: Operation, point: Failpoint): Promise<void> {
    await this.#standUp()
    await this.#prepare(operation)
    await this.#arm(point, 'stop')
    const done = operation.run()
    await until(`${point} to be reached`, () => isStopped(this.pilot.pid))
    const lost = performance.now()
    const before = [await this.#daemonPid(), ...(await appProcesses(this.pilot.home)).map(({ pid }) => pid)]
    killIfThere(before[0])
    process.kill(this.pilot.pid, 'SIGCONT')
    assert.ok(await done, `not done when PM2 was lost at ${point}`)
    await untilGone(before)
    await this.allIsWell()
    assert.ok(performance.now() - lost < 15_000, `${Math.round(performance.now() - lost)} ms`)
  }

  /** Does it while something is killed by hand, some ms after it began; whatever came of it, all is well afterwards. */
  async isUnimpressed(operation: Operation, victim: Victim, afterMs: number): Promise<void> {
    await this.#standUp()
    await operation.prepare?.()
    const done = operation.run().catch((error: unknown) => {
      if (error instanceof assert.AssertionError) throw error
    })
    await pause(afterMs)
    const pid = await this.#pidOf(victim)
    const left = victim === 'PM2' ? await appProcesses(this.pilot.home) : []
    killIfThere(pid)
    if (victim === 'server') await this.pilot.exited()
    await done
    if (victim === 'server') await this.pilot.start()
    if (victim === 'PM2') await untilGone(left.map((one) => one.pid))
    // between the old socket and the new one lie a few ms in which a connection is refused
    if (victim === 'keeper') {
      await until('another keeper', async () => ![undefined, pid].includes(await this.#pidOf(victim)))
      await until('the front door', async () => (await this.pilot.app('other')).status === 200)
    }
    await this.allIsWell()
  }

  async #daemonPid(): Promise<number> {
    return Number(await readFile(join(this.pilot.home, 'pm2', 'pm2.pid'), 'utf8'))
  }

  async #pidOf(victim: Victim): Promise<number | undefined> {
    const { home, pid } = this.pilot
    if (victim === 'server') return pid
    if (victim === 'PM2') return this.#daemonPid()
    if (victim === 'app') return (await appProcesses(home, 'app'))[0]?.pid
    const mine = await processesOf(home)
    return mine.find(({ command }) => command.includes(victim === 'router' ? 'router/main.js' : 'keeper.sh'))
      ?.pid
  }

  /** No row, folder or process is left over; what runs is what the database says; both projects answer. */
  async allIsWell(): Promise<void> {
    const { home } = this.pilot
    await nothingLeft(home)
    let found: string[] = []
    const agree = async () => {
      found = await disagreements(home)
      return found.length === 0
    }
    await until('the world to be as written', agree).catch(() => assert.deepEqual(found, []))
    assert.equal((await this.pilot.app('other')).text, 'other')
    const runs = await answersAsWritten(this.pilot)
    if (runs && this.#pushed) await this.#branchServes(this.#pushed)
    await routesAsWritten(this.pilot)
    this.#isWell = true
  }

  /** A push of something new: true when it is live, and then the branch is there; else neither is. */
  async push(files?: Files): Promise<boolean> {
    await this.#follow()
    await this.work.git('rm', '-rqf', '.')
    const version = `version ${++this.#versions}`
    const commit = await this.work.commit(files ?? versionFiles(version))
    this.#pushed = { commit, version }
    const pushed: CommandResult = await this.work.push(this.pilot.remote('app'))
    return pushed.code === 0
  }

  /** Makes another project, or changes it. */
  async pushTo(project: string): Promise<void> {
    const tree = await workTree(hello(project))
    assertLive(await tree.push(this.pilot.remote(project), '+main'))
    await tree.remove()
  }

  /** `fetched`, and the repository that it is fetched from. */
  remote(): Promise<RemoteLab> {
    this.#isWell = false
    this.#remote ??= RemoteLab.start(this.pilot)
    return this.#remote
  }

  /** A file that `app` has written below its data, '' without one. */
  dataFile(name: string): Promise<string> {
    return readFile(join(this.pilot.home, 'projects', 'app', 'data', name), 'utf8').catch(() => '')
  }

  /** A call of the API: true when it was answered with 2xx, false with 5xx; anything else is no fault. */
  async call(method: string, path: string, body?: object): Promise<boolean> {
    this.#pushed = null
    const answer: Answer = await this.pilot.api(path, body ? { method, body } : { method })
    if (answer.status >= 500) return false
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.text}`)
    return true
  }

  /** What was pushed serves where git has moved the branch, and nowhere else. */
  async #branchServes({ commit, version }: { commit: string; version: string }): Promise<void> {
    const tip = await this.work.git('ls-remote', this.pilot.remote('app'), 'refs/heads/main')
    const serves = (await this.pilot.app('app')).text.startsWith(`${version} `)
    assert.equal(serves, tip.out.startsWith(commit), `${version}: ${tip.all}`)
  }

  /** A broken promise must not break the next ones. */
  async #standUp(): Promise<void> {
    await rm(this.#armed, { force: true })
    if (!(await isAlive(this.pilot.pid))) await this.pilot.start()
  }

  /** Brings about what the operation needs; all is well before it begins. */
  async #prepare({ prepare }: Operation): Promise<void> {
    await prepare?.()
    if (prepare || !this.#isWell) await this.allIsWell()
    this.#isWell = false
  }

  /** The work tree goes where the branch is. */
  async #follow(): Promise<void> {
    await this.work.git('fetch', '-q', this.pilot.remote('app'), 'main')
    await this.work.git('reset', '-q', '--hard', 'FETCH_HEAD')
  }

  #load(project: string): Load {
    return this.pilot.load(project, { rate: 30, timeoutMs: 30_000 })
  }

  async #arm(point: Failpoint, fault: Fault | 'stop'): Promise<void> {
    await writeFile(this.#armed, `${point}:${fault}`)
  }

  get #armed(): string {
    return join(this.#folder, 'armed')
  }
}

/** What a dead PM2 has left looks well enough, until it is ended and started anew. */
async function untilGone(pids: readonly number[]): Promise<void> {
  const anyLeft = async () => (await Promise.all(pids.map(isAlive))).includes(true)
  await until('what PM2 had started to be gone', async () => !(await anyLeft()), 30_000)
}

/** It may have ended by itself since it was found. */
function killIfThere(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
