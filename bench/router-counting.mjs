// What counting traffic costs: the front door with and without it, by turns, in many short rounds.
import { quiet } from './machine.mjs'
import { measure } from './router-load.mjs'
import { startOurs } from './router-processes.mjs'
import { goal, quantile } from './statistics.mjs'

/** Two processes never have the same luck with memory and compiler, so there are several pairs of them. */
const pairs = 4
const rounds = 5
const seconds = 2
const mostPercent = 5

/**
 * The processor's time for a request with counting, over that without, of one round: a machine that others use
 * slows both of a round alike. The median of all rounds is judged. Returns how many goals were missed.
 */
export async function counting(folder, started, app, connections) {
  const ratios = []
  for (let pair = 0; pair < pairs; pair++) {
    const both = [
      await startOurs(folder, started, app, 500),
      await startOurs(folder, started, app, 500, { counts: false }),
    ]
    for (const one of both) await measure(one, 2, connections)
    await quiet()
    for (let round = 0; round < rounds; round++)
      ratios.push(await ratioOf(both, round % 2 === 1, connections))
    for (const { pid } of both) process.kill(pid, 'SIGKILL')
  }
  const percent = ratios.map((ratio) => (ratio - 1) * 100)
  const [low, high] = [0.25, 0.75].map((share) => quantile(percent, share).toFixed(1))
  console.log(`counting, in ${ratios.length} rounds: half of them between ${low} and ${high} %`)
  return goal('counting, % of CPU a request', quantile(percent, 0.5), mostPercent, true)
}

async function ratioOf([counted, uncounted], reversed, connections) {
  const found = new Map()
  for (const one of reversed ? [uncounted, counted] : [counted, uncounted]) {
    found.set(one, (await measure(one, seconds, connections)).cpuUs)
  }
  return found.get(counted) / found.get(uncounted)
}
