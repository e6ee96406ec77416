import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startBrowser, type TestBrowser, type Visitor } from '../../testing/browser.ts'
import { pageFaults } from '../../testing/page-checks.ts'
import { member, type PanelSeed, seedPanel } from '../../testing/panel-seed.ts'
import { type Pilot, startPilot } from '../../testing/pilot.ts'

type Person = 'admin' | 'member' | 'nobody'

export interface Look {
  /** Of the pictures. */
  readonly name: string
  readonly path: string | ((pilot: Pilot) => Promise<string>)
  /** Default: the admin. */
  readonly as?: Person
  /** Waits for what the page shows only after a moment. */
  readonly until?: string
  /** Default: 200. */
  readonly status?: number
}

/** An address that answers GET: the pages to look at there, or why it is no page. */
export type PageTable = Readonly<Record<string, readonly Look[] | string>>

/** Looks at every page of a table on a seeded server; one test each. */
export function lookAtPages(table: PageTable): void {
  let pilot: Pilot
  let seed: PanelSeed
  let browser: TestBrowser
  const visitors = new Map<Person, Promise<Visitor>>()

  before(async () => {
    ;[pilot, browser] = await Promise.all([startPilot(), startBrowser()])
    seed = await seedPanel(pilot)
  })
  after(async () => {
    await browser?.close()
    await seed?.end()
    await pilot?.stop()
  })

  const visitorFor = (person: Person): Promise<Visitor> => {
    const as = { admin: undefined, member, nobody: null }[person]
    const known = visitors.get(person) ?? browser.visit(pilot, as === undefined ? {} : { as })
    visitors.set(person, known)
    return known
  }

  for (const { name, path: given, as = 'admin', until, status = 200 } of Object.values(table).flatMap(
    (looks) => (typeof looks === 'string' ? [] : looks),
  )) {
    test(`${name}: no fault at 1280 and 320 px, light and dark`, async () => {
      const visitor = await visitorFor(as)
      const path = typeof given === 'string' ? given : await given(pilot)
      visitor.complaints.length = 0
      assert.equal(await visitor.open(path), status)
      if (status !== 200) visitor.complaints.length = 0
      assert.equal(
        new URL(visitor.page.url()).pathname,
        new URL(path, pilot.url).pathname,
        'it led elsewhere',
      )
      if (until) await visitor.page.locator(until).first().waitFor()
      assert.equal((await pageFaults(visitor, name)).join('\n'), '')
      assert.notEqual(await visitor.page.title(), 'owned', 'markup from outside was obeyed')
    })
  }
}
