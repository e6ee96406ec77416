import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type CommandOptions, type CommandResult, command } from './command.ts'
import type { Pilot } from './pilot.ts'
import { root } from './root.ts'
import { removeDirectory, temporaryDirectory } from './temporary.ts'
import { gitEnvironment } from './work-tree.ts'

export interface CommandLineResult extends CommandResult {
  json<T = Record<string, unknown>>(): T
}

/** The built `nodepilot`, as a user of their own on a machine of their own has it. */
export interface CommandLine {
  /** Holds the settings and the git configuration of this user. */
  readonly home: string
  /** An empty folder to work in. */
  readonly directory: string
  readonly settingsFile: string
  /** What its commands see, with `nodepilot` on the path. */
  readonly environment: Readonly<Record<string, string>>
  run(args: readonly string[], options?: CommandOptions): Promise<CommandLineResult>
  /** Signs in with the admin's password. */
  login(pilot: Pilot): Promise<void>
  remove(): Promise<void>
}

export async function commandLine(): Promise<CommandLine> {
  const home = await temporaryDirectory('user')
  const directory = join(home, 'work')
  await mkdir(directory)
  const environment = {
    ...gitEnvironment,
    HOME: home,
    GIT_CONFIG_GLOBAL: join(home, '.gitconfig'),
    XDG_CONFIG_HOME: join(home, '.config'),
    NODEPILOT_HOME: join(home, 'no-server'),
    NODEPILOT_URL: '',
    NODEPILOT_TOKEN: '',
    NODEPILOT_PROJECT: '',
    PATH: `${join(root, 'bin')}:${process.env.PATH}`,
  }
  const run = async (args: readonly string[], options: CommandOptions = {}) => {
    const result = await command(join(root, 'bin', 'nodepilot'), args, {
      cwd: directory,
      timeoutMs: 60_000,
      ...options,
      env: { ...environment, ...options.env },
    })
    return { ...result, json: () => JSON.parse(result.out) }
  }
  return {
    home,
    directory,
    environment,
    settingsFile: join(home, '.config', 'nodepilot', 'config.json'),
    run,
    async login(pilot) {
      const args = ['login', pilot.url, '--username', pilot.user, '--password-stdin']
      const { code, all } = await run(args, { input: `${pilot.password}\n` })
      if (code !== 0) throw new Error(`login ended with ${code}: ${all}`)
    },
    remove: () => removeDirectory(home),
  }
}
