// How it goes with 1, 10, 50 and 100 projects on one machine: a deploy, what one more project costs, a start.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { root } from '../scripts/script.mjs'
import { row, summary } from './statistics.mjs'

const { appProcesses, processesOf, proportionalMemory } = await import(
  join(root, 'dist', 'testing', 'processes.js')
)
const { workTree } = await import(join(root, 'dist', 'testing', 'work-tree.js'))
const { hello } = await import(join(root, 'dist', 'testing', 'apps.js'))

const steps = [1, 10, 50, 100]
const goalStartMs = 5_000
const goalMbEach = 1
const settleMs = 8_000

/**
 * Every project is the smallest app, pushed over git. A start: SIGTERM, then until everything answers, while all
 * apps run. What one more project costs: what server, router and PM2 hold together, without the apps.
 */
export async function measureScale(pilot, { say, runs }) {
  const tree = await workTree(hello())
  const rows = []
  let first = null
  let made = 0
  for (const count of steps) {
    say(`scale: up to ${count} projects`)
    const deploys = []
    for (; made < count; made++) {
      const began = performance.now()
      const pushed = await tree.push(pilot.remote(`scale-${made}`))
      if (pushed.code !== 0) throw new Error(pushed.all)
      deploys.push(performance.now() - began)
    }
    await sleep(settleMs)
    const starts = []
    for (let run = 0; run < Math.min(runs, 3); run++) starts.push(await restart(pilot))
    await sleep(settleMs)
    const memory = await ownMemory(pilot)
    first ??= { memory, start: summary(starts).median, deploy: summary(deploys).median }
    rows.push(
      row(`${count}: first deploy`, 'ms', deploys.slice(-10), {
        floor: first.deploy,
        floorName: '(1 project)',
      }),
      row(`${count}: start, all run`, 'ms', starts, {
        floor: first.start,
        floorName: '(1 project)',
        ...(count === 100 ? { goal: goalStartMs } : {}),
      }),
      row(`${count}: server, router, PM2`, 'MB', [memory]),
    )
    if (count > 1) {
      const each = (memory - first.memory) / (count - 1)
      rows.push(row(`${count}: one more project`, 'MB', [each], { goal: goalMbEach }))
    }
  }
  await tree.remove()
  return rows
}

async function restart(pilot) {
  pilot.signal('SIGTERM')
  await pilot.exited()
  const began = performance.now()
  await pilot.start()
  return performance.now() - began
}

async function ownMemory(pilot) {
  const apps = new Set((await appProcesses(pilot.home)).map(({ pid }) => pid))
  const own = (await processesOf(pilot.home)).filter(({ pid }) => !apps.has(pid))
  return (await proportionalMemory(own.map(({ pid }) => pid))) / 1e6
}
