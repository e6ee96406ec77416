import assert from 'node:assert/strict'
import { test } from 'node:test'
import { routesOfServer } from '../../testing/routes.ts'
import { projectPages, serverPages } from './page-table.ts'

test('every address of the panel that answers GET is looked at with a browser, or said to be no page', async () => {
  const addresses = (await routesOfServer()).flatMap((route) => /^GET (.*)$/.exec(route)?.[1] ?? [])
  const pages = addresses.filter((path) => !/^\/api\/(?!docs$)/.test(path))
  const known = Object.keys({ ...projectPages, ...serverPages }).filter((path) => path !== '*')
  assert.deepEqual(pages.sort(), known.sort())
})
