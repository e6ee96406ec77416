import path from 'node:path'
import { isRefusal } from '../../domain/refusal.ts'
import type { ReleasePlan } from '../../domain/release-plan.ts'
import type { PackageManager, Toolchain } from '../dependencies/toolchain.ts'
import type { PackageJson } from '../package-json.ts'
import { type BuildTools, toolsPath } from '../scripts.ts'
import { findManagerRequest } from './manager-request.ts'
import { createManagers } from './managers.ts'
import { findNodeRequest, type NodeRequest } from './node-request.ts'
import { createNodes, type FetchOptions } from './nodes.ts'
import { operatorEnvironment } from './operator.ts'
import { createRegistry } from './registry.ts'
import { createShelf } from './shelf.ts'

/** What one app is installed, built and run with. */
export interface Tools {
  readonly toolchain: Toolchain
  /** Null: npm, as the server has it. */
  readonly manager: PackageManager | null
  /** npm's settings of the operator, also in the words of other package managers. */
  readonly npmConfig: Readonly<Record<string, string>>
}

/** Gives apps the Node and the package manager they ask for; one for a home. */
export interface Toolchains {
  /** For a new release. Refuses with `unsupported_node`, `install_failed` and `disk_full`. */
  choose(app: AppAsking, options: FetchOptions): Promise<Tools>
  /** For a release that exists: the same as when it was made. Refuses as `choose`. */
  obtain(plan: ToolsPlan, options: FetchOptions): Promise<Tools>
  /** PATH for what runs with these. */
  searchPath(tools: Tools): string
  /** Removes what no kept release needs (`plans`) and nobody asked for since `maxAgeMs`. Returns the names. */
  prune(options: { readonly plans: readonly ToolsPlan[]; readonly maxAgeMs: number }): Promise<string[]>
  /** For the start, before any deployment. */
  cleanLeftovers(): Promise<void>
  /** Fetches under way. */
  fetching(): number
}

export interface AppAsking {
  /** The app's own folder, then those above it that may say something; absolute. */
  readonly folders: readonly string[]
  readonly packageJson: PackageJson | null
  /** What the project's settings or the app file say. */
  readonly node: NodeRequest | null
  /** Where the install happens: the top of a monorepo, else the app's own folder. */
  readonly top: { readonly folder: string; readonly packageJson: PackageJson | null }
}

export type ToolsPlan = Pick<ReleasePlan, 'node' | 'manager'>

/** What stands in the release, so that it runs with the same again. */
export function planOfTools({ toolchain, manager }: Tools): ToolsPlan {
  return {
    node: toolchain.nodeVersion,
    manager: manager === null ? null : `${manager.name}@${manager.version}`,
  }
}

export interface ToolchainsOptions {
  /** `<home>/cache`. */
  readonly cache: string
  readonly tools: BuildTools
  /** Milliseconds since 1970. */
  readonly now: () => number
}

export function createToolchains({ cache, tools, now }: ToolchainsOptions): Toolchains {
  const own = tools.toolchain
  const { keptOwner } = tools.confinement
  const registry = createRegistry(tools, now)
  const nodeShelf = createShelf({ directory: path.join(cache, 'node'), now, keptOwner })
  const managerShelf = createShelf({ directory: path.join(cache, 'managers'), now, keptOwner })
  const nodes = createNodes({ own, registry, shelf: nodeShelf, now })
  const managers = createManagers({ registry, shelf: managerShelf, searchPath: toolsPath(tools) })

  /** npm on the server's own Node finds everything itself. */
  const npmConfig = async (
    toolchain: Toolchain,
    manager: PackageManager | null,
    options: FetchOptions,
  ): Promise<Readonly<Record<string, string>>> => {
    if (toolchain === own && manager === null) return tools.npmConfig
    return { ...operatorEnvironment(await registry.settings(options)), ...tools.npmConfig }
  }

  const nodeOf = async (version: string | null, options: FetchOptions): Promise<Toolchain> => {
    if (version === null) return own
    try {
      return await nodes.obtain(version, options)
    } catch (error) {
      // the server was given another Node of the same line, and there is no network: better than nothing
      if (isRefusal(error, 'unsupported_node') && sameLine(version, own.nodeVersion)) return own
      throw error
    }
  }

  return {
    async choose({ folders, packageJson, node, top }, options) {
      const request = await findNodeRequest(folders, packageJson, node)
      const toolchain = request === null ? own : await nodes.choose(request, options)
      if (top.packageJson === null) return { toolchain, manager: null, npmConfig: tools.npmConfig }
      const wanted = await findManagerRequest(top.folder, top.packageJson)
      for (const warning of wanted.warnings) options.say(warning)
      const manager = await managers.choose(wanted, toolchain, options)
      return { toolchain, manager, npmConfig: await npmConfig(toolchain, manager, options) }
    },
    async obtain({ node, manager: spec }, options) {
      const toolchain = await nodeOf(node, options)
      const manager = spec === null ? null : await managers.obtain(spec, toolchain, options)
      // nothing is installed with these
      return { toolchain, manager, npmConfig: tools.npmConfig }
    },
    fetching: registry.fetching,
    searchPath: (given) => toolsPath({ ...tools, ...given }),
    async prune({ plans, maxAgeMs }) {
      const inUse = new Set(plans.flatMap(({ node, manager }) => [node ?? [], manager ?? []].flat()))
      const versions = await nodeShelf.prune({ inUse, maxAgeMs })
      const specs = await managerShelf.prune({ inUse, maxAgeMs })
      return [...versions.map((version) => `Node ${version}`), ...specs]
    },
    async cleanLeftovers() {
      await nodeShelf.cleanLeftovers()
      await managerShelf.cleanLeftovers()
    },
  }
}

function sameLine(a: string, b: string): boolean {
  return a.split('.')[0] === b.split('.')[0]
}
