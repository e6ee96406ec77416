import { access, chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Confinement, probeConfinement } from '../../confine.ts'
import { probeIsolation } from '../../isolation.ts'
import { run } from '../../shell.ts'
import { createDependencies, type Dependencies, type Installation } from '../dependencies.ts'
import { readPackageJson } from '../package-json.ts'
import type { Tools } from '../toolchain/toolchains.ts'
import { currentToolchain } from './toolchain.ts'

/** Real apps in a folder of their own, real npm behind a shim that counts, for the tests of this folder. */
export interface Testbed {
  readonly home: string
  readonly confinement: Confinement
  readonly dependencies: Dependencies
  /** Everything that was said, in order. */
  readonly said: string[]
  /** Writes the files of an app into a new release folder; objects as JSON, functions never. */
  app(files: Readonly<Record<string, unknown>>): Promise<string>
  install(slug: string, options?: InstallOptions): Promise<Installation>
  /** The command lines npm was started with. */
  npmRuns(): Promise<string[]>
  /** Folders in the store: hashes and leftovers. */
  kept(): Promise<string[]>
}

export interface InstallOptions {
  readonly noCache?: boolean
  readonly signal?: AbortSignal
  readonly configVars?: Readonly<Record<string, string>>
  readonly dependencies?: Dependencies
  readonly tools?: Tools
  readonly enter?: () => Promise<void>
}

export interface TestbedOptions {
  readonly npmConfig?: Readonly<Record<string, string>>
  readonly nodeAbi?: string
  readonly confinement?: Confinement
}

export async function createTestbed(
  t: { after(end: () => Promise<void>): void },
  options: TestbedOptions = {},
): Promise<Testbed> {
  const home = await mkdtemp(path.join(tmpdir(), 'nodepilot-modules-'))
  t.after(() => rm(home, { recursive: true, force: true }))
  const searchPath = process.env.PATH ?? ''
  const log = path.join(home, 'npm.log')
  await writeShim(path.join(home, 'bin'), log, searchPath)
  const confinement = options.confinement ?? (await probeConfinement({ directory: home, path: searchPath }))
  const toolchain = currentToolchain()
  const dependencies = createDependencies({
    cache: path.join(home, 'cache'),
    now: Date.now,
    tools: {
      toolchain: {
        ...toolchain,
        nodeAbi: options.nodeAbi ?? toolchain.nodeAbi,
        node: path.join(home, 'bin/node'),
      },
      manager: null,
      buildHome: path.join(home, 'cache/build-home'),
      npmCache: path.join(home, 'cache/npm'),
      confinement,
      isolation: await probeIsolation({ path: process.env.PATH ?? '' }),
      environment: { PATH: searchPath },
      npmConfig: options.npmConfig ?? {},
      limits: { timeoutMs: 120_000, maxOutputBytes: 10_000_000 },
    },
  })
  const said: string[] = []
  let releases = 0
  return {
    home,
    confinement,
    dependencies,
    said,
    async app(files) {
      const slug = path.join(home, 'releases', String(++releases))
      await writeFiles(slug, files)
      return slug
    },
    async install(slug, options = {}) {
      const { noCache = false, signal, configVars = {}, dependencies: other, tools, enter } = options
      return (other ?? dependencies).install({
        slug,
        packageJson: await readPackageJson(slug),
        configVars,
        noCache,
        ...(tools ? { tools } : {}),
        ...(enter ? { enter } : {}),
        signal: signal ?? new AbortController().signal,
        say: (line) => said.push(line),
      })
    },
    npmRuns: async () => (await readFile(log, 'utf8').catch(() => '')).split('\n').filter(Boolean),
    kept: async () => (await run(ls(path.join(home, 'cache/modules'), searchPath))).tail.filter(Boolean),
  }
}

export async function writeFiles(directory: string, files: Readonly<Record<string, unknown>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(directory, name)
    await mkdir(path.dirname(file), { recursive: true })
    await writeFile(
      file,
      typeof content === 'string' || Buffer.isBuffer(content) ? content : JSON.stringify(content),
    )
  }
}

export async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  )
}

/** A lockfile as npm writes it for these packages below `node_modules`; none of them needs the network. */
export function lockfile(
  root: Record<string, unknown>,
  packages: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const { scripts: _, ...rest } = root
  return { name: root.name ?? 'app', lockfileVersion: 3, requires: true, packages: { '': rest, ...packages } }
}

/** Packs a package the way npm packs, for `file:` dependencies that need no registry. */
export async function packArchive(
  directory: string,
  files: Readonly<Record<string, unknown>>,
): Promise<Buffer> {
  const source = await mkdtemp(path.join(directory, 'pack-'))
  await writeFiles(path.join(source, 'package'), files)
  const env = { PATH: process.env.PATH ?? '' }
  await run({ file: 'tar', args: ['-czf', 'package.tgz', 'package'], cwd: source, env })
  const bytes = await readFile(path.join(source, 'package.tgz'))
  await rm(source, { recursive: true, force: true })
  return bytes
}

async function writeShim(directory: string, log: string, searchPath: string): Promise<void> {
  await mkdir(directory)
  const node = `#!/bin/sh\nexec '${process.execPath}' "$@"\n`
  const npm = `#!/bin/sh\necho "$PWD $*" >>'${log}'\nPATH='${searchPath}'\nexec npm "$@"\n`
  for (const [name, text] of Object.entries({ node, npm })) {
    await writeFile(path.join(directory, name), text)
    await chmod(path.join(directory, name), 0o755)
  }
}

function ls(cwd: string, searchPath: string) {
  return { file: 'ls', args: ['-A'], cwd, env: { PATH: searchPath } }
}
