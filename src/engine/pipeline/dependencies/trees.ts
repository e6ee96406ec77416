import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import type { Manifest, ManifestDirectory } from './manifest.ts'
import { DamagedTree, type PlaceMode, placeDirectories } from './place.ts'
import type { TreeAnswer, TreeJob } from './tree-worker.ts'

/** Below this many files a tree is placed sooner than a worker starts (40 ms). */
const smallTree = 1_500
/** How long the event loop is held at a time by a small tree, ms. */
const sliceMs = 5
/** Two: a second core halves the time; a third gains nothing, they wait for the file system's journal. */
const workers = 2

/**
 * Places a kept tree below `to`, where its roots must be absent. Throws `DamagedTree` when the kept files are
 * not what the manifest says, AbortError when cancelled; either leaves part of the tree behind.
 */
export async function placeTree(
  manifest: Manifest,
  from: string,
  to: string,
  mode: PlaceMode,
  signal: AbortSignal,
): Promise<void> {
  // Of a workspace that is not in the tree itself, only its modules.
  for (const root of manifest.roots) await mkdir(path.dirname(path.join(to, root)), { recursive: true })
  if (manifest.files <= smallTree && mode === 'link') {
    return inSlices(placeDirectories(manifest.directories, from, to, mode), signal)
  }
  const [roots, parts] = split(manifest, workers)
  await inSlices(placeDirectories(roots, from, to, mode), signal)
  const jobs = parts.map((directories) => inWorker({ kind: 'place', directories, from, to, mode }, signal))
  // All of them, also when one fails: none may write any more when the caller clears up.
  for (const result of await Promise.allSettled(jobs)) if (result.status === 'rejected') throw result.reason
}

/** Makes a freshly installed tree read-only and lists it. */
export async function listTree(
  tree: string,
  roots: readonly string[],
  owner: number | null,
  signal: AbortSignal,
): Promise<readonly ManifestDirectory[]> {
  return inWorker({ kind: 'seal', tree, roots, owner }, signal)
}

/** Gives a linked tree files of its own. Cancelled, it leaves part of them shared. */
export async function unshareTree(
  tree: string,
  roots: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  await inWorker({ kind: 'unshare', tree, roots }, signal)
}

async function inSlices(work: Generator<void>, signal: AbortSignal): Promise<void> {
  let began = performance.now()
  for (const _ of work) {
    if (performance.now() - began < sliceMs) continue
    await nextTurn()
    signal.throwIfAborted()
    began = performance.now()
  }
}

/**
 * The roots themselves, and their contents in parts with about as many files each. A part begins only at a
 * folder directly below a root, so that no part waits for a parent that another makes.
 */
function split(manifest: Manifest, count: number): [ManifestDirectory[], ManifestDirectory[][]] {
  // pnpm and bun keep everything one floor further down
  const isRoot = new Set(manifest.roots.flatMap((root) => [root, `${root}/.pnpm`, `${root}/.bun`]))
  const roots = manifest.directories.filter((directory) => isRoot.has(directory.path))
  const parts: ManifestDirectory[][] = [[]]
  let seen = 0
  for (const directory of manifest.directories) {
    if (isRoot.has(directory.path)) continue
    const full = seen >= (manifest.files * parts.length) / count
    if (full && isRoot.has(path.posix.dirname(directory.path))) parts.push([])
    parts.at(-1)?.push(directory)
    seen += directory.files.length
  }
  return [roots, parts]
}

function inWorker(job: TreeJob, signal: AbortSignal): Promise<readonly ManifestDirectory[]> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const worker = new Worker(workerFile(), { workerData: job, env: {}, execArgv: [], argv: [] })
    const abort = () => finish(() => reject(signal.reason))
    const finish = (settle: () => void) => {
      signal.removeEventListener('abort', abort)
      // Only when the thread has ended does it write no more; then the caller may remove what it left.
      void worker.terminate().then(settle, settle)
    }
    signal.addEventListener('abort', abort, { once: true })
    worker.once('message', (answer: TreeAnswer) =>
      finish(() =>
        answer.kind === 'done' ? resolve(answer.directories) : reject(new DamagedTree(answer.path)),
      ),
    )
    worker.once('error', (error) => finish(() => reject(error)))
  })
}

/** `.js` where it was compiled, `.ts` where Node runs the source. */
function workerFile(): string {
  const here = fileURLToPath(import.meta.url)
  return path.join(path.dirname(here), `tree-worker${path.extname(here)}`)
}
