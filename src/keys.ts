import { randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'

/** A secret of this home: made once, 256 random bits, readable by its owner only. */
export async function readOrMakeKey(directory: string, name: string): Promise<string> {
  const file = path.join(directory, name)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  try {
    await writeFile(file, randomBytes(32).toString('hex'), { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  const key = await readFile(file, 'utf8')
  if (!/^[0-9a-f]{64}$/.test(key))
    throw new Error(`${file} does not hold a key: remove it, and everybody signs in again`)
  return key
}
