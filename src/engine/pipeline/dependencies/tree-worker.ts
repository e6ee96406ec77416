import { parentPort, workerData } from 'node:worker_threads'
import { type ManifestDirectory, sealTree } from './manifest.ts'
import { DamagedTree, type PlaceMode, placeDirectories, unshare } from './place.ts'

/** Walks big trees beside the event loop: thousands of file system calls are fastest synchronously. */

export type TreeJob =
  | {
      readonly kind: 'seal'
      readonly tree: string
      readonly roots: readonly string[]
      readonly owner: number | null
    }
  | { readonly kind: 'unshare'; readonly tree: string; readonly roots: readonly string[] }
  | {
      readonly kind: 'place'
      readonly directories: readonly ManifestDirectory[]
      readonly from: string
      readonly to: string
      readonly mode: PlaceMode
    }

export type TreeAnswer =
  | { readonly kind: 'done'; readonly directories: readonly ManifestDirectory[] }
  | { readonly kind: 'damaged'; readonly path: string }

function work(job: TreeJob): TreeAnswer {
  if (job.kind === 'seal') return { kind: 'done', directories: sealTree(job.tree, job.roots, job.owner) }
  if (job.kind === 'unshare') {
    for (const root of job.roots) unshare(job.tree, root)
    return { kind: 'done', directories: [] }
  }
  try {
    for (const _ of placeDirectories(job.directories, job.from, job.to, job.mode));
    return { kind: 'done', directories: [] }
  } catch (error) {
    if (error instanceof DamagedTree) return { kind: 'damaged', path: error.path }
    throw error
  }
}

parentPort?.postMessage(work(workerData as TreeJob))
