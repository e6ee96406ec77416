// Installs the locked packages when they are not complete yet. Only Node's own modules: it runs before npm ci.
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { Failure, root, runAsScript } from './script.mjs'

/**
 * Leaves node_modules complete for the lockfile and for this Node: does nothing, compiles the native module
 * again (another Node than last time), or runs `npm ci`. Throws a Failure that says what to do.
 */
export function install() {
  refuseOldNode()
  if (!isComplete())
    return npm(['ci'], 'the first time about two minutes, most of it compiling better-sqlite3')
  if (!nativeModuleLoads()) npm(['rebuild', 'better-sqlite3'], `compiling for Node ${process.version}`)
}

function refuseOldNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > 20 || (major === 20 && minor >= 19)) return
  throw new Failure(`NodePilot needs Node 20.19 or newer; this is Node ${process.versions.node}.`)
}

/** npm keeps what it has installed in node_modules/.package-lock.json: every locked package must stand there. */
function isComplete() {
  const locked = readPackages(join(root, 'package-lock.json'))
  const installed = readPackages(join(root, 'node_modules', '.package-lock.json'))
  if (!locked || !installed) return false
  return Object.entries(locked).every(([path, wanted]) => {
    if (path === '') return true
    // Optional packages for other systems are locked but not installed.
    if (!installed[path]) return wanted.optional === true
    return installed[path].version === wanted.version && existsSync(join(root, path))
  })
}

function readPackages(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages
  } catch {
    return undefined
  }
}

/** In a process of its own: a native module for another Node may do worse than throw. */
function nativeModuleLoads() {
  const script = `new (require('better-sqlite3'))(':memory:').close()`
  return spawnSync(process.execPath, ['-e', script], { cwd: root, stdio: 'ignore' }).status === 0
}

function npm(args, remark) {
  refuseMissingCompiler()
  console.log(`npm ${args.join(' ')} (${remark})`)
  const { status, error } = spawnSync('npm', args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...nativeEnvironment() },
  })
  if (error?.code === 'ENOENT')
    throw new Failure('npm is missing: it comes with Node, or as Debian package npm.')
  if (status !== 0) throw new Failure(`npm ${args.join(' ')} failed; its own lines above say why.`)
}

/**
 * Lets better-sqlite3 be compiled from the package alone: no ready binary is fetched, and where the headers lie
 * beside Node (the usual archive, nvm, Debian's libnode-dev) node-gyp fetches none either.
 */
export function nativeEnvironment() {
  const prefix = dirname(dirname(process.execPath))
  const headers = existsSync(join(prefix, 'include', 'node', 'node.h'))
  return {
    npm_config_build_from_source: 'true',
    ...(headers && { npm_config_nodedir: prefix }),
    JOBS: 'max',
  }
}

function refuseMissingCompiler() {
  const missing = ['make', process.env.CXX ?? 'g++', process.env.PYTHON ?? 'python3'].filter(
    (name) => !isOnPath(name),
  )
  if (missing.length === 0) return
  const remedy =
    process.platform === 'darwin'
      ? 'xcode-select --install'
      : 'on Debian and Ubuntu: apt-get install -y build-essential python3'
  throw new Failure(`better-sqlite3 has to be compiled, but ${missing.join(', ')} is missing (${remedy}).`)
}

/** Is there a program of this name? A name with a slash is a path. */
export function isOnPath(name) {
  const folders = name.includes('/') ? [''] : (process.env.PATH ?? '').split(delimiter)
  return folders.some((folder) => {
    try {
      accessSync(join(folder, name.split(' ')[0]), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

await runAsScript(import.meta.url, install)
