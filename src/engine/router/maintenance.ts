import { BlockList, isIP } from 'node:net'
import { readRange } from '../domain/address-range.ts'
import type { Route, RouteMaintenance } from '../ports.ts'
import { type Asked, clientOf } from './asked.ts'
import { type Page, pages } from './pages.ts'

/** A project in maintenance: what visitors get, and who is let through. */
export class Closed {
  readonly page: Page
  readonly #allowed = new BlockList()

  constructor({ project }: Route, { page, allow }: RouteMaintenance) {
    this.page = pages.maintenance(project, page)
    for (const text of allow) {
      const range = readRange(text)
      if (range) this.#allowed.addSubnet(range.address, range.prefix, range.family)
    }
  }

  /** A list of none lets nobody through. */
  admits(asked: Asked): boolean {
    const address = clientOf(asked)
    const version = isIP(address)
    // IPv4 in the clothes of IPv6 is compared as what it is
    return version !== 0 && this.#allowed.check(address, version === 4 ? 'ipv4' : 'ipv6')
  }
}

/** The routes of a table that are in maintenance. */
export function closedRoutes(routes: readonly Route[]): Map<Route, Closed> {
  return new Map(
    routes.flatMap((route) => (route.maintenance ? [[route, new Closed(route, route.maintenance)]] : [])),
  )
}
