import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { app as appFiles, hello } from './apps.ts'
import type { CommandResult } from './command.ts'
import { assertLive } from './git-output.ts'
import { nothingLeft, runningApps } from './leftovers.ts'
import { type Pilot, startPilot } from './pilot.ts'
import { processesOf } from './processes.ts'
import { removeDirectory, temporaryDirectory } from './temporary.ts'
import { until } from './until.ts'
import { type Files, type WorkTree, workTree } from './work-tree.ts'

const otherBody = 'the other one'

/** An app with these scripts in its package.json. */
export function withScripts(scripts: object, server: string): Files {
  return appFiles(server, { scripts: { start: 'node server.js', ...scripts } })
}

/** Says in a file that it is there, then stands still: a step to be interrupted in. */
export function standStill(file: string): string {
  return `touch ${file}; sleep 1000`
}

/** The server.js of the smallest app. */
export function serving(body: string): string {
  return String(hello(body)['server.js'])
}

/** A NodePilot with two projects, `app` to be ill-treated and `other` that must never notice. */
export class TwoApps {
  readonly pilot: Pilot
  readonly work: WorkTree
  readonly folder: string
  /** What `app` must answer now. */
  body: string
  #marks = 0

  private constructor(pilot: Pilot, work: WorkTree, folder: string, body: string) {
    this.pilot = pilot
    this.work = work
    this.folder = folder
    this.body = body
  }

  static async start(): Promise<TwoApps> {
    const folder = await temporaryDirectory('two')
    const pilot = await startPilot()
    const work = await workTree(hello('first'))
    assertLive(await work.push(pilot.remote('app')), 1)
    const other = await workTree(hello(otherBody))
    assertLive(await other.push(pilot.remote('other')), 1)
    await other.remove()
    return new TwoApps(pilot, work, folder, 'first')
  }

  async stop(): Promise<void> {
    await this.pilot.stop()
    await this.work.remove()
    await removeDirectory(this.folder)
  }

  /** A broken promise must not break the next ones: everything up, and the work tree where the ref is. */
  async standUp(): Promise<void> {
    if (!this.alive(this.pilot.pid)) await this.pilot.start()
    await this.work.git('fetch', '-q', this.pilot.remote('app'), 'main')
    await this.work.git('reset', '-q', '--hard', 'FETCH_HEAD')
    this.body = (await this.pilot.app('app')).text
  }

  /** A new file name, for an app or a build to say something with. */
  mark(): string {
    return join(this.folder, `mark-${++this.#marks}`)
  }

  alive(pid: number): boolean {
    return existsSync(`/proc/${pid}/cmdline`)
  }

  async serve(): Promise<boolean> {
    if ((await this.pilot.app('app')).text !== this.body) return false
    return (await this.pilot.app('other')).text === otherBody
  }

  async appPids(): Promise<number[]> {
    return (await runningApps(this.pilot.home, '')).map(({ pid }) => pid).sort()
  }

  async daemonPid(): Promise<number> {
    return Number(await readFile(join(this.pilot.home, 'pm2', 'pm2.pid'), 'utf8'))
  }

  async routerPid(): Promise<number> {
    const all = await processesOf(this.pilot.home)
    const found = all.filter(({ command }) => /router\/main\.js/.test(command))
    assert.equal(found.length, 1, JSON.stringify(found))
    return found[0]?.pid ?? 0
  }

  async keeperPid(): Promise<number> {
    return JSON.parse(await readFile(join(this.pilot.home, 'run', 'keeper', 'keeper.json'), 'utf8')).pid
  }

  /** Everything that should run runs once, nothing else does, and the next push goes live. */
  async allIsWell(): Promise<void> {
    const { home } = this.pilot
    await until('both projects to answer', () => this.serve())
    await nothingLeft(home)
    assert.equal((await runningApps(home, 'app')).length, 1)
    assert.equal((await runningApps(home, 'other')).length, 1)
    this.body = `after ${this.body.slice(0, 40)}, ${this.mark()}`
    await this.work.git('rm', '-rqf', '.')
    await this.work.commit(hello(this.body))
    assertLive(await this.work.push(this.pilot.remote('app')))
    assert.ok(await this.serve())
    await nothingLeft(home)
  }

  async crash(): Promise<void> {
    this.pilot.signal('SIGKILL')
    await this.pilot.exited()
  }

  /** SIGKILL of PM2. Returns what it had started, and itself. */
  async killDaemon(): Promise<number[]> {
    const before = [await this.daemonPid(), ...(await this.appPids())]
    process.kill(before[0] ?? 0, 'SIGKILL')
    return before
  }

  /** What the dead PM2 had started goes on without a master for a moment: the new one starts its own. */
  async mended(before: readonly number[]): Promise<void> {
    await until('the old processes to be gone', () => !before.some((pid) => this.alive(pid)), 30_000)
    await until('both projects to answer', () => this.serve(), 30_000)
  }

  /** Pushes files that stand still somewhere, and resolves when they do. */
  async pushUntil(files: Files, file: string): Promise<{ before: string; pushed: Promise<CommandResult> }> {
    const before = await this.work.head()
    await this.work.commit(files)
    const pushed = this.work.push(this.pilot.remote('app'))
    await until('the deployment to stand still', () => existsSync(file), 60_000)
    return { before, pushed }
  }

  /** The commit that the deploy branch of `app` is at. */
  async ref(): Promise<string> {
    const listed = await this.work.git('ls-remote', this.pilot.remote('app'), 'refs/heads/main')
    return listed.out.split('\t')[0] ?? ''
  }
}
