import { constants } from 'node:fs'
import { type FileHandle, open, readdir, readlink } from 'node:fs/promises'
import path from 'node:path'

/** One thing that goes into a backup. A file's body gives exactly `size` bytes. */
export type Item =
  | {
      readonly kind: 'file'
      readonly path: string
      readonly mode: number
      readonly size: number
      body(): Body
    }
  | { readonly kind: 'folder'; readonly path: string; readonly mode: number }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }
  /** No data: a socket, a pipe, a device, or gone before it could be read. */
  | { readonly kind: 'skipped'; readonly path: string }

/** Ends with whether the file stayed as it was while it was read. */
export type Body = AsyncGenerator<Uint8Array, { readonly steady: boolean }>

const pieceBytes = 256 * 1024

export interface WalkOptions {
  /** Names of folders that are left out, at any depth. */
  readonly without?: ReadonlySet<string>
}

/**
 * A folder that may be in use, parents first. Links are taken as links; what vanishes meanwhile is left out.
 * `name` is what it is called in the backup.
 */
export async function* walk(
  folder: string,
  name: string,
  { without }: WalkOptions = {},
): AsyncGenerator<Item> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(gone)
  if (!entries) return
  const stats = await withFile(folder, (handle) => handle.stat())
  if (stats) yield { kind: 'folder', path: name, mode: stats.mode & 0o777 }
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const from = path.join(folder, entry.name)
    const to = `${name}/${entry.name}`
    if (entry.isDirectory()) {
      if (!without?.has(entry.name)) yield* walk(from, to, { ...(without && { without }) })
    } else if (entry.isSymbolicLink()) {
      const target = await readlink(from).catch(gone)
      yield target === null ? { kind: 'skipped', path: to } : { kind: 'link', path: to, target }
    } else if (entry.isFile()) yield* oneFile(from, to)
    else yield { kind: 'skipped', path: to }
  }
}

/** One file, as long as it is there. */
export async function* oneFile(from: string, to: string): AsyncGenerator<Item> {
  // neither a link that took its place nor a pipe that nobody writes to may hold us up
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  const handle = await open(from, flags).catch(gone)
  if (!handle) {
    yield { kind: 'skipped', path: to }
    return
  }
  try {
    const { size, mode, mtimeMs } = await handle.stat()
    yield { kind: 'file', path: to, mode: mode & 0o777, size, body: () => read(handle, size, mtimeMs) }
  } finally {
    await handle.close()
  }
}

/** Text that is made here. */
export function textItem(to: string, text: string): Item {
  const bytes = Buffer.from(text)
  async function* body() {
    yield bytes
    return { steady: true }
  }
  return { kind: 'file', path: to, mode: 0o600, size: bytes.length, body }
}

/** A file that grows is cut where it ended at first; one that shrinks is filled with zeros. Both are told. */
async function* read(handle: FileHandle, size: number, mtimeMs: number): Body {
  let at = 0
  while (at < size) {
    const piece = Buffer.alloc(Math.min(pieceBytes, size - at))
    const { bytesRead } = await handle.read(piece, 0, piece.length, at)
    yield bytesRead === 0 ? piece : piece.subarray(0, bytesRead)
    at += bytesRead === 0 ? piece.length : bytesRead
  }
  const after = await handle.stat()
  return { steady: after.size === size && after.mtimeMs === mtimeMs }
}

async function withFile<T>(file: string, work: (handle: FileHandle) => Promise<T>): Promise<T | null> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW).catch(gone)
  if (!handle) return null
  try {
    return await work(handle)
  } finally {
    await handle.close()
  }
}

function gone(error: NodeJS.ErrnoException): null {
  if (['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO'].includes(error.code ?? '')) return null
  throw error
}
