import path from 'node:path'
import type { Command } from '../../shell.ts'
import { type BuildTools, baseEnvironment } from '../scripts.ts'
import type { InstallRun } from './run-install.ts'

/**
 * The command lines of pnpm, yarn and bun. Development dependencies come along: the build needs them. Files are
 * copied out of the managers' own stores, never linked: what is kept is made read-only, and theirs must not be.
 */

export function pnpmCommand(run: InstallRun, tools: BuildTools): Command {
  const frozen = run.frozen ? '--frozen-lockfile' : '--no-frozen-lockfile'
  const args = ['install', frozen, '--prod=false', ...(run.noCache ? ['--force'] : [])]
  return command('pnpm', args, run, tools, {
    ...twice({
      store_dir: beside(tools, 'pnpm'),
      package_import_method: 'clone-or-copy',
      // absolute paths to where it was installed would stand in every command
      extend_node_path: 'false',
      enable_global_virtual_store: 'false',
      manage_package_manager_versions: 'false',
      pm_on_fail: 'ignore',
      reporter: 'append-only',
      update_notifier: 'false',
      fetch_retries: '2',
      fetch_retry_mintimeout: '500',
      fetch_retry_factor: '3',
    }),
  })
}

export function yarnCommand(run: InstallRun, tools: BuildTools): Command {
  const frozen = run.frozen ? '--frozen-lockfile' : '--pure-lockfile'
  const quiet = ['--non-interactive', '--no-progress', '--production=false', '--network-timeout=60000']
  const args = ['install', frozen, ...quiet, `--cache-folder=${beside(tools, 'yarn-1')}`]
  return command('yarn', [...args, ...(run.noCache ? ['--force'] : [])], run, tools, {
    YARN_IGNORE_PATH: '1',
  })
}

/** Plug'n'Play keeps no node_modules that could be linked, and needs yarn to start: apps get node_modules. */
export function berryCommand(run: InstallRun, tools: BuildTools): Command {
  const version = tools.manager?.version ?? ''
  return command('yarn', ['install', ...(run.frozen ? ['--immutable'] : [])], run, tools, {
    YARN_IGNORE_PATH: '1',
    YARN_NODE_LINKER: 'node-modules',
    ...(version.startsWith('2.') ? {} : { YARN_NM_MODE: 'classic' }),
    YARN_ENABLE_GLOBAL_CACHE: 'true',
    YARN_GLOBAL_FOLDER: beside(tools, 'yarn'),
    YARN_ENABLE_IMMUTABLE_INSTALLS: String(run.frozen),
    YARN_ENABLE_TELEMETRY: '0',
    YARN_ENABLE_PROGRESS_BARS: '0',
    YARN_ENABLE_COLORS: '0',
    YARN_HTTP_RETRY: '2',
  })
}

export function bunCommand(run: InstallRun, tools: BuildTools): Command {
  const frozen = run.frozen ? '--frozen-lockfile' : '--no-save'
  const args = ['install', frozen, '--no-progress', '--backend=copyfile', ...(run.noCache ? ['--force'] : [])]
  return command('bun', args, run, tools, {
    BUN_INSTALL_CACHE_DIR: beside(tools, 'bun'),
    DO_NOT_TRACK: '1',
    NO_COLOR: '1',
  })
}

function command(
  file: string,
  args: readonly string[],
  { cwd, variables, home }: InstallRun,
  tools: BuildTools,
  own: Readonly<Record<string, string>>,
): Command {
  const base = baseEnvironment(tools, home)
  // CI: nothing is asked, nothing is drawn. NODE_ENV=production would leave out what the build needs.
  const { NODE_ENV: _, ...given } = variables
  return { file, args, cwd, env: { CI: 'true', ...given, ...base, ...own } }
}

/** A download cache of its own for each, next to npm's. */
function beside(tools: BuildTools, name: string): string {
  return path.join(path.dirname(tools.npmCache), name)
}

/** pnpm reads `npm_config_…` up to 10 and `pnpm_config_…` from 11 on. */
function twice(settings: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(settings).flatMap(([name, value]) => [
      [`npm_config_${name}`, value],
      [`pnpm_config_${name}`, value],
    ]),
  )
}
