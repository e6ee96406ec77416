// What a visitor notices: requests lost and the longest silence, during deploys and during broken releases.

import { once } from 'node:events'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { root } from '../scripts/script.mjs'
import { appTree } from './apps.mjs'
import { quiet } from './machine.mjs'
import { row } from './statistics.mjs'

const { startLoad } = await import(join(root, 'dist', 'testing', 'load.js'))

const rate = 200
const deploys = 5
const gapGoalMs = 100

/** Five deploys of hello at 200 requests a second. The floor: the same load on a server that nobody touches. */
export async function measureLostRequests(pilot, { say }) {
  say(`load: ${deploys} deploys at ${rate} requests a second`)
  const tree = await appTree('hello')
  try {
    const project = 'busy'
    await pushed(pilot, tree, project, 0)
    await quiet()
    const load = pilot.load(project, { rate })
    await load.answered(rate)
    for (let i = 0; i < deploys; i++) {
      await tree.change()
      await pushed(pilot, tree, project, 0)
    }
    await load.answered(rate)
    const report = await load.stop()
    const idle = await untouched(report.sent / rate)
    return loadRows(`${deploys} deploys`, report, idle)
  } finally {
    await tree.remove()
  }
}

/** A release that crashes at start, and one that never listens: the push must fail and nobody may notice. */
export async function measureBrokenReleases(pilot, { say }) {
  const rows = []
  for (const [app, what] of [
    ['crashy', 'a crashing release'],
    ['neverlisten', 'a silent release'],
  ]) {
    say(`load: ${what}`)
    rows.push(...(await brokenRelease(pilot, app, what)))
  }
  return rows
}

async function brokenRelease(pilot, app, what) {
  const project = `broken-${app}`
  const good = await appTree('hello')
  const bad = await appTree(app)
  try {
    await pushed(pilot, good, project, 0)
    await quiet()
    const load = pilot.load(project, { rate })
    await load.answered(rate)
    const push = await bad.push(pilot.remote(project), 'main', { flags: ['--force'] })
    await load.answered(rate)
    const report = await load.stop()
    const exit = row(`${what}: git push exits 1`, 'times', [push.code === 1 ? 1 : 0])
    return [{ ...exit, goal: 1, reached: push.code === 1 }, ...loadRows(what, report, await untouched(5))]
  } finally {
    await good.remove()
    await bad.remove()
  }
}

function loadRows(what, report, idle) {
  const causes = Object.entries(report.lost).map(([cause, count]) => `${count} x ${cause}`)
  return [
    row(
      `${what}: requests lost of ${report.sent}${causes.length ? ` (${causes.join(', ')})` : ''}`,
      'requests',
      [report.lostCount],
      {
        floor: idle.lostCount,
        floorName: '(bare node)',
        goal: 0,
      },
    ),
    row(`${what}: longest gap`, 'ms', [report.longestGapMs], {
      floor: idle.longestGapMs,
      floorName: '(bare node)',
      goal: gapGoalMs,
    }),
    row(`${what}: slowest 1 in 100`, 'ms', [report.p99Ms], { floor: idle.p99Ms, floorName: '(bare node)' }),
  ]
}

/** The load client's own gaps: a server in this process, asked at the same rate for as long (at most 5 s). */
async function untouched(seconds) {
  const server = createServer((_request, response) => response.end('ok')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const load = startLoad({ host: 'localhost', port: server.address().port, rate })
  await sleep(Math.min(seconds, 5) * 1000)
  const report = await load.stop()
  server.closeAllConnections()
  await once(server.close(), 'close')
  return report
}

async function pushed(pilot, tree, project, code) {
  const push = await tree.push(pilot.remote(project), 'main')
  if (push.code !== code) throw new Error(`the push ended with ${push.code}:\n${push.all}`)
}
