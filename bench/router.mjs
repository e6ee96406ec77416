// The front door beside other proxies before one hello app: requests a second, slowest 1 in 100, ratios, memory.
//
//   node bench/router.mjs                    after a build; needs wrk and caddy (apt-get install wrk caddy)
//   node bench/router.mjs --runs 3 --seconds 4 --only direct,Caddy,ours
//   node bench/router.mjs --only switching,counting,memory
//
// `ours, access log` writes down every request, to see what that costs. After these: how fast a table is taken
// (`switching`), what counting costs (`counting`), `memory`.
//
// All are started first and measured in turn, so that the machine's mood is in all of them alike. The packages of
// others are installed into a temporary folder and are no dependencies of NodePilot.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Failure, runAsScript } from '../scripts/script.mjs'
import { describeMachine, quiet } from './machine.mjs'
import { counting } from './router-counting.mjs'
import { measure } from './router-load.mjs'
import { memory } from './router-memory.mjs'
import { candidates } from './router-processes.mjs'
import { switching } from './router-switch.mjs'
import { goal, summary } from './statistics.mjs'

const goals = { ofCaddy: 1.6, ofDirect: 0.25 }
/** What is looked at besides the speed; all where nothing is chosen. */
const others = { switching, counting, memory }

async function bench(args) {
  const { values } = parseArgs({
    args,
    options: {
      runs: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '5' },
      connections: { type: 'string', default: '64' },
      only: { type: 'string', default: '' },
    },
  })
  const [runs, seconds, connections] = [values.runs, values.seconds, values.connections].map(Number)
  needs('wrk', '--version')
  const only = values.only.split(',').filter(Boolean)
  needs('caddy', 'version')
  const folder = mkdtempSync(join(tmpdir(), 'bench-router-'))
  const started = []
  try {
    const all = await candidates(folder, started, only)
    const { cores, cpu, node, load } = describeMachine()
    console.log(`${cores} x ${cpu}, Node ${node}, load ${load.join(' ')}, ${connections} connections\n`)
    let missed = Object.keys(all).length > 1 ? report(await inTurn(all, { runs, seconds, connections })) : 0
    for (const [name, look] of Object.entries(others)) {
      if (only.length > 0 && !only.includes(name)) continue
      console.log('')
      missed += await look(folder, started, all.direct.port, connections)
    }
    return missed > 0 ? 1 : 0
  } finally {
    for (const child of started) child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Name → its runs. */
async function inTurn(all, { runs, seconds, connections }) {
  const rows = Object.fromEntries(Object.keys(all).map((name) => [name, []]))
  for (const one of Object.values(all)) await measure(one, 1, connections)
  for (let run = 0; run < runs; run++) {
    await quiet()
    for (const [name, one] of Object.entries(all)) rows[name].push(await measure(one, seconds, connections))
    console.error(`… run ${run + 1} of ${runs}`)
  }
  return rows
}

function needs(command, argument) {
  if (spawnSync(command, [argument]).error)
    throw new Failure(`${command} is missing: apt-get install wrk caddy`)
}

/** Ratios are medians of the ratios within one round; returns how many goals were missed. */
function report(rows) {
  const ratios = (name, to) =>
    rows[to] ? summary(rows[name].map((r, n) => r.perSecond / rows[to][n].perSecond)) : null
  const show = (ratio) => (ratio ? ratio.median.toFixed(2) : '').padStart(8)
  console.log(`${''.padEnd(32)}requests/s (min–max)        p99 ms  x direct  x Caddy  CPU µs`)
  const p99 = {}
  for (const [name, runs] of Object.entries(rows)) {
    const perSecond = summary(runs.map((run) => run.perSecond))
    p99[name] = summary(runs.map((run) => run.p99Ms)).median
    const span = `${Math.round(perSecond.median)} (${Math.round(perSecond.min)}–${Math.round(perSecond.max)})`
    const bad = runs.reduce((sum, run) => sum + run.bad, 0)
    const line = `${name.padEnd(32)}${span.padEnd(26)}${p99[name].toFixed(1).padStart(8)}`
    const ratio = `  ${show(ratios(name, 'direct'))} ${show(ratios(name, 'Caddy'))}`
    const cpu = cpuOf(runs).toFixed(0).padStart(8)
    console.log(`${line}${ratio}${cpu}${bad ? `  ${bad} bad` : ''}`)
  }
  const ours = 'ours, 500 routes'
  if (!rows[ours]) return 0
  console.log('')
  return (
    goal('ours x direct', ratios(ours, 'direct').median, goals.ofDirect) +
    (rows.Caddy
      ? goal('ours x Caddy', ratios(ours, 'Caddy').median, goals.ofCaddy) +
        goal('Caddy p99 / ours', p99.Caddy / p99[ours], 1)
      : 0) +
    // By the processor's time: two servers never have the same luck with a machine that others use too.
    goal('CPU with 1 route / 500', cpuOf(rows['ours, 1 route']) / cpuOf(rows[ours]), 0.95)
  )
}

function cpuOf(runs) {
  return summary(runs.map((run) => run.cpuUs)).median
}

await runAsScript(import.meta.url, bench)
