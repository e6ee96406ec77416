import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createLab } from '../testing/engine-lab.ts'
import { faultKinds, RandomWalk, type Step } from '../testing/random-walk.ts'
import { type Failpoint, failpoints } from './failpoints.ts'

/**
 * `NODEPILOT_SEED=…` walks another way, `NODEPILOT_WALKS=500` longer. A failure is shrunk to the shortest walk that
 * still fails, and printed with its seed.
 */
const seed = Number(process.env.NODEPILOT_SEED ?? 20_260_101)
const walks = Number(process.env.NODEPILOT_WALKS ?? 60)

const steps: readonly Step['does'][] = [
  'create',
  'deploy',
  'deploy what crashes',
  'roll back',
  'scale',
  'stop',
  'start',
  'restart',
  'set a var',
  'toggle a domain',
  'delete',
  'crash',
  'fall asleep',
  'ask',
]

/** Points that none of these steps passes. */
const elsewhere = /^(push|hook|fetch|cron|backup|handover)\./

const fault = fc.record({
  point: fc.constantFrom(...(Object.keys(failpoints) as Failpoint[]).filter((one) => !elsewhere.test(one))),
  kind: fc.constantFrom(...faultKinds),
})

const step: fc.Arbitrary<Step> = fc.record({
  project: fc.constantFrom('shop', 'blog'),
  does: fc.oneof(
    { weight: 3, arbitrary: fc.constant('deploy' as const) },
    { weight: 12, arbitrary: fc.constantFrom(...steps) },
  ),
  number: fc.integer({ min: 0, max: 3 }),
  fault: fc.option(fault, { freq: 2, nil: null }),
})

test(`whatever is done in whatever order, and whatever fails meanwhile, the world comes to be as written (seed ${seed})`, async () => {
  const met = new Set<string>()
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 30 }), async (taken) => {
      const lab = await createLab()
      const walk = new RandomWalk(lab)
      try {
        for (const one of taken) await walk.take(one)
        for (const fault of walk.met) met.add(fault)
      } finally {
        await walk.end()
        await lab.close()
      }
    }),
    {
      seed,
      numRuns: walks,
      interruptAfterTimeLimit: Math.max(200_000, walks * 5_000),
      includeErrorInReport: true,
    },
  )
  // a walk that meets nothing proves nothing
  const kinds = new Set([...met].map((fault) => fault.split(' at ')[0]))
  assert.deepEqual([...kinds].sort(), [...faultKinds].sort())
  assert.ok(met.size >= 15, `${met.size} different faults`)
})
