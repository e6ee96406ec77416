import { type StepName, stepNames } from '../domain/deployment.ts'
import type { Veil } from '../secrets.ts'
import type { Store } from '../store/store.ts'
import type { DeploymentLog } from './log.ts'
import { quoted, seconds, stepLine } from './output.ts'

/** Where a deployment stands: every step goes to the database and, when it ends, as a line to the log. */
export interface Journal {
  /** Runs one step. `work` returns the note of its line; an error marks the step as failed and goes on up. */
  step<T>(name: StepName, work: (step: StepReport) => Promise<T>): Promise<T>
  /** A line between the steps. */
  say(line: string): void
  /** Steps that this kind of deployment does not need. */
  skip(names: readonly StepName[], note: string): void
}

export interface StepReport {
  /** What the step's line will say. */
  note(text: string): void
  /** A line of the step's own output. */
  say(line: string): void
  /** Something that is waited for in the middle of the step: it is silent meanwhile, and the time is not its own. */
  beside<T>(wait: () => Promise<T>): Promise<T>
}

/** Silence makes people press Ctrl-C, and some git clients give up. */
const heartbeatMs = 15_000

export function createJournal(deps: {
  readonly store: Store
  readonly deploymentId: number
  readonly log: DeploymentLog
  /** Hides the values of config vars. */
  readonly veil: Pick<Veil, 'line' | 'stream'>
  /** Monotonic, ms. */
  readonly elapsed: () => number
}): Journal {
  const { store, deploymentId, log, veil, elapsed } = deps
  const put = (
    name: StepName,
    status: 'running' | 'done' | 'failed' | 'skipped',
    ms: number | null,
    note: string,
  ) => store.deployments.putStep(deploymentId, stepNames.indexOf(name), { name, status, ms, note })

  return {
    async step(name, work) {
      const began = elapsed()
      let note = ''
      let besideMs = 0
      const took = () => elapsed() - began - besideMs
      const hidden = veil.stream()
      const heartbeat = createHeartbeat(() =>
        log.write(quoted(`… ${name.toLowerCase()}: still at it (${seconds(took())})`)),
      )
      const report: StepReport = {
        note: (text) => {
          note = veil.line(text)
        },
        say: (line) => {
          heartbeat.rest()
          log.write(quoted(hidden(line)))
        },
        async beside(wait) {
          const since = elapsed()
          heartbeat.end()
          try {
            return await wait()
          } finally {
            besideMs += elapsed() - since
            heartbeat.rest()
          }
        },
      }
      put(name, 'running', null, note)
      let failed = true
      try {
        const result = await work(report)
        failed = false
        return result
      } finally {
        heartbeat.end()
        const ms = Math.round(took())
        put(name, failed ? 'failed' : 'done', ms, note)
        log.write(stepLine(name, note, ms, failed))
      }
    },
    say: (line) => log.write(quoted(veil.line(line))),
    skip(names, note) {
      for (const name of names) put(name, 'skipped', null, note)
    },
  }
}

function createHeartbeat(beat: () => void) {
  // a sign of life is no reason to live
  const begin = () => setInterval(beat, heartbeatMs).unref()
  let timer = begin()
  return {
    rest() {
      clearInterval(timer)
      timer = begin()
    },
    end: () => clearInterval(timer),
  }
}

/** For a restart, which is no deployment: the steps run and nothing is written down. */
export const silentJournal: Journal = {
  step: (_name, work) => work({ note() {}, say() {}, beside: (wait) => wait() }),
  say() {},
  skip() {},
}
