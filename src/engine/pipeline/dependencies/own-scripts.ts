import { chmod, realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import { Refusal } from '../../domain/refusal.ts'
import { describeExit, wasKilled } from '../../shell.ts'
import { type PackageJson, readPackageJson } from '../package-json.ts'
import { type BuildJob, type BuildTools, findScript, runScript, type Script } from '../scripts.ts'
import { installLabel, kindOf, type ManagerKind } from './run-install.ts'

/**
 * The install scripts that belong to the app, not to the kept tree: its own, those of its workspaces, and
 * those of dependencies that read its source. They run for every release.
 */

/** npm's set and order for the app itself, after everything else (`npm ci`, npm 7 to 11). */
const rootEvents = [
  'preinstall',
  'install',
  'postinstall',
  'prepublish',
  'preprepare',
  'prepare',
  'postprepare',
]
/** And for linked packages: each of them for all packages, before the app's. */
const linkedEvents = ['preinstall', 'prepare', 'install', 'postinstall']
const dependencyEvents = ['preinstall', 'install', 'postinstall']

/** In npm's order. `links` are folders of the app, `readers` places in `node_modules`. */
export async function findOwnScripts(
  slug: string,
  app: PackageJson,
  links: readonly string[],
  readers: readonly string[],
  kind: ManagerKind,
): Promise<Script[]> {
  const scripts = await collect(slug, readers, dependencyEvents)
  // yarn from 2 on knows no prepare
  const known = (event: string) => kind !== 'berry' || !event.includes('prep')
  scripts.push(...(await collect(slug, links, linkedEvents.filter(known))))
  for (const event of rootEvents.filter(known)) scripts.push(...(await script(slug, '', app, event)))
  return scripts
}

/**
 * Whether they may have a shared tree before them. Only where every one is known to leave `node_modules`
 * alone: a script may also swallow the error when a read-only file does not let itself be written.
 */
export function leaveModulesAlone(scripts: readonly Script[]): boolean {
  return scripts.every(({ command }) => harmless.test(command.trim()))
}

const harmless =
  /^(npx (--yes |-y )?)?(husky( install)?|only-allow \w+|lefthook install|simple-git-hooks|is-ci)( ?\|\| ?(true|exit 0|husky( install)?))?$/

/** Refuses with `install_failed` at the first that fails, `out_of_memory`, and as `shell.run` does. */
export async function runOwnScripts(
  scripts: readonly Script[],
  job: BuildJob,
  tools: BuildTools,
): Promise<void> {
  for (const each of scripts) {
    const exit = await runScript(each, job, tools)
    if (exit.code === 0) continue
    const which = each.folder ? `${each.event} of ${each.folder}` : each.event
    if (wasKilled(exit)) {
      throw new Refusal('out_of_memory', `the script ${which} was killed, most likely for want of memory`, {
        hint: 'give the server more memory or swap, then push again',
      })
    }
    throw new Refusal('install_failed', `the app's own script "${which}" ${describeExit(exit)}`, {
      hint: `run "${installLabel(kindOf(tools.manager), true)}" locally, fix the line above, commit, push again`,
    })
  }
}

/** npm makes the commands of linked packages executable, in the app's own folders. */
export async function markLinkedCommands(slug: string, links: readonly string[]): Promise<void> {
  const real = await realpath(slug)
  for (const folder of links) {
    const bin = (await readPackageJson(slug, folder))?.bin
    for (const command of typeof bin === 'string' ? [bin] : Object.values(bin ?? {})) {
      const file = await realpath(path.join(slug, folder, path.posix.join('/', command))).catch(() => null)
      if (file?.startsWith(real + path.sep) && (await stat(file)).isFile()) await chmod(file, 0o755)
    }
  }
}

async function collect(
  slug: string,
  folders: readonly string[],
  events: readonly string[],
): Promise<Script[]> {
  const scripts: Script[] = []
  for (const event of events) {
    for (const folder of folders) {
      const packageJson = await readPackageJson(slug, folder)
      if (packageJson) scripts.push(...(await script(slug, folder, packageJson, event)))
    }
  }
  return scripts
}

async function script(
  slug: string,
  folder: string,
  packageJson: PackageJson,
  event: string,
): Promise<Script[]> {
  const command = await findScript(slug, folder, packageJson, event)
  return command ? [{ event, command, folder, packageJson, npmCommand: 'ci', confine: false }] : []
}
