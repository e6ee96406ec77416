import { Worker } from 'node:worker_threads'

/** Of every password that is kept: 2^12 rounds. */
export const usualCost = 12

/** bcrypt at cost 12 takes a quarter of a second of pure computing, so it happens beside the server's thread. */
export interface Passwords {
  hash(password: string): Promise<string>
  verify(password: string, hash: string): Promise<boolean>
  close(): Promise<void>
}

export type PasswordJob =
  | { readonly id: number; readonly kind: 'hash'; readonly password: string }
  | { readonly id: number; readonly kind: 'verify'; readonly password: string; readonly hash: string }

export type PasswordAnswer = {
  readonly id: number
  readonly value?: string | boolean
  readonly error?: string
}

/** The thread is started when it is needed and ends when it has been idle for a while: memory is dear. */
const idleMs = 10_000

/** `cost`: less than the usual only where nothing is to be kept safe (`config.ts`). */
export function createPasswords(cost = usualCost): Passwords {
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  let worker: Worker | null = null
  let idle: NodeJS.Timeout | undefined
  let ids = 0

  const failAll = (error: Error) => {
    worker = null
    for (const { reject } of waiting.values()) reject(error)
    waiting.clear()
  }
  const start = (): Worker => {
    const fresh = new Worker(new URL('./passwords-worker.js', import.meta.url), { workerData: { cost } })
    fresh.on('message', (answer: PasswordAnswer) => {
      const job = waiting.get(answer.id)
      waiting.delete(answer.id)
      if (answer.error === undefined) job?.resolve(answer.value)
      else job?.reject(new Error(answer.error))
      if (waiting.size === 0) rest()
    })
    fresh.on('error', failAll)
    return fresh
  }
  const rest = () => {
    clearTimeout(idle)
    worker?.unref()
    idle = setTimeout(() => void stop(), idleMs)
    idle.unref()
  }
  const stop = async () => {
    clearTimeout(idle)
    const ending = worker
    worker = null
    await ending?.terminate()
  }
  const close = async () => {
    await stop()
    failAll(new Error('the server is shutting down'))
  }
  const ask = (job: Record<string, string>) =>
    new Promise((resolve, reject) => {
      clearTimeout(idle)
      const id = ++ids
      waiting.set(id, { resolve, reject })
      worker ??= start()
      worker.ref()
      worker.postMessage({ id, ...job })
    })
  return {
    hash: (password) => ask({ kind: 'hash', password }) as Promise<string>,
    verify: (password, hash) => ask({ kind: 'verify', password, hash }) as Promise<boolean>,
    close,
  }
}
