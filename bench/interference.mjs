// What builds cost the apps beside them: p95 of an app while three builds burn processors, and how long a cancelled
// build needs until nothing of it is left. Compared with the same builds at usual priority, in the same run.
//
//   node bench/interference.mjs [seconds]      a few seconds a measurement (6)
import { spawn } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { root } from '../scripts/script.mjs'

const { startPilot } = await import(join(root, 'dist/testing/pilot.js'))
const { workTree } = await import(join(root, 'dist/testing/work-tree.js'))
const { app, hello } = await import(join(root, 'dist/testing/apps.js'))
const { processesOf } = await import(join(root, 'dist/testing/processes.js'))

const seconds = Number(process.argv[2] ?? 6)
const builds = 3
/** As a bundler: all processors, and files written. */
const burn = `for i in 1 2; do node -e "let x = 0; for (;;) { x += Math.sqrt(x + 1); if (x > 1e9) x = 0 }" & done; while :; do head -c 20000000 /dev/zero > big; done`

const home = mkdtempSync(join(tmpdir(), 'np-bench-'))
writeFileSync(join(home, 'nodepilot.json'), JSON.stringify({ maxBuilds: builds }))
const pilot = await startPilot({ home })
const trees = []
try {
  const push = async (name, files) => {
    const tree = await workTree(files)
    trees.push(tree)
    return tree.push(pilot.remote(name))
  }
  await push('calm', hello('calm'))
  const quiet = await measure()
  const pushes = Array.from({ length: builds }, (_, at) =>
    push(`build-${at}`, app('', { scripts: { build: burn, start: 'node server.js' } })),
  )
  const slugs = () =>
    processesOf(join(home, 'projects')).then((all) => all.filter(({ cwd }) => /build-\d/.test(cwd)))
  while ((await slugs()).length < builds * 3) await pause(100)
  const low = await measure()
  const latencies = []
  for (let at = 0; at < builds; at++) latencies.push(await cancel(`build-${at}`))
  await Promise.all(pushes)
  const usual = await besideUsualBuilds()
  const row = (what, { p95, p50 }) =>
    console.log(
      `${what.padEnd(44)} p50 ${p50.toFixed(1).padStart(7)} ms   p95 ${p95.toFixed(1).padStart(7)} ms   ${(p95 / quiet.p95).toFixed(1)} x`,
    )
  row('app alone', quiet)
  row(`during ${builds} builds at usual priority`, usual)
  row(`during ${builds} builds of NodePilot`, low)
  console.log(
    `cancel until nothing is left: ${latencies.map((ms) => `${Math.round(ms)} ms`).join(', ')} (goal: under 2000 ms)`,
  )
} finally {
  await pilot.stop()
  await Promise.all(trees.map((tree) => tree.remove()))
  await rm(home, { recursive: true, force: true })
}

async function measure() {
  const times = []
  const end = performance.now() + seconds * 1000
  while (performance.now() < end) {
    const began = performance.now()
    const { status } = await pilot.app('calm')
    if (status !== 200) throw new Error(`calm answered ${status}`)
    times.push(performance.now() - began)
    await pause(5)
  }
  times.sort((a, b) => a - b)
  const at = (part) => times[Math.floor(times.length * part)] ?? 0
  return { p50: at(0.5), p95: at(0.95) }
}

/** The same commands as NodePilot ran them before: in sessions of their own, with nothing before them. */
async function besideUsualBuilds() {
  const directories = Array.from({ length: builds }, () => mkdtempSync(join(tmpdir(), 'np-burn-')))
  const children = directories.map((cwd) =>
    spawn('/bin/sh', ['-c', burn], { cwd, detached: true, stdio: 'ignore' }),
  )
  try {
    await pause(500)
    return await measure()
  } finally {
    for (const { pid } of children) if (pid) process.kill(-pid, 'SIGKILL')
    await pause(200)
    for (const directory of directories) await rm(directory, { recursive: true, force: true })
  }
}

async function cancel(name) {
  const { deployments } = (await pilot.api(`/api/project/${name}/deployments`)).json()
  const began = performance.now()
  await pilot.api(`/api/project/${name}/deployments/${deployments[0].number}/cancel`, { method: 'POST' })
  while ((await processesOf(join(home, 'projects', name))).length > 0) await pause(10)
  return performance.now() - began
}
