// How fast the front door takes a table: from the call to its answer, at rest and under load.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { root } from '../scripts/script.mjs'
import { wrk } from './router-load.mjs'
import { freePort, host, start, startOurs } from './router-processes.mjs'
import { goal, quantile } from './statistics.mjs'

const goalMs = 20
const applies = 100

/**
 * A table of 500 routes, sent a hundred times, in each of which the app that is asked for moves to another
 * instance. The floor beside it is the smallest call there is, made in turn with it. Returns how many goals were
 * missed; an answer that is lost on the way is one.
 */
export async function switching(folder, started, app, connections) {
  const ours = await startOurs(folder, started, app, 500)
  const hello = [process.execPath, join(root, 'bench', 'proxies', 'hello.mjs')]
  const { port: other } = await start(started, hello, await freePort(), {})
  const { createRouterClient } = await import(join(root, 'dist', 'engine', 'drivers', 'router.js'))
  const client = createRouterClient({ controlSocket: ours.controlSocket })
  const tables = [app, other].map((port) => withPort(ours.routes, port))
  let version = 1
  const round = async () => {
    const apply = await timed(() =>
      client.apply({ version: ++version, baseDomain: 'localhost', routes: tables[version % 2] }),
    )
    const status = await timed(() => client.status())
    await sleep(20)
    return { apply, status }
  }
  const rounds = async () => {
    const found = []
    for (let n = 0; n < applies; n++) found.push(await round())
    return found
  }
  await rounds()
  const rest = show('at rest', await rounds())
  let loading = true
  const load = loadWhile(ours.port, connections, () => loading)
  await sleep(500)
  const loaded = show('under load', await rounds())
  loading = false
  return rest + loaded + goal('answers lost while routes switched', await load, 0, true)
}

function withPort(routes, port) {
  const endpoints = [{ host: '127.0.0.1', port }]
  return routes.map((route) => (route.hosts.includes(host) ? { ...route, endpoints } : route))
}

async function timed(call) {
  const began = performance.now()
  await call()
  return performance.now() - began
}

/** Returns how many of wrk's requests had no good answer. */
async function loadWhile(port, connections, goesOn) {
  let bad = 0
  while (goesOn()) bad += (await wrk(port, 2, connections)).bad
  return bad
}

function show(when, found) {
  const of = (name, share) =>
    quantile(
      found.map((times) => times[name]),
      share,
    )
  const [apply, floor] = ['apply', 'status'].map(
    (name) => `${of(name, 0.5).toFixed(1)} (p95 ${of(name, 0.95).toFixed(1)})`,
  )
  console.log(`apply of 500 routes, ${when}: ${apply} ms; GET /status: ${floor} ms`)
  return goal(`ms of apply, ${when}, p95`, of('apply', 0.95), goalMs, true)
}
