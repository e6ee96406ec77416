import type { InstanceExit, Runtime } from './ports.ts'

/** How the processes of an instance ended so far. */
export interface LastExit {
  readonly code: number | null
  readonly signal: string | null
}

export interface LastExits {
  of(instance: Omit<InstanceExit, 'code' | 'signal' | 'release'>): LastExit | null
}

/** Instances of old generations are forgotten when there are this many. */
const mostKept = 1_000

/** Remembers how each instance ended the last time, so that one that ends again and again can be explained. */
export function rememberExits(runtime: Pick<Runtime, 'onExit'>): LastExits {
  const last = new Map<string, LastExit>()
  runtime.onExit((exit) => {
    const key = keyOf(exit)
    last.delete(key)
    last.set(key, { code: exit.code, signal: exit.signal })
    const [oldest] = last.keys()
    if (last.size > mostKept && oldest !== undefined) last.delete(oldest)
  })
  return { of: (instance) => last.get(keyOf(instance)) ?? null }
}

function keyOf({ project, type, generation, index }: Omit<InstanceExit, 'code' | 'signal' | 'release'>) {
  return `${project} ${type} ${generation} ${index}`
}
