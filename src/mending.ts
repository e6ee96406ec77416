import { setTimeout as pause } from 'node:timers/promises'
import type { Report } from './engine/context.ts'
import type { createPm2Runtime } from './engine/drivers/pm2/runtime.ts'
import type { createEngine } from './engine/engine.ts'

/** When PM2 is lost, everything that should run is started again, until it is or the server ends. */
export function keepMended(deps: {
  readonly runtime: ReturnType<typeof createPm2Runtime>
  readonly engine: ReturnType<typeof createEngine>
  readonly report: Report
}): { stop(): void } {
  const { runtime, engine, report } = deps
  let stopped = false
  let mending = false
  let lostAgain = false
  const mend = async () => {
    for (let attempt = 1; !stopped; attempt++) {
      try {
        await runtime.connect()
        await runtime.endOrphans()
        await engine.mend()
        await engine.applyRoutes()
        return
      } catch (error) {
        report.error(`mending after the loss of PM2, attempt ${attempt}`, error)
        await pause(Math.min(attempt * 500, 5_000))
      }
    }
  }
  const begin = async () => {
    mending = true
    do {
      lostAgain = false
      await mend()
    } while (lostAgain && !stopped)
    mending = false
  }
  const unsubscribe = runtime.onLost(() => {
    if (stopped) return
    lostAgain = true
    if (mending) return
    report.info('PM2 is gone: starting everything again')
    void begin()
  })
  return {
    stop() {
      stopped = true
      unsubscribe()
    },
  }
}
