// Push-to-live of each app: first push, redeploy with the lockfile unchanged, rollback.
import { apps, appTree } from './apps.mjs'
import { appFloors, pushFloor } from './floors.mjs'
import { timeToLive } from './live.mjs'
import { quiet } from './machine.mjs'
import { row } from './statistics.mjs'

/** Redeploy goals in ms, on top of the app's own build where there is one. */
const redeployGoals = { hello: 400, express: 600, heavier: 700 }
const rollbackGoalMs = 300

export async function measureDeploys(pilot, name, { runs, say }) {
  say(`${name}: floors`)
  const floors = await appFloors(name, runs)
  const tree = await appTree(name)
  try {
    say(`${name}: first push`)
    const first = await pushOnce(pilot, tree)
    floors.push = await pushFloor(pilot, tree, runs)
    say(`${name}: ${runs} redeploys`)
    const redeploys = await repeat(runs, () => pushOnce(pilot, tree))
    say(`${name}: ${runs} rollbacks`)
    const rollbacks = await repeat(runs, () => rollbackOnce(pilot, tree))
    return { name, floors, rows: rows(name, floors, first, redeploys, rollbacks) }
  } finally {
    await tree.remove()
  }
}

async function pushOnce(pilot, tree) {
  const token = await tree.change()
  return live(
    pilot,
    tree,
    (body) => body.includes(token),
    async () => {
      const { code, all } = await tree.push(pilot.remote(tree.name))
      return { code, output: all }
    },
  )
}

/** Back to the release before, which answers with what it answered then. */
async function rollbackOnce(pilot, tree) {
  const before = await answer(pilot, tree.name)
  const path = `/api/project/${tree.name}/rollback`
  return live(
    pilot,
    tree,
    (body) => body !== before,
    async () => {
      const back = await pilot.api(path, { method: 'POST', body: {} })
      return { code: back.status === 200 ? 0 : back.status, output: back.text }
    },
  )
}

async function live(pilot, tree, isNew, act) {
  await quiet()
  const { code, output, liveMs } = await timeToLive(
    { port: pilot.port, host: `${tree.name}.localhost`, isNew },
    act,
  )
  if (code !== 0) throw new Error(`${tree.name}: it ended with ${code}:\n${output}`)
  if (liveMs === null) throw new Error(`${tree.name}: said to be live, but the new version never answered`)
  return liveMs
}

async function answer(pilot, name) {
  return (await pilot.app(name)).text
}

function rows(name, floors, first, redeploys, rollbacks) {
  const { push, boot, install = 0, link = 0, build = 0 } = floors
  const firstFloor = push + install + build + boot
  const redeployFloor = push + link + build + boot
  return [
    row(`${name}: first push to live`, 'ms', [first], {
      floor: firstFloor,
      floorName: sum(floors, 'install'),
    }),
    row(`${name}: redeploy to live`, 'ms', redeploys, {
      floor: redeployFloor,
      floorName: sum(floors, 'link'),
      goal: redeployGoals[name] + build,
    }),
    row(`${name}: rollback`, 'ms', rollbacks, {
      floor: boot,
      floorName: '(boot)',
      goal: rollbackGoalMs + boot,
    }),
  ]
}

/** `(push + link + build + boot)`, of what this app has. */
function sum(floors, packages) {
  return `(${['push', packages, 'build', 'boot'].filter((part) => part in floors).join(' + ')})`
}

async function repeat(runs, act) {
  const values = []
  for (let i = 0; i < runs; i++) values.push(await act())
  return values
}

export const deployable = Object.keys(apps)
