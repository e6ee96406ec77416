import { Refusal } from '../domain/refusal.ts'
import { describeExit, type Exit, wasKilled } from '../shell.ts'
import { commandName, kindOf, type ManagerKind } from './dependencies/run-install.ts'
import type { Dependencies } from './dependencies.ts'
import { type PackageJson, packageJsonSchema } from './package-json.ts'
import { type BuildJob, type BuildTools, runScript } from './scripts.ts'

export interface BuildRequest extends BuildJob {
  /** The app's folder below `slug`, where its package.json lies; '' where they are the same. */
  readonly folder?: string
  /** Runs in place of the build script; null: the build script. */
  readonly command?: string | null
  readonly dependencies: Pick<Dependencies, 'tools' | 'isShared' | 'makePrivate'>
  /** Told the step's note as soon as it is known. */
  readonly note?: (note: string) => void
}

export interface BuildResult {
  /** For the step's line: `npm run build`, `no build script`. */
  readonly note: string
}

/**
 * Runs the build command, or `prebuild`, `build` and `postbuild` when the app has a build script. Refuses with `build_failed`,
 * `out_of_memory`, and as `shell.run` does (`timeout`, `output_limit`, `cancelled`).
 *
 * A build that fails because it writes to shared, read-only files of dependencies gets writable ones and
 * runs once more.
 */
export async function build(request: BuildRequest): Promise<BuildResult> {
  const { slug, say, dependencies } = request
  const kind = kindOf(request.tools?.manager ?? null)
  const what = request.command ?? `${commandName(kind)} run build`
  const commands = commandsOf(request, kind)
  if (commands.length === 0) return { note: 'no build script' }
  request.note?.(what)
  const hearing = listen(request)
  const shared = await dependencies.isShared(slug)
  const tools = { ...dependencies.tools, ...request.tools }
  const failed = await runAll(commands, request, hearing.job, { shared, tools })
  if (failed === null) return { note: what }
  if (hearing.diskWasFull()) throw diskFull()
  if (!shared || !hearing.wasDenied()) throw refuse(what, failed)
  say('The build wants to write to files of its dependencies, which are shared and read-only.')
  say('It gets files of its own and runs once more.')
  await dependencies.makePrivate(slug, request.signal)
  const failedAgain = await runAll(commands, request, request, { shared: false, tools })
  if (failedAgain) throw refuse(what, failedAgain)
  return { note: `${what}, own node_modules` }
}

type Commands = readonly { readonly event: string; readonly command: string }[]

function commandsOf({ command = null, packageJson }: BuildRequest, kind: ManagerKind): Commands {
  if (command !== null) return [{ event: 'build', command }]
  const scripts = packageJson?.scripts ?? {}
  if (!scripts.build) return []
  // yarn from 2 on knows no pre and post
  const events = kind === 'berry' ? ['build'] : ['prebuild', 'build', 'postbuild']
  return events.flatMap((event) => (scripts[event] ? [{ event, command: scripts[event] }] : []))
}

/** An app without a package.json, with a build command of its own. */
const noPackage: PackageJson = packageJsonSchema.parse({})

/** The exit of the first command that failed, or null. */
async function runAll(
  commands: Commands,
  { folder = '', packageJson }: BuildRequest,
  job: BuildJob,
  { shared, tools }: { readonly shared: boolean; readonly tools: BuildTools },
): Promise<Exit | null> {
  for (const { event, command } of commands) {
    const script = { event, command, folder, packageJson: packageJson ?? noPackage, confine: shared }
    const exit = await runScript({ ...script, npmCommand: 'run' }, job, tools)
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

function refuse(what: string, exit: Exit): Refusal {
  if (wasKilled(exit)) {
    return new Refusal('out_of_memory', 'the build was killed, most likely for want of memory', {
      hint: 'give the server more memory or swap, or make the build smaller',
    })
  }
  return new Refusal('build_failed', `"${what}" ${describeExit(exit)}`, {
    hint: 'run it locally, fix the line above, commit, push again',
  })
}
