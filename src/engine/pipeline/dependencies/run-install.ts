import type { Command } from '../../shell.ts'
import { runBuildCommand } from '../build-command.ts'
import type { BuildJob, BuildTools } from '../scripts.ts'
import { explainOther } from './explain.ts'
import { berryCommand, bunCommand, pnpmCommand, yarnCommand } from './foreign-commands.ts'
import { explainNpm, isNoise, npmCommand } from './npm.ts'
import type { PackageManager } from './toolchain.ts'

/** Runs the package manager of an app, and says in one sentence why it failed. */

/** `berry`: yarn from 2 on, which shares nothing with yarn 1 but the name. */
export type ManagerKind = 'npm' | 'pnpm' | 'yarn' | 'berry' | 'bun'

export interface InstallRun {
  /** Exactly what the lockfile says, or nothing. */
  readonly frozen: boolean
  readonly cwd: string
  /** Fetches anew what the download cache could answer (`-o no-cache`). */
  readonly noCache: boolean
  /** Added to the environment: variables that .npmrc asks for, or all config vars in the app's own folder. */
  readonly variables: Readonly<Record<string, string>>
  /** HOME of the package manager and of the dependencies' own scripts. */
  readonly home?: string | undefined
}

export function kindOf(manager: PackageManager | null): ManagerKind {
  if (manager === null) return 'npm'
  return manager.name === 'yarn' && !manager.version.startsWith('1.') ? 'berry' : manager.name
}

/** `npm ci`, `pnpm install`: for people. */
export function installLabel(kind: ManagerKind, frozen: boolean): string {
  if (kind === 'npm') return frozen ? 'npm ci' : 'npm install'
  return `${commandName(kind)} install`
}

export function commandName(kind: ManagerKind): 'npm' | 'pnpm' | 'yarn' | 'bun' {
  return kind === 'berry' ? 'yarn' : kind
}

const commands: Readonly<Record<ManagerKind, (run: InstallRun, tools: BuildTools) => Command>> = {
  npm: npmCommand,
  pnpm: pnpmCommand,
  yarn: yarnCommand,
  berry: berryCommand,
  bun: bunCommand,
}

/** Lines kept of an explanation: the code comes first, a compiler's output may follow. */
const longestExplanation = 400
/** Of one of them, characters. */
const longestHeard = 600

/** Refuses with `install_failed`, `disk_full`, `out_of_memory`, and as `shell.run` does. */
export async function runInstall(install: InstallRun, job: BuildJob, tools: BuildTools): Promise<void> {
  const kind = kindOf(tools.manager)
  const heard: string[] = []
  await job.enter?.()
  const exit = await runBuildCommand(commands[kind](install, tools), {
    signal: job.signal,
    job: job.job,
    isolation: tools.isolation,
    limits: job.limits ?? tools.limits,
    failure: 'install_failed',
    onLine: (line) => {
      if (line.trim() === '' || isNoise(line)) return
      job.say(line)
      const error = kind === 'npm' ? /^npm (?:error|ERR!) ?(.*)$/.exec(line)?.[1] : line
      // patterns go over all of it together, and install scripts of strangers write it
      if (error !== undefined) heard.push(error.slice(0, longestHeard))
      // of npm's the first lines matter, others come to the point at the end
      if (heard.length > longestExplanation) kind === 'npm' ? heard.pop() : heard.shift()
    },
  })
  if (exit.code === 0) return
  if (kind === 'npm') throw explainNpm({ command: install.frozen ? 'ci' : 'install' }, exit, heard)
  throw explainOther(kind, exit, heard)
}
