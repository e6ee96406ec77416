import { statSync } from 'node:fs'
import type { RouteTable } from '../ports.ts'
import type { KeptHold } from './holds.ts'
import type { Routing } from './routing.ts'

/** How often what the next router has written is looked at, ms. */
const lookMs = 100
/** Those that still wait are answered so long before all is cut, ms. */
const answerMs = 500

/** What a router writes down for the one that comes after it. */
export interface Kept {
  readonly table: { readonly file: string; load(): RouteTable | null }
  readonly holds: { readonly file: string; load(): readonly KeptHold[] | null }
}

/**
 * A router that ends still has the requests that wait for a project to wake, or for one version to take the place of
 * another. The server speaks to the next router only; what that one writes down is in force here as well, so that
 * whoever waits goes on where everybody else does. Those that it does not end in time are told to come again.
 * Returns what ends the following.
 */
export function followSuccessor(routing: Routing, { table, holds }: Kept, graceMs: number): () => void {
  const [tableIsNew, holdsAreNew] = [changesOf(table.file), changesOf(holds.file)]
  const follow = () => {
    // a hold ends after the table that makes it needless: looked at before it, so that it is not older
    const held = holdsAreNew() ? holds.load() : null
    const next = tableIsNew() ? table.load() : null
    if (next) routing.apply(next)
    if (held) routing.holds.keep(new Set(held.map(({ project }) => project)))
  }
  const looking = setInterval(follow, lookMs)
  const late = setTimeout(() => routing.giveUpWaiting(), Math.max(0, graceMs - answerMs))
  return () => {
    clearInterval(looking)
    clearTimeout(late)
  }
}

/** Tells whether a file is another one, or a longer one, than when it was asked last. */
function changesOf(file: string): () => boolean {
  const state = () => {
    const stat = statSync(file, { throwIfNoEntry: false })
    return stat && `${stat.ino} ${stat.size}`
  }
  let last = state()
  return () => {
    const now = state()
    if (now === last) return false
    last = now
    return true
  }
}
