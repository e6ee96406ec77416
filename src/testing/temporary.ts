import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A new folder below the system's temporary one. Short names: PM2's sockets must fit into 107 bytes. */
export function temporaryDirectory(purpose: string): Promise<string> {
  return mkdtemp(join(tmpdir(), `np-${purpose}-`))
}

/** Removes a folder, also while a process that was just ended still writes its last file into it. */
export async function removeDirectory(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
}
