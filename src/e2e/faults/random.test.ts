import { test } from 'node:test'
import fc from 'fast-check'
import { FaultLab, type Operation, victims } from '../../testing/fault-lab.ts'
import { byItself, deploying, owning, releasing, running, switchingOnAndOff, type Walk } from './walks.ts'

/** As in `engine/random-walk.test.ts`, on the real thing: `NODEPILOT_WALKS` is the number of steps. */
const seed = Number(process.env.NODEPILOT_SEED ?? 20_260_101)
const steps = Number(process.env.NODEPILOT_WALKS ?? 20)

const walks: Readonly<Record<string, Walk>> = {
  ...deploying,
  ...releasing,
  ...running,
  ...switchingOnAndOff,
  ...owning,
  ...byItself,
}

const step = fc.record({
  name: fc.constantFrom(...Object.keys(walks)),
  victim: fc.constantFrom(...victims),
  // a push takes about a second
  afterMs: fc.integer({ min: 0, max: 1_500 }),
})

test(`whatever is done, and whoever is killed at whatever moment, all is well again (seed ${seed})`, {
  timeout: 60_000 + steps * 30_000,
}, async (t) => {
  const lab = await FaultLab.start()
  const begun = new Map<string, Operation>()
  try {
    for (const { name, victim, afterMs } of fc.sample(step, { seed, numRuns: steps })) {
      const operation = begun.get(name) ?? walks[name]?.operation(lab)
      if (!operation) throw new Error(`there is no walk "${name}"`)
      begun.set(name, operation)
      await t.test(`${name}, ${victim} killed after ${afterMs} ms`, () =>
        lab.isUnimpressed(operation, victim, afterMs),
      )
    }
  } finally {
    await lab.stop()
  }
})
