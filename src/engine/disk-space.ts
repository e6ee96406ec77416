import { statfs } from 'node:fs/promises'

/** How much room there is, and how much of it must stay. */

/** Bytes that may still be written to the disk of this directory. */
export async function freeBytes(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory)
  return bavail * bsize
}

const [share, most] = [0.05, 1_000_000_000]

/**
 * What must stay free, bytes: what was set, else a twentieth of the disk, and a gigabyte at most. Without it the
 * database could not be written, and apps that serve would fail for the sake of a build.
 */
export async function floorOf(directory: string, set: number | null): Promise<number> {
  if (set !== null) return set
  const { blocks, bsize } = await statfs(directory)
  return Math.min(blocks * bsize * share, most)
}
