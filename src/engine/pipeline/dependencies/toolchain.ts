import { createHash } from 'node:crypto'
import { readFile, realpath, stat } from 'node:fs/promises'
import path from 'node:path'

/** What installs and runs an app: everything an installed tree depends on besides its lockfile. */
export interface Toolchain {
  /** The `node` executable, absolute. Its folder goes first on PATH. */
  readonly node: string
  /** `20.20.2` */
  readonly nodeVersion: string
  /** `process.versions.modules`: compiled packages work with this one only. */
  readonly nodeAbi: string
  readonly platform: string
  readonly arch: string
  /** `glibc`, `musl`; '' where it does not matter. */
  readonly libc: string
  /** Where `include/node` lies, for native packages; null: node-gyp finds out itself. */
  readonly headers: string | null
}

export const managerNames = ['npm', 'pnpm', 'yarn', 'bun'] as const
export type ManagerName = (typeof managerNames)[number]

/** A package manager: npm as found on PATH, or one that was fetched for apps that ask for it. */
export interface PackageManager {
  readonly name: ManagerName
  /** `11.19.1`; of a wrapper script its fingerprint and the version it stands before. */
  readonly version: string
  /** Folder of its package, null where only wrappers were found. */
  readonly directory: string | null
  /** The folder of its commands, before others on PATH; null where it is on PATH already. */
  readonly bin: string | null
}

/** The Node this process runs on. Takes 30 ms once (the C library's name is in a diagnostic report). */
export function currentToolchain(): Toolchain {
  return {
    node: process.execPath,
    nodeVersion: process.versions.node,
    nodeAbi: process.versions.modules,
    platform: process.platform,
    arch: process.arch,
    libc: process.platform === 'linux' ? linuxLibc() : '',
    headers: null,
  }
}

/** PATH with the toolchain's own node first, so that `#!/usr/bin/env node` finds it; then the package manager. */
export function toolchainPath(
  toolchain: Toolchain,
  manager: PackageManager | null,
  searchPath: string,
): string {
  const first = [path.dirname(toolchain.node), ...(manager?.bin ? [manager.bin] : [])]
  const rest = searchPath.split(path.delimiter).filter((folder) => !first.includes(folder))
  return [...first, ...rest].join(path.delimiter)
}

/**
 * Finds npm without running it: `npm --version` takes 150 ms, as long as the rest of a redeploy.
 * Wrappers (version managers' shims) before the real one are told apart by their bytes. Null without npm.
 */
export async function findNpm(searchPath: string): Promise<PackageManager | null> {
  const wrappers: string[] = []
  for (const folder of searchPath.split(path.delimiter)) {
    if (!path.isAbsolute(folder)) continue
    const file = await realpath(path.join(folder, 'npm')).catch(() => null)
    if (file === null) continue
    const directory = path.resolve(file, '../..')
    const version = await npmVersion(directory)
    if (version !== null)
      return { name: 'npm', version: [...wrappers, version].join('+'), directory, bin: null }
    const print = await wrapperPrint(file)
    if (print) wrappers.push(print)
  }
  return wrappers.length ? { name: 'npm', version: wrappers.join('+'), directory: null, bin: null } : null
}

async function npmVersion(directory: string): Promise<string | null> {
  try {
    const text = await readFile(path.join(directory, 'package.json'), 'utf8')
    const { name, version } = JSON.parse(text) as { name?: unknown; version?: unknown }
    return name === 'npm' && typeof version === 'string' ? version : null
  } catch {
    return null
  }
}

async function wrapperPrint(file: string): Promise<string | null> {
  const { size, mode } = await stat(file)
  if ((mode & 0o111) === 0) return null
  // A compiled shim may be large: its size then stands for its bytes.
  const bytes = size > 1_000_000 ? String(size) : await readFile(file)
  return createHash('sha256').update(bytes).digest('hex').slice(0, 12)
}

function linuxLibc(): string {
  const report = process.report as NodeJS.ProcessReport & { excludeNetwork?: boolean }
  const before = report.excludeNetwork
  // Without this, the report looks up the name of every open connection's peer.
  report.excludeNetwork = true
  const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } }
  report.excludeNetwork = before ?? false
  return header?.glibcVersionRuntime ? 'glibc' : 'musl'
}
