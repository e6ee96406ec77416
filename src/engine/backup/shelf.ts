import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'

/** A backup that was proved. */
export const backupSchema = z.object({
  id: z.string(),
  /** Of the file. */
  bytes: z.number(),
  createdAt: z.string(),
  /** When it was unpacked, compared and opened. */
  verifiedAt: z.string(),
  keys: z.boolean(),
  slugs: z.boolean(),
  projects: z.array(z.string()),
  files: z.number(),
  /** Files an app wrote to meanwhile. */
  changed: z.number(),
})

export type Backup = z.infer<typeof backupSchema>

const idPattern = /^\d{8}-\d{6}-[a-z0-9]{4}$/
const makingPattern = /^\.making-(\d+)-/

/** The folder of the backups: `<id>.tar.gz`, and beside each what is known about it. */
export function createShelf(directory: string) {
  const facts = (id: string) => path.join(directory, `${id}.json`)
  const archive = (id: string) => path.join(directory, `${id}.tar.gz`)
  const find = async (id: string): Promise<Backup | null> => {
    if (!idPattern.test(id)) return null
    const text = await readFile(facts(id), 'utf8').catch(() => null)
    return text === null ? null : parseFacts(text)
  }
  const list = async (): Promise<Backup[]> => {
    const names = await readdir(directory).catch(() => [] as string[])
    const ids = names
      .filter((name) => name.endsWith('.tar.gz'))
      .map((name) => name.slice(0, -'.tar.gz'.length))
    const found = (await Promise.all(ids.map(find))).filter((backup) => backup !== null)
    return found.sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1))
  }
  const remove = async (id: string): Promise<void> => {
    if (!idPattern.test(id)) return
    await rm(archive(id), { force: true })
    await rm(facts(id), { force: true })
  }
  return {
    find,
    /** Newest first. */
    list,
    remove,
    archive,
    /** The name of a folder to make a backup in, which `sweep` knows when its maker has died. */
    making: (id: string) => path.join(directory, `.making-${process.pid}-${id}`),
    /** From now on it is there. */
    async put(backup: Backup, file: string): Promise<void> {
      await writeFile(`${file}.json`, `${JSON.stringify(backup)}\n`, { mode: 0o600, flush: true })
      await rename(`${file}.json`, facts(backup.id))
      await rename(file, archive(backup.id))
    },
    /** All but the newest few. */
    async keepNewest(count: number): Promise<void> {
      for (const { id } of (await list()).slice(count)) await remove(id)
    },
    /** What makers left that were killed. Before this process makes any. */
    async sweep(): Promise<void> {
      for (const name of await readdir(directory).catch(() => [] as string[])) {
        const pid = Number(makingPattern.exec(name)?.[1] ?? 0)
        if (pid === 0 || (pid !== process.pid && isAlive(pid))) continue
        await rm(path.join(directory, name), { recursive: true, force: true })
      }
    },
  }
}

export type Shelf = ReturnType<typeof createShelf>

/** Null: nobody knows what it is, so it is none. */
function parseFacts(text: string): Backup | null {
  try {
    return backupSchema.parse(JSON.parse(text))
  } catch {
    return null
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
