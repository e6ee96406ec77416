import { Refusal } from '../domain/refusal.ts'
import { describeExit, type Exit, wasKilled } from '../shell.ts'
import type { Dependencies } from './dependencies.ts'
import type { PackageJson } from './package-json.ts'
import { type BuildJob, type BuildTools, runScript } from './scripts.ts'

export interface BuildRequest extends BuildJob {
  readonly dependencies: Pick<Dependencies, 'tools' | 'isShared' | 'makePrivate'>
  /** Told the step's note as soon as it is known. */
  readonly note?: (note: string) => void
}

export interface BuildResult {
  /** For the step's line: `npm run build`, `no build script`. */
  readonly note: string
}

/**
 * Runs `prebuild`, `build` and `postbuild` when the app has a build script. Refuses with `build_failed`,
 * `out_of_memory`, and as `shell.run` does (`timeout`, `output_limit`, `cancelled`).
 *
 * A build that fails because it writes to shared, read-only files of dependencies gets writable ones and
 * runs once more.
 */
export async function build(request: BuildRequest): Promise<BuildResult> {
  const { packageJson: app, slug, say, dependencies } = request
  if (!app?.scripts.build) return { note: 'no build script' }
  request.note?.('npm run build')
  const hearing = listen(request)
  const shared = await dependencies.isShared(slug)
  const tools = { ...dependencies.tools, ...request.tools }
  const failed = await runBuild(app, hearing.job, shared, tools)
  if (failed === null) return { note: 'npm run build' }
  if (hearing.diskWasFull()) throw diskFull()
  if (!shared || !hearing.wasDenied()) throw refuse(failed)
  say('The build wants to write to files of its dependencies, which are shared and read-only.')
  say('It gets files of its own and runs once more.')
  await dependencies.makePrivate(slug, request.signal)
  const failedAgain = await runBuild(app, request, false, tools)
  if (failedAgain) throw refuse(failedAgain)
  return { note: 'npm run build, own node_modules' }
}

/** The exit of the first script that failed, or null. */
async function runBuild(
  packageJson: PackageJson,
  job: BuildJob,
  confine: boolean,
  tools: BuildTools,
): Promise<Exit | null> {
  for (const event of ['prebuild', 'build', 'postbuild']) {
    const command = packageJson.scripts[event]
    if (!command) continue
    const exit = await runScript(
      { event, command, folder: '', packageJson, npmCommand: 'run', confine },
      job,
      tools,
    )
    if (exit.code !== 0) return exit
  }
  return null
}

/** Looks through the whole output: the line that matters may stand far above the last ones. */
function listen(job: BuildJob): { job: BuildJob; wasDenied: () => boolean; diskWasFull: () => boolean } {
  let denied = false
  let full = false
  const say = (line: string) => {
    denied ||= /\b(EACCES|EPERM|EROFS)\b|permission denied|operation not permitted|read-only file/i.test(line)
    full ||= /\bENOSPC\b|no space left on device/i.test(line)
    job.say(line)
  }
  return { job: { ...job, say }, wasDenied: () => denied, diskWasFull: () => full }
}

function diskFull(): Refusal {
  return new Refusal('disk_full', 'the disk was full during the build', {
    hint: 'free some space on the server, then push again',
  })
}

function refuse(exit: Exit): Refusal {
  if (wasKilled(exit)) {
    return new Refusal('out_of_memory', 'the build was killed, most likely for want of memory', {
      hint: 'give the server more memory or swap, or make the build smaller',
    })
  }
  return new Refusal('build_failed', `"npm run build" ${describeExit(exit)}`, {
    hint: 'run it locally, fix the line above, commit, push again',
  })
}
