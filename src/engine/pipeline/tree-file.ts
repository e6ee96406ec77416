import { readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { Refusal } from '../domain/refusal.ts'

/**
 * Reads a file that the pusher wrote and that is looked at as a whole, in this process: one of a gigabyte would stop
 * everybody. `largest` in bytes. Null where it is not there, or no file: a build may leave anything at its place.
 * Refuses with `rejected_tree` a folder and what is larger.
 */
export async function readTreeFile(root: string, name: string, largest: number): Promise<Buffer | null> {
  const file = path.join(root, name)
  try {
    const found = await stat(file)
    if (found.isDirectory()) throw refuse(name, 'it is a folder', `remove ${name}`)
    if (!found.isFile()) return null
    if (found.size > largest) throw refuse(name, `it has more than ${limit(largest)}`, 'make it smaller')
    return await readFile(file)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return null
    throw error
  }
}

function refuse(name: string, what: string, remedy: string): Refusal {
  return new Refusal('rejected_tree', `${name}: ${what}`, { hint: `${remedy}, commit, push again` })
}

function limit(bytes: number): string {
  return bytes < 1_000_000 ? `${bytes / 1000} kB` : `${bytes / 1_000_000} MB`
}
