import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { type Command, run } from './shell.ts'

/**
 * Makes file permissions bind for what we run. Releases share the files of kept `node_modules` by hard link,
 * read-only; but root writes to read-only files all the same (CAP_DAC_OVERRIDE) and may make any file
 * writable (CAP_FOWNER). So commands of a root server run through `setpriv` without these two powers.
 */
export interface Confinement {
  /** `permissions`: a read-only file cannot be written. `none`: it can, so nothing may be shared. */
  readonly kind: 'permissions' | 'none'
  /** Goes before the argv of a command; may be empty. */
  readonly prefix: readonly string[]
  /**
   * The user id that kept files are given, so that a confined process may not even chmod them; null where
   * files stay the server's own.
   */
  readonly keptOwner: number | null
}

export interface ConfinementOptions {
  /** Where it will matter (the home): commands under the prefix must be able to read and write there. */
  readonly directory: string
  /** PATH to find `setpriv` and `sh` on. */
  readonly path: string
  readonly uid?: number
}

/** `nobody`: nothing runs as it here, and the home is closed to it. */
const nobody = 65534
const powers = '-dac_override,-dac_read_search,-fowner'
const setpriv = ['setpriv', `--bounding-set=${powers}`, `--inh-caps=${powers}`, '--']

/** Finds out by trying, once at start: about 10 ms as root, nothing otherwise. Never throws. */
export async function probeConfinement(options: ConfinementOptions): Promise<Confinement> {
  const uid = options.uid ?? process.getuid?.()
  if (uid === undefined) return unconfined
  if (uid !== 0) return { kind: 'permissions', prefix: [], keptOwner: null }
  const directory = await mkdtemp(path.join(options.directory, '.confine-')).catch(() => null)
  if (directory === null) return unconfined
  try {
    const keptOwner = await writeProbeFiles(directory)
    const works = await tryPrefix(directory, options.path)
    return works ? { kind: 'permissions', prefix: setpriv, keptOwner } : unconfined
  } catch {
    return unconfined
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

export const unconfined: Confinement = { kind: 'none', prefix: [], keptOwner: null }

/** The same command under the prefix. */
export function confined(confinement: Pick<Confinement, 'prefix'>, command: Command): Command {
  const [file, ...args] = confinement.prefix
  if (file === undefined) return command
  return { ...command, file, args: [...args, command.file, ...command.args] }
}

async function writeProbeFiles(directory: string): Promise<number | null> {
  for (const name of ['own', 'kept']) {
    await writeFile(path.join(directory, name), 'x')
    await chmod(path.join(directory, name), 0o444)
  }
  // Not allowed in some containers and on some network file systems; then kept files stay ours.
  return chown(path.join(directory, 'kept'), nobody, nobody).then(
    () => nobody,
    () => null,
  )
}

/** Reading and making files must work; writing to a read-only file must not, whoever owns it. */
async function tryPrefix(directory: string, searchPath: string): Promise<boolean> {
  const script = 'cat own kept >made && ! (: >>own) 2>/dev/null && ! (: >>kept) 2>/dev/null'
  const command = confined(
    { prefix: setpriv },
    { file: 'sh', args: ['-c', script], cwd: directory, env: { PATH: searchPath } },
  )
  const exit = await run(command, { timeoutMs: 10_000 })
  return exit.code === 0
}
