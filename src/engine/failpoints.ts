import { readFileSync, rmSync, writeSync } from 'node:fs'

/**
 * Places at which a test can let NodePilot die, or fail, to see that nothing is lost and nothing is left. Each
 * is a call in the story (`await ctx.failpoint('deploy.built')`) behind the thing that has just happened, and
 * stands here with what that is. They do nothing in production (`NODEPILOT_TESTING`, `config.ts`).
 */
export const failpoints = {
  'attempt.opened': 'a deployment is written down, and waits for its turn',
  'attempt.begun': 'it has the turn of its project',
  'deploy.unpacked': 'the files of the new release are there',
  'deploy.installed': 'and their dependencies',
  'deploy.built': 'and what the build made',
  'deploy.released': 'the release command has run',
  'slug.linked': 'a release that reuses files has its link',
  'boot.reserved': 'new instances have rows and ports, and nothing runs',
  'boot.started': 'they accept connections',
  'boot.healthy': 'they are healthy',
  'push.accepted': 'a push is proved, and git has not yet been told so',
  'push.moved': 'git has moved the ref, and the deployment is not live yet',
  'live.committing': 'a deployment is about to be live',
  'live.told': 'it is live, and its client has read so',
  'undo.ended': 'the processes of a failed candidate have ended, its files are there',
  'processes.committing': 'a start, restart, stop or new number is about to stand',
  'routes.applying': 'the database has changed, the front door has not',
  'routes.applied': 'the front door has taken the new routes',
  'handover.stopped':
    'the old generation has ended to make room, requests wait, the new one has not been started',
  'sleep.written': 'a project is about to sleep, requests do not wait yet',
  'sleep.quiet': 'requests wait, nothing is under way, its processes run',
  'sleep.committed': 'it sleeps, its processes have not ended yet',
  'retire.drained': 'old instances answer nothing any more, and run',
  'retire.ended': 'old instances have ended',
  'retire.pruned': 'old releases are gone',
  'workers.ended': 'the old workers have ended, the new ones have not been started',
  'workers.started': 'the new workers run',
  'create.stored': 'a new project is written down, and has no folders',
  'remove.committed': 'a project is no longer in the database, and runs',
  'remove.ended': 'it runs no longer, its files are there',
  'remove.cleared': 'its files are gone, its repository is there',
  'hook.taken': 'a delivery of a webhook is written down, and nothing was made of it',
  'hook.begun': 'its deployment has begun, and the delivery does not say so',
  'fetch.fetched': 'the commits of the remote are here, and nothing was made of them',
  'fetch.moved': 'the branch has moved to what was fetched, which is not live yet',
  'cron.begun': 'a run of a job is written down, and its command has not been started',
  'cron.ended': 'its command has ended, and the run does not say so',
  'backup.written': 'a backup is written, and not yet proved',
  'backup.shelved': 'it is proved and on the shelf',
} as const satisfies Readonly<Record<string, string>>

export type Failpoint = keyof typeof failpoints
export type Failpoints = (point: Failpoint) => Promise<void>

/** In production. */
export const noFailpoints: Failpoints = async () => {}

type Fault = 'kill' | 'throw' | 'stop'

interface Armed {
  readonly point: Failpoint
  readonly fault: Fault
  /** At which pass it goes off, from 1; once. */
  pass: number
}

/**
 * Goes off as `spec` says: `<point>[:kill|throw|stop][@n]`, more of them with commas; each once, `kill` where
 * nothing is said; `stop` waits for a SIGCONT, so that something else can be ill-treated meanwhile. A spec that is an absolute path names a file with it, which is read at every point, and removed by
 * the point that goes off: so one server can be ill-treated many times. Throws where a point is unknown.
 */
export function createFailpoints(spec: string | null): Failpoints {
  if (spec === null) return noFailpoints
  if (!spec.startsWith('/')) {
    const armed = parseSpec(spec)
    return async (point) => {
      const due = armed.findIndex((one) => one.point === point && --one.pass === 0)
      const [one] = due === -1 ? [] : armed.splice(due, 1)
      if (one) goOff(one)
    }
  }
  const passes = new Map<string, number>()
  return async (point) => {
    const text = readIfThere(spec)
    const one = parseSpec(text).find((armed) => armed.point === point)
    if (!one) return
    const pass = (passes.get(text) ?? 0) + 1
    passes.set(text, pass)
    if (pass < one.pass) return
    passes.delete(text)
    rmSync(spec, { force: true })
    goOff(one)
  }
}

/** Said at once and by itself: nothing else is written after a SIGKILL. */
function goOff({ point, fault }: Armed): void {
  writeSync(2, `failpoint ${point}: ${fault}\n`)
  if (fault === 'kill') process.kill(process.pid, 'SIGKILL')
  if (fault === 'stop') return void process.kill(process.pid, 'SIGSTOP')
  throw new Error(`failpoint ${point}`)
}

function parseSpec(spec: string): Armed[] {
  return spec
    .split(',')
    .map((text) => text.trim())
    .filter((text) => text !== '')
    .map(parseOne)
}

function parseOne(text: string): Armed {
  const [, point = '', fault = 'kill', pass = '1'] =
    /^([a-z.]+)(?::(kill|throw|stop))?(?:@(\d+))?$/.exec(text) ?? []
  if (!isFailpoint(point)) throw new Error(`there is no failpoint "${text}"`)
  return { point, fault: fault as Fault, pass: Number(pass) }
}

export function isFailpoint(text: string): text is Failpoint {
  return Object.hasOwn(failpoints, text)
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
