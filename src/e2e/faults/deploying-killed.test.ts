import { after, before, describe, test } from 'node:test'
import { FaultLab } from '../../testing/fault-lab.ts'
import { deploying, everyCase } from './walks.ts'

describe('the server killed at every step of a deployment', { timeout: 290_000 }, () => {
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

  for (const { title, survived } of everyCase(deploying, ['kill'])) test(title, () => survived(lab))
})
