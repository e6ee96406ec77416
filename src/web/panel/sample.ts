import { randomUUID } from 'node:crypto'
import { mkdir, readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { create } from 'tar'
import { sampleDirectory } from '../../installation.ts'

/** The sample of this installation as an archive; whoever asked for it disposes of it. */
export async function packSample(directory: string): Promise<{ path: string; dispose(): Promise<void> }> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const file = path.join(directory, `${randomUUID()}.tgz`)
  const entries = (await readdir(sampleDirectory)).filter((name) => name !== 'node_modules')
  await create({ file, cwd: sampleDirectory, gzip: true, portable: true }, entries)
  return { path: file, dispose: () => rm(file, { force: true }) }
}
