// npm run bench: what NodePilot costs, each figure beside the floor it stands on, measured in the same run.
//
//   npm run bench                          everything
//   npm run bench -- hello memory          only these: hello, express, heavier, load, broken, memory,
//                                          panel, scale
//   npm run bench -- --only hello,memory   the same
//   npm run bench -- --runs 9              repeats of each figure (5)
//   npm run bench -- --no-build            dist/ as it is
//
// The table goes to stdout, progress to stderr, everything as JSON to bench/results/. Compare only figures of one
// run, or their ratios: the machine's mood is in all of them alike.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { build } from '../scripts/build.mjs'
import { install } from '../scripts/install.mjs'
import { Failure, root, runAsScript } from '../scripts/script.mjs'
import { describeMachine } from './machine.mjs'
import { table } from './statistics.mjs'

const everything = ['hello', 'express', 'heavier', 'load', 'broken', 'memory', 'panel', 'scale']

async function bench(args) {
  const { names, runs, build: wanted } = readOptions(args)
  if (wanted) {
    install()
    build()
  }
  const machine = describeMachine()
  const results = []
  for (const name of names) {
    const result = await measure(name, runs)
    results.push(result)
    console.log(table(`${name}`, result.rows))
  }
  const file = save({ machine, runs, results })
  console.log(
    `${machine.cores} x ${machine.cpu}, Node ${machine.node}, load ${machine.load.join(' ')}\n${file}`,
  )
  const missed = results.flatMap(({ rows }) => rows).filter(({ reached }) => reached === false)
  if (missed.length > 0) console.log(`${missed.length} goals missed.`)
  return 0
}

function readOptions(args) {
  let parsed
  try {
    parsed = parseArgs({
      args,
      allowPositionals: true,
      options: {
        runs: { type: 'string', default: '5' },
        only: { type: 'string', default: '' },
        'no-build': { type: 'boolean', default: false },
      },
    })
  } catch (error) {
    throw new Failure(`${error.message} The options are --runs, --only, --no-build.`)
  }
  const chosen = [...parsed.positionals, ...parsed.values.only.split(',').filter(Boolean)]
  const unknown = chosen.filter((name) => !everything.includes(name))
  if (unknown.length > 0) throw new Failure(`${unknown.join(', ')}: there is only ${everything.join(', ')}.`)
  const runs = Number(parsed.values.runs)
  if (!Number.isInteger(runs) || runs < 1) throw new Failure('--runs takes a number from 1.')
  return { names: chosen.length > 0 ? chosen : everything, runs, build: !parsed.values['no-build'] }
}

/** Each name gets a NodePilot of its own, so that none measures what another left in memory or cache. */
async function measure(name, runs) {
  const { startPilot } = await import(join(root, 'dist', 'testing', 'pilot.js'))
  const pilot = await startPilot()
  const stop = () => pilot.stop().finally(() => process.exit(130))
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, stop)
  try {
    return { name, ...(await measureOn(pilot, name, { runs, say: (what) => console.error(`… ${what}`) })) }
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM']) process.off(signal, stop)
    await pilot.stop()
  }
}

/** Loaded late: they build on dist/testing, which may only just have been built. */
async function measureOn(pilot, name, options) {
  if (name === 'panel') return { rows: await (await import('./panel.mjs')).measurePanel(pilot, options) }
  if (name === 'scale') return { rows: await (await import('./scale.mjs')).measureScale(pilot, options) }
  if (name === 'memory') return { rows: await (await import('./memory.mjs')).measureMemory(pilot, options) }
  const load = await import('./load.mjs')
  if (name === 'load') return { rows: await load.measureLostRequests(pilot, options) }
  if (name === 'broken') return { rows: await load.measureBrokenReleases(pilot, options) }
  return (await import('./deploys.mjs')).measureDeploys(pilot, name, options)
}

function save(result) {
  const folder = join(root, 'bench', 'results')
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `${result.machine.at.replaceAll(':', '-')}.json`)
  writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`)
  return file
}

await runAsScript(import.meta.url, bench)
