import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { Refusal } from '../../domain/refusal.ts'
import { runBuildCommand } from '../build-command.ts'
import { explainNpm, patience } from '../dependencies/npm.ts'
import { type BuildTools, baseEnvironment } from '../scripts.ts'

/**
 * What NodePilot itself takes from the npm registry (versions of Node, package managers), by the server's own
 * npm and with the operator's settings: registry, proxy, certificates, token. It runs as installs do: at low priority,
 * watched, and ended with all it has started when whoever asked is cancelled.
 */
export interface Registry {
  /** All versions of a package, as the registry lists them; asked once an hour. Refuses with `install_failed`. */
  versions(name: string, job: FetchJob): Promise<readonly string[]>
  /**
   * Installs exactly this version into `<directory>/node_modules`, without its scripts. With `hashes`, the hashes
   * of its archive are left in `<directory>/hashes.json`. Refuses with `install_failed` and `disk_full`.
   */
  fetch(wanted: Wanted, directory: string, job: FetchJob): Promise<void>
  /** What npm's configuration comes to, its files and the environment together; asked once. */
  settings(job: FetchJob): Promise<NpmSettings>
  /** Fetches under way: while there are any, the download cache is in use. */
  fetching(): number
}

export interface FetchJob {
  readonly signal: AbortSignal
  /** See `RunOptions.job`. */
  readonly job?: string
}

export interface Wanted {
  readonly name: string
  readonly version: string
  readonly hashes?: boolean
}

/** Those that corepack writes. */
export const hashAlgorithms = ['sha1', 'sha224', 'sha256', 'sha384', 'sha512'] as const

const npmSettings = z.object({
  registry: z.string().nullish().catch(null),
  globalconfig: z.string().nullish().catch(null),
  cafile: z.string().nullish().catch(null),
  proxy: z.string().nullish().catch(null),
  'https-proxy': z.string().nullish().catch(null),
  noproxy: z
    .union([z.string(), z.array(z.string()).transform((hosts) => hosts.filter(Boolean).join(','))])
    .nullish()
    .catch(null),
})
export type NpmSettings = z.infer<typeof npmSettings>

const listMs = 3_600_000
const longestMs = 10 * 60_000

export function createRegistry(tools: BuildTools, now: () => number): Registry {
  const known = new Map<string, { readonly at: number; readonly versions: readonly string[] }>()
  let settings: NpmSettings | undefined
  let fetching = 0
  const npm = async (args: readonly string[], cwd: string | null, job: FetchJob): Promise<string> => {
    fetching++
    try {
      return await runNpm(args, cwd, tools, job)
    } finally {
      fetching--
    }
  }
  return {
    fetching: () => fetching,

    async settings(job) {
      const asked = ['config', 'list', '--json']
      settings ??= npmSettings.parse(JSON.parse(await npm(asked, null, job)))
      return settings
    },

    async versions(name, job) {
      const kept = known.get(name)
      if (kept && now() - kept.at < listMs) return kept.versions
      const output = await npm(['view', name, 'versions', '--json'], null, job)
      const versions = listed.parse(JSON.parse(output))
      known.set(name, { at: now(), versions })
      return versions
    },

    async fetch({ name, version, hashes }, directory, job) {
      await writeFile(path.join(directory, 'package.json'), '{}')
      const spec = `${name}@${version}`
      const source = hashes ? await fetchArchive(spec, directory, (args) => npm(args, directory, job)) : spec
      const flags = ['--ignore-scripts', '--no-package-lock', '--prefer-offline', '--include=optional']
      await npm(['install', ...flags, source], directory, job)
      await rm(path.join(directory, 'package.json'))
      await rm(path.join(directory, 'archive'), { recursive: true, force: true })
    },
  }
}

/** One version alone is not a list. */
const listed = z.union([z.array(z.string()), z.string().transform((version) => [version])])

async function fetchArchive(
  spec: string,
  directory: string,
  npm: (args: readonly string[]) => Promise<unknown>,
): Promise<string> {
  const archives = path.join(directory, 'archive')
  await mkdir(archives)
  await npm(['pack', '--ignore-scripts', '--pack-destination=archive', spec])
  const [archive = ''] = await readdir(archives)
  const bytes = await readFile(path.join(archives, archive))
  const hashes = hashAlgorithms.map((name) => [name, createHash(name).update(bytes).digest('hex')])
  await writeFile(path.join(directory, 'hashes.json'), JSON.stringify(Object.fromEntries(hashes)))
  return `file:archive/${archive}`
}

/** What it wrote to standard output. */
async function runNpm(
  args: readonly string[],
  cwd: string | null,
  tools: BuildTools,
  { signal, job }: FetchJob,
): Promise<string> {
  await mkdir(tools.buildHome, { recursive: true })
  // a home where no app has been: a .npmrc there would be obeyed
  const home = await mkdtemp(path.join(tools.buildHome, 'npm-'))
  const output: string[] = []
  const errors: string[] = []
  const quiet = ['--no-audit', '--no-fund', '--no-update-notifier', '--no-progress', '--loglevel=error']
  const command = {
    file: 'npm',
    args: [...args, ...quiet, '--logs-max=0', `--cache=${tools.npmCache}`],
    cwd: cwd ?? home,
    env: { ...patience, ...baseEnvironment(tools, home) },
  }
  try {
    const exit = await runBuildCommand(command, {
      signal,
      job,
      isolation: tools.isolation,
      limits: { ...tools.limits, timeoutMs: Math.min(longestMs, tools.limits.timeoutMs) },
      failure: 'install_failed',
      onLine: (line, stream) => {
        if (stream === 'out') output.push(line)
        const error = /^npm (?:error|ERR!) ?(.*)$/.exec(line)?.[1]
        if (error !== undefined) errors.push(error)
      },
    })
    // so says the shell that gives it its priority
    if (exit.code === 127) throw noNpm()
    if (exit.code !== 0) throw explainNpm({ command: 'install' }, exit, errors)
    return output.join('\n')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw noNpm()
    throw error
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}

export function noNpm(): Refusal {
  return new Refusal('install_failed', 'npm was not found on this server', {
    hint: 'install npm, or start NodePilot with a PATH that has it',
  })
}
