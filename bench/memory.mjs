// Proportional memory of what NodePilot itself runs: server, router, PM2's daemon. Apps are not counted.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { root } from '../scripts/script.mjs'
import { row } from './statistics.mjs'

const { appProcesses, processesOf, proportionalMemory } = await import(
  join(root, 'dist', 'testing', 'processes.js')
)

const goalMb = 130
const samples = 5
const settleMs = 10_000

/** After it has settled for 10 s. The floor: as many bare node processes with an HTTP server. */
export async function measureMemory(pilot, { say }) {
  say('memory: settling')
  await sleep(settleMs)
  const apps = new Set((await appProcesses(pilot.home)).map(({ pid }) => pid))
  const own = (await processesOf(pilot.home)).filter(({ pid }) => !apps.has(pid))
  const values = await sample(own.map(({ pid }) => pid))
  const floor = await bareNode(own.length)
  const rows = [
    row('idle memory, all together', 'MB', values, {
      floor,
      floorName: `(${own.length} x bare node)`,
      goal: goalMb,
    }),
  ]
  for (const { pid, command } of own) rows.push(row(`  ${kind(command)}`, 'MB', await sample([pid])))
  return rows
}

function kind(command) {
  if (/God Daemon/i.test(command)) return 'PM2 daemon'
  if (command.includes('/router/')) return 'router'
  if (command.endsWith('nodepilot serve')) return 'server'
  return command.replaceAll(root, '').slice(0, 60)
}

async function sample(pids) {
  const values = []
  for (let i = 0; i < samples; i++) {
    values.push((await proportionalMemory(pids)) / 1e6)
    await sleep(100)
  }
  return values
}

async function bareNode(count) {
  const script = `require('http').createServer((q, s) => s.end()).listen(0, '127.0.0.1', () => console.log('up'))`
  const children = Array.from({ length: count }, () =>
    spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'ignore'] }),
  )
  await Promise.all(children.map((child) => once(child.stdout, 'data')))
  await sleep(1_000)
  const bytes = await proportionalMemory(children.map(({ pid }) => pid))
  for (const child of children) child.kill('SIGKILL')
  await Promise.all(children.map((child) => once(child, 'exit')))
  return bytes / 1e6
}
