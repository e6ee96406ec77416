import { after, before, describe, test } from 'node:test'
import { FaultLab } from '../../testing/fault-lab.ts'
import { everyCase, switchingOnAndOff } from './walks.ts'

describe('start and stop, killed and failing at every step', { timeout: 290_000 }, () => {
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

  for (const { title, survived } of everyCase(switchingOnAndOff)) test(title, () => survived(lab))
})
