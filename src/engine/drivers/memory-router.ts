import { Refusal } from '../domain/refusal.ts'
import type { DrainReport, Endpoint, Route, Router, RouteTable } from '../ports.ts'
import { pages } from '../router/pages.ts'
import { openSite } from '../router/static-site.ts'
import { Traffic } from '../router/traffic.ts'
import { Wakes } from '../router/wakes.ts'

/** A front door without sockets, for tests of what uses one. */
export interface MemoryRouter extends Router {
  /** The table in force, null before the first. */
  table(): RouteTable | null
  /** Every table that was applied, oldest first. */
  applied(): readonly RouteTable[]
  /** The route of a host, undefined where no project has it. */
  route(host: string): Route | undefined
  /** Whether new requests of this project wait, or have waited for too long. */
  held(project: string): 'none' | 'waiting' | 'over'
  /** A request for a project that sleeps: whether it was woken, or the sentence that the request is answered with. */
  waitFor(project: string): Promise<'awake' | string>
  /** Puts a request to an endpoint under way; the returned function ends it. */
  begin(endpoint: Endpoint): () => void
  /** Counts a request to a host as answered. */
  count(
    host: string,
    answer?: { readonly status?: number; readonly ms?: number; readonly bytes?: number },
  ): void
  /** From now on every call is refused with `unavailable`, as when the process is gone; undefined: it is back. */
  fail(sentence: string | undefined): void
}

export function createMemoryRouter(): MemoryRouter {
  const tables: RouteTable[] = []
  const open = new Map<string, number>()
  const looks = new Set<() => void>()
  const held = new Map<string, number>()
  const traffic = new Traffic(0)
  const wakes = new Wakes(Number.POSITIVE_INFINITY)
  let failure: string | undefined
  const current = () => tables.at(-1) ?? null
  const route = (host: string) => current()?.routes.find((found) => found.hosts.includes(host.toLowerCase()))
  const present = () => {
    if (failure !== undefined) throw new Refusal('unavailable', failure)
  }
  const count = (endpoints: readonly Endpoint[]) =>
    [...new Set(endpoints.map(keyOf))].reduce((sum, key) => sum + (open.get(key) ?? 0), 0)
  const change = (key: string, by: number) => {
    open.set(key, (open.get(key) ?? 0) + by)
    for (const look of [...looks]) look()
  }
  return {
    async apply(table) {
      present()
      refuseOlder(current(), table)
      refuseTwice(table)
      tables.push(structuredClone(table))
      traffic.keep(table)
      wakes.keep(new Set(table.routes.flatMap((one) => (one.state === 'sleeping' ? [one.project] : []))))
    },
    async drain(endpoints, deadlineMs) {
      present()
      return waitFor(() => count(endpoints), deadlineMs, looks)
    },
    async hold(project, ms) {
      present()
      if (ms > 0) held.set(project, performance.now() + ms)
      else held.delete(project)
      return { waiting: 0 }
    },
    onWake: (listener) => wakes.listen(listener, () => {}),
    async refuseWake(project, { sentence, retryAfterS }) {
      present()
      return { waiting: wakes.refuse(project, pages.notWoken(project, sentence, retryAfterS)) }
    },
    async look(files, path) {
      present()
      const found = await openSite(files).catch((error: Error) => {
        throw new Refusal('invalid', error.message)
      })
      const answer = found.find(path, true)
      return { status: answer.kind === 'moved' ? 301 : answer.status }
    },
    async check() {
      present()
    },
    async traffic() {
      present()
      return structuredClone(traffic.report())
    },
    table: current,
    applied: () => tables,
    route,
    held(project) {
      const until = held.get(project)
      if (until === undefined) return 'none'
      return performance.now() < until ? 'waiting' : 'over'
    },
    waitFor(project) {
      const asleep = wakes.of(project, performance.now())
      return new Promise((resolve) => {
        asleep.hold.join((goOn) => resolve(goOn ? 'awake' : asleep.page.sentence))
      })
    },
    count(host, { status = 200, ms = 1, bytes = 100 } = {}) {
      const found = route(host)
      if (found) traffic.of(found.project, found.release).count(status, ms, bytes, bytes)
    },
    begin(endpoint) {
      const key = keyOf(endpoint)
      const found = current()?.routes.find((one) => one.endpoints.some((other) => keyOf(other) === key))
      const meter = found && traffic.of(found.project, found.release)
      change(key, 1)
      if (meter) meter.open++
      let ended = false
      return () => {
        if (ended) return
        ended = true
        if (meter) {
          meter.open--
          meter.count(200, 1, 100, 100)
        }
        change(key, -1)
      }
    },
    fail(sentence) {
      failure = sentence
    },
  }
}

function waitFor(count: () => number, deadlineMs: number, looks: Set<() => void>): Promise<DrainReport> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer)
      looks.delete(look)
      resolve({ left: count() })
    }
    const look = () => {
      if (count() === 0) end()
    }
    const timer = setTimeout(end, deadlineMs)
    looks.add(look)
    look()
  })
}

function refuseOlder(current: RouteTable | null, next: RouteTable): void {
  if (!current || next.version > current.version) return
  if (next.version === current.version && JSON.stringify(next) === JSON.stringify(current)) return
  throw new Refusal('conflict', `table ${next.version} is not newer than ${current.version}`)
}

function refuseTwice(table: RouteTable): void {
  const owners = new Map<string, string>()
  for (const { hosts, project } of table.routes) {
    for (const host of hosts) {
      const owner = owners.get(host)
      if (owner !== undefined)
        throw new Refusal('invalid', `the host ${host} belongs to ${owner} and to ${project}`)
      owners.set(host, project)
    }
  }
}

function keyOf({ host, port }: Endpoint): string {
  return `${host}:${port}`
}
