import { statfs } from 'node:fs/promises'
import type { Router, Runtime } from './engine/ports.ts'

/** Below this, deployments begin to fail. */
const leastFreeBytes = 200_000_000
/** What has not answered by then is not well, ms: whoever asks is a balancer or a doctor and does not wait for long. */
const patienceMs = 5_000

/** Whether each part answers, for `GET /health`. Never throws. */
export async function checkHealth(parts: {
  readonly database: () => boolean
  readonly runtime: Pick<Runtime, 'list'>
  readonly router: Pick<Router, 'check'>
  readonly directory: string
}): Promise<Readonly<Record<string, boolean>>> {
  const [runtime, router, disk] = await Promise.all([
    answers(parts.runtime.list()),
    answers(parts.router.check()),
    answers(checkDisk(parts.directory)),
  ])
  return { database: parts.database(), runtime, router, disk }
}

async function checkDisk(directory: string): Promise<void> {
  const { bavail, bsize } = await statfs(directory)
  if (bavail * bsize < leastFreeBytes) throw new Error('the disk is nearly full')
}

function answers(check: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), patienceMs)
    check.then(
      () => resolve(true),
      () => resolve(false),
    )
    check.finally(() => clearTimeout(timer)).catch(() => {})
  })
}
