import { chmod, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { Failure } from './failure.ts'
import { mapOf, nullable, object, type Read, rawText, read, text, withDefault } from './shape.ts'

/** One server somebody signed in to. */
const account = object({ token: rawText, username: text, expiresAt: nullable(text) })
const settings = object({
  /** Origin of the server that is meant when nothing says which. */
  current: nullable(text),
  /** By origin, `https://pilot.example.com`. */
  servers: withDefault(mapOf(account), {}),
})

export type Account = Read<typeof account>
export type Settings = Read<typeof settings>

export interface SettingsFile {
  readonly file: string
  read(): Promise<Settings>
  /** Reads, changes, writes; readers see the old file or the new one, never a half. */
  change(edit: (old: Settings) => Settings): Promise<void>
}

/** `$XDG_CONFIG_HOME/nodepilot/config.json`: it holds tokens, so only its owner may read it. */
export function createSettingsFile(environment: Readonly<Record<string, string | undefined>>): SettingsFile {
  const base = environment.XDG_CONFIG_HOME || path.join(environment.HOME || '/', '.config')
  const file = path.join(base, 'nodepilot', 'config.json')
  const readSettings = async () => parse(file, await readFile(file, 'utf8').catch(absent))
  return {
    file,
    read: readSettings,
    change: async (edit) => write(file, edit(await readSettings())),
  }
}

function absent(error: NodeJS.ErrnoException): string {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return '{}'
  throw error
}

function parse(file: string, content: string): Settings {
  try {
    return read(settings, JSON.parse(content))
  } catch {
    throw new Failure('invalid_settings', `${file} is damaged`, `remove it, then: nodepilot login <url>`)
  }
}

async function write(file: string, value: Settings): Promise<void> {
  const folder = path.dirname(file)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const fresh = `${file}.${process.pid}.new`
  try {
    const handle = await open(fresh, 'wx', 0o600)
    try {
      await handle.writeFile(`${JSON.stringify(value, null, 2)}\n`)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(fresh, file)
  } catch (error) {
    await rm(fresh, { force: true })
    throw error
  }
}

/** Closes a file that others can read. True when it was open. */
export async function closeToOthers(file: string): Promise<boolean> {
  const { mode } = await stat(file).catch(() => ({ mode: 0 }))
  if ((mode & 0o077) === 0) return false
  await chmod(file, 0o600)
  return true
}
