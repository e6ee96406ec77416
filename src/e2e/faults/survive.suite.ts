import { after, before, describe, test } from 'node:test'
import { type Fault, FaultLab, type Operation } from '../../testing/fault-lab.ts'
import type { Walk } from './walks.ts'

/** On a server of its own, a test for every operation, point and fault of these walks; then a look at all of it. */
export function everyCase(
  title: string,
  walks: Readonly<Record<string, Walk>>,
  faults: readonly Fault[] = ['throw', 'kill'],
): void {
  onFaultLab(title, (lab) => {
    for (const [name, { points, operation }] of Object.entries(walks)) {
      let begun: Operation | undefined
      for (const fault of faults) {
        for (const point of points) {
          test(`${name}, ${fault} at ${point}: nothing is lost, nothing stays`, () => {
            begun ??= operation(lab())
            return lab().survives(begun, point, fault)
          })
        }
      }
    }
  })
}

/** Tests that share a lab; when they are done, all must be well there. */
export function onFaultLab(title: string, tests: (lab: () => FaultLab) => void): void {
  describe(title, { timeout: 290_000 }, () => {
    let lab: FaultLab

    before(async () => {
      lab = await FaultLab.start()
    })
    after(async () => {
      try {
        await lab?.allIsWell()
      } finally {
        await lab?.stop()
      }
    })

    tests(() => lab)
  })
}
