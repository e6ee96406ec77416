import type { EngineDeps } from '../engine/engine.ts'
import type { Failpoint } from '../engine/failpoints.ts'

/**
 * Dependencies of an engine that can die in the middle of anything, as a server does by SIGKILL: from then on
 * nothing it asks for is answered and nothing it writes arrives, while runtime, front door and database live on
 * for the next engine.
 */
export function mortal(deps: EngineDeps, onPoint: (point: Failpoint) => Promise<'die' | 'live'>) {
  let dead = false
  let tell = () => {}
  const death = new Promise<'died'>((resolve) => {
    tell = () => resolve('died')
  })
  const never = new Promise<never>(() => {})
  const isDead = () => dead
  const guarded = guard(isDead, never)
  const own: EngineDeps = {
    ...deps,
    runtime: guarded(deps.runtime),
    router: guarded({
      ...deps.router,
      onWake: (listener) =>
        deps.router.onWake((project) => {
          if (!dead) listener(project)
        }),
    }),
    repositories: guarded(deps.repositories),
    store: guardStore(deps.store, isDead),
    failpoint: async (point) => {
      if (dead) return never
      if ((await onPoint(point)) === 'live') return
      dead = true
      tell()
      return never
    },
  }
  return { deps: own, death }
}

/** Every method of a port, answered only as long as the one who asks lives. */
function guard(isDead: () => boolean, never: Promise<never>) {
  return <T extends object>(port: T): T =>
    new Proxy(port, {
      get(target, key) {
        const value: unknown = Reflect.get(target, key)
        if (typeof value !== 'function') return value
        return (...args: unknown[]) => {
          if (isDead()) return never
          const answer: unknown = Reflect.apply(value, target, args)
          if (!(answer instanceof Promise)) return answer
          return answer.then(
            (result) => (isDead() ? never : result),
            (error) => (isDead() ? never : Promise.reject(error)),
          )
        }
      },
    })
}

function guardStore<T extends object>(store: T, isDead: () => boolean): T {
  return new Proxy(store, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key)
      if (typeof value === 'function') {
        return (...args: unknown[]) => {
          if (isDead()) throw new Error('a dead server writes nothing')
          return Reflect.apply(value, target, args)
        }
      }
      return typeof value === 'object' && value !== null ? guardStore(value, isDead) : value
    },
  })
}
