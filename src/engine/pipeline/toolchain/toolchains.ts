import path from 'node:path'
import { isRefusal } from '../../domain/refusal.ts'
import type { ReleasePlan } from '../../domain/release-plan.ts'
import type { PackageManager, Toolchain } from '../dependencies/toolchain.ts'
import type { PackageJson } from '../package-json.ts'
import { type BuildTools, toolsPath } from '../scripts.ts'
import { findNodeRequest, type NodeRequest } from './node-request.ts'
import { createNodes, type FetchOptions } from './nodes.ts'
import { createRegistry } from './registry.ts'
import { createShelf } from './shelf.ts'

/** What one app is installed, built and run with. */
export interface Tools {
  readonly toolchain: Toolchain
  /** Null: npm, as the server has it. */
  readonly manager: PackageManager | null
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
}

export interface AppAsking {
  /** The app's own folder, then those above it that may say something; absolute. */
  readonly folders: readonly string[]
  readonly packageJson: PackageJson | null
  /** What the project's settings or the app file say. */
  readonly node: NodeRequest | null
}

export type ToolsPlan = Pick<ReleasePlan, 'node'>

/** What stands in the release, so that it runs with the same again. */
export function planOfTools({ toolchain }: Tools): ToolsPlan {
  return { node: toolchain.nodeVersion }
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
  const shelf = createShelf({ directory: path.join(cache, 'node'), now, keptOwner })
  const nodes = createNodes({ own, registry, shelf, now })
  return {
    async choose({ folders, packageJson, node }, options) {
      const request = await findNodeRequest(folders, packageJson, node)
      const toolchain = request === null ? own : await nodes.choose(request, options)
      return { toolchain, manager: null }
    },
    async obtain({ node }, options) {
      return { toolchain: await nodeOf(node), manager: null }

      async function nodeOf(version: string | null): Promise<Toolchain> {
        if (version === null) return own
        try {
          return await nodes.obtain(version, options)
        } catch (error) {
          // the server was given another Node of the same line, and there is no network: better than nothing
          if (isRefusal(error, 'unsupported_node') && sameLine(version, own.nodeVersion)) return own
          throw error
        }
      }
    },
    searchPath: (given) => toolsPath({ ...tools, ...given }),
    async prune({ plans, maxAgeMs }) {
      const inUse = new Set(plans.flatMap(({ node }) => node ?? []))
      return (await shelf.prune({ inUse, maxAgeMs })).map((version) => `Node ${version}`)
    },
    cleanLeftovers: () => shelf.cleanLeftovers(),
  }
}

function sameLine(a: string, b: string): boolean {
  return a.split('.')[0] === b.split('.')[0]
}
