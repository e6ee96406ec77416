import assert from 'node:assert/strict'
import type { Engine } from '../engine/engine.ts'
import type { Failpoint } from '../engine/failpoints.ts'
import type { ProjectRow } from '../engine/store/projects.ts'
import { DeploymentFailed } from '../engine/use-cases/deployment-failed.ts'
import { ada, type Lab, revisionOf } from './engine-lab.ts'
import { isAsWritten } from './lab-world.ts'
import { mortal } from './mortal.ts'
import { until } from './until.ts'

/** What somebody does to one of a few projects. */
export interface Step {
  readonly project: string
  readonly does:
    | 'create'
    | 'deploy'
    | 'deploy what crashes'
    | 'roll back'
    | 'scale'
    | 'stop'
    | 'start'
    | 'restart'
    | 'set a var'
    | 'toggle a domain'
    | 'delete'
    | 'crash'
    | 'fall asleep'
    | 'ask'
  /** For `scale`. */
  readonly number: number
  /** What goes wrong at the first pass of a point, if it is passed. */
  readonly fault: { readonly point: Failpoint; readonly kind: FaultKind } | null
}

export const faultKinds = ['throw', 'kill', 'lose the runtime', 'lose the front door'] as const
export type FaultKind = (typeof faultKinds)[number]

/** All that is promised about a project; null: there is none. */
type State = {
  readonly release: number | null
  readonly status: string
  readonly web: number
  readonly colour: string | null
  readonly domain: boolean
} | null

/** A walk through the engine, with a model beside it that says what each step may lead to. */
export class RandomWalk {
  /** What went wrong on the way: `<kind> at <point>`. */
  readonly met: string[] = []
  readonly #lab: Lab
  #engine: Engine
  #death: Promise<'died'>
  #armed: Step['fault'] = null
  #mending: Promise<unknown> = Promise.resolve()
  #isDead = false
  #hasBegun = false
  #colours = 0
  readonly #crashes = new Set<string>()

