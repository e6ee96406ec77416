import { after, before, describe, test } from 'node:test'
import { FaultLab } from '../../testing/fault-lab.ts'
import { deploying, everyCase } from './walks.ts'

describe('deployments that fail at every step', { timeout: 290_000 }, () => {
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

  for (const { title, survived } of everyCase(deploying, ['throw'])) test(title, () => survived(lab))
})
