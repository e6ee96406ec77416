// What is measured on, and whether it is quiet enough to measure.
import { readFileSync } from 'node:fs'
import os from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

/** What a reader needs to judge the numbers. */
export function describeMachine() {
  return {
    at: new Date().toISOString(),
    cpu: os.cpus()[0]?.model ?? 'unknown',
    cores: os.cpus().length,
    memoryGb: Math.round(os.totalmem() / 1e9),
    kernel: `${os.type()} ${os.release()}`,
    node: process.version,
    load: os.loadavg().map((load) => Math.round(load * 100) / 100),
  }
}

/** Waits until the machine is at least `want` idle, `maxMs` at most; returns the share of idle time seen last. */
export async function quiet({ want = 0.85, maxMs = 15_000 } = {}) {
  const end = performance.now() + maxMs
  let idle = await idleShare()
  while (idle < want && performance.now() < end) idle = await idleShare()
  return idle
}

async function idleShare() {
  const before = cpuTimes()
  if (!before) return 1
  await sleep(300)
  const after = cpuTimes()
  const total = after.total - before.total
  return total > 0 ? (after.idle - before.idle) / total : 1
}

function cpuTimes() {
  try {
    const times = readFileSync('/proc/stat', 'utf8').split('\n')[0].trim().split(/\s+/).slice(1).map(Number)
    return { idle: times[3] + times[4], total: times.reduce((sum, time) => sum + time, 0) }
  } catch {
    return undefined
  }
}