  constructor(lab: Lab) {
    this.#lab = lab
    ;[this.#engine, this.#death] = this.#begin()
    lab.faults.app = ({ project, release }) => {
      // what serves goes on, whatever is proved beside it
      const isNew = release !== lab.store.projects.find(project)?.currentRelease
      return isNew && this.#crashes.has(project)
        ? { does: 'crash', code: 1, says: ['no'] }
        : { does: 'answer' }
    }
  }

  /** Does it, lets the world come to rest, and compares. */
  async take(step: Step): Promise<void> {
    const before = this.#state(step.project)
    const after = this.#expect(step, before)
    if (after === undefined) return
    if (!this.#hasBegun) await this.#engine.reconcile()
    this.#hasBegun = true
    this.#armed = step.fault
    this.#crashes.clear()
    const outcome = await Promise.race([
      this.#do(step).then(
        () => 'done',
        (error: unknown) => error,
      ),
      this.#death,
    ])
    const clean = this.#armed === step.fault
    this.#armed = null
    await this.#mending
    const rest = async () => {
      // it may also die behind the answer
      if (this.#isDead) await this.#startAgain()
      return isAsWritten(this.#lab)
    }
    await until(`the world to be as written after ${JSON.stringify(step)}`, rest, 10_000)
    const now = this.#state(step.project)
    if (!clean) return assert.ok(same(now, after) || same(now, before), describe(step, before, after, now))
    if (step.does === 'deploy what crashes') assert.ok(outcome instanceof DeploymentFailed, String(outcome))
    else assert.equal(outcome, 'done', `${JSON.stringify(step)}: ${(outcome as Error).stack}`)
    assert.deepEqual(now, after, describe(step, before, after, now))
  }

  async end(): Promise<void> {
    await this.#engine.close()
  }

  #begin(): [Engine, Promise<'died'>] {
    const limits = { ...this.#lab.deps.limits, sleepMinuteMs: 20 }
    const { deps, death } = mortal({ ...this.#lab.deps, limits }, (point) => this.#pass(point))
    return [this.#lab.restart(deps), death]
  }

  async #startAgain(): Promise<void> {
    this.#isDead = false
    ;[this.#engine, this.#death] = this.#begin()
    await this.#engine.reconcile()
  }

  async #pass(point: Failpoint): Promise<'die' | 'live'> {
    const fault = this.#armed
    if (fault?.point !== point) return 'live'
    this.#armed = null
    this.met.push(`${fault.kind} at ${point}`)
    if (fault.kind === 'kill') {
      this.#isDead = true
      return 'die'
    }
    if (fault.kind === 'throw') throw new Error(`failpoint ${point}`)
    if (fault.kind === 'lose the runtime') this.#mending = this.#loseRuntime()
    else this.#mending = this.#loseFrontDoor()
    return 'live'
  }

  /** As `main.ts` does when PM2 is gone. */
  async #loseRuntime(): Promise<void> {
    const { memory } = this.#lab
    memory.lose()
    await new Promise((resolve) => setTimeout(resolve, 20))
    await memory.connect()
    await memory.endOrphans()
    await this.#engine.mend()
    await this.#engine.applyRoutes()
  }

  async #loseFrontDoor(): Promise<void> {
    this.#lab.router.fail('away')
    await new Promise((resolve) => setTimeout(resolve, 100))
    this.#lab.router.fail(undefined)
  }

  #state(name: string): State {
    const project = this.#lab.store.projects.find(name)
    if (!project) return null
    return {
      release: project.currentRelease,
      status: project.status,
      web: project.processes.web ?? 1,
      colour: project.envVars.COLOUR ?? null,
      domain: this.#lab.store.domains.ofProject(project.id).length > 0,
    }
  }

  /** Where the step leads when nothing goes wrong; undefined: it makes no sense now. */
  #expect({ project, does, number }: Step, now: State): State | undefined {
    if (does === 'create') return now ? undefined : fresh
    if (!now) return undefined
    if (does === 'delete') return null
    if (does === 'deploy what crashes') return now.web > 0 ? now : undefined
    if (does === 'toggle a domain') return { ...now, domain: !now.domain }
    const row = this.#lab.engine.projects.get(project)
    const next = this.#lab.store.releases.next(row.id)
    if (does === 'deploy') return { ...now, release: next, status: 'running' }
    if (now.release === null) return undefined
    const { release } = now
    switch (does) {
      case 'roll back': {
        const kept = this.#lab.store.releases.kept(row.id)
        return kept.some((one) => one.number < release)
          ? { ...now, release: next, status: 'running' }
          : undefined
      }
      case 'scale':
        return { ...now, web: number }
      case 'stop':
        return { ...now, status: 'stopped' }
      case 'start':
      case 'restart':
        return { ...now, status: 'running' }
      case 'set a var': {
        const colour = `c${++this.#colours}`
        return { ...now, colour, release: now.status === 'stopped' ? release : next }
      }
      case 'crash':
      case 'fall asleep':
      case 'ask':
        return now
    }
  }

  async #do({ project: name, does, number }: Step): Promise<unknown> {
    const { projects, processes, releases, configVars, domains } = this.#engine
    if (does === 'create') return projects.create({ name }, ada)
    const project = projects.get(name)
    switch (does) {
      case 'deploy':
        return this.#lab.deploy(project, this.#lab.commit(revisionOf('a')))
      case 'deploy what crashes': {
        this.#crashes.add(name)
        return this.#lab.deploy(project, this.#lab.commit(revisionOf('b')))
      }
      case 'roll back':
        return releases.rollback(project, {}, { who: ada })
      case 'scale':
        return processes.scale(project, { web: number }, ada)
      case 'stop':
      case 'start':
      case 'restart':
        return processes[does](project, ada)
      case 'set a var':
        return configVars.patch(project, { COLOUR: `c${this.#colours}` }, true, { who: ada })
      case 'toggle a domain': {
        const domain = `${name}.example.org`
        const has = this.#lab.store.domains.ofProject(project.id).length > 0
        return has ? domains.remove(project, domain, ada) : domains.add(project, domain, ada)
      }
      case 'delete':
        return projects.remove(project, ada)
      case 'crash':
        return this.#crashOne(name)
      case 'fall asleep':
        return this.#beIdle(project)
      case 'ask':
        return this.#ask(name)
    }
  }

  /** So long that it falls asleep, unless somebody is at work on it. */
  async #beIdle(project: ProjectRow): Promise<void> {
    const { projects, idle } = this.#engine
    await projects.change(project, { settings: { sleepAfterMinutes: 1 } }, ada)
    await idle.look()
    await new Promise((resolve) => setTimeout(resolve, 25))
    await idle.look()
    await projects.change(project, { settings: { sleepAfterMinutes: null } }, ada)
  }

  async #ask(project: string): Promise<void> {
    const { router } = this.#lab
    if (router.route(`${project}.localhost`)?.state === 'sleeping') await router.waitFor(project)
  }

  async #crashOne(project: string): Promise<void> {
    const [one] = await this.#lab.memory.list(project)
    if (one) await this.#lab.memory.crash(one, one.index, { signal: 'SIGKILL' })
  }
}

const fresh: State = { release: null, status: 'stopped', web: 1, colour: null, domain: false }

function same(one: State, other: State): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}

function describe(step: Step, before: State, after: State, now: State): string {
  return JSON.stringify({ step, before, after, now }, null, 1)
}
