import { app, hello } from './apps.ts'
import type { Pilot } from './pilot.ts'
import { answered } from './project.ts'
import { type WorkTree, workTree } from './work-tree.ts'

/** What a page must show and never obey. */
export const hostile = '<img src=x onerror="document.title=\'owned\'"><script>alert(1)</script>'

export const member = { username: 'mia', password: 'mia has a long password' } as const

/** A server with everything that pages can be about. */
export interface PanelSeed {
  /** The work tree of `shop`: running, three deploys (the last one of two releases is live), config vars. */
  readonly shop: WorkTree
  end(): Promise<void>
}

/**
 * `shop` runs release 2; `broken` could not be built; `halted` is stopped and in maintenance; `empty` was never pushed to. The
 * member sees `shop` alone.
 */
export async function seedPanel(pilot: Pilot): Promise<PanelSeed> {
  const shop = await workTree(hello('v1', "console.log('asked for', q.url)"))
  await push(pilot, shop, 'shop')
  await shop.commit({ ...hello('v2', "console.log('asked for', q.url)") }, `Second ${hostile}`)
  await push(pilot, shop, 'shop')
  await pilot.app('shop', '/shelf')
  await send(pilot, 'PATCH', '/api/project/shop', { displayName: `Shop & ${hostile.slice(0, 60)}` })
  const cron = [
    { name: 'report', schedule: '@yearly', command: `echo '${hostile.replaceAll("'", '')}'; exit 3` },
    { schedule: '0 3 * * *', command: 'node backup.js' },
  ]
  await send(pilot, 'PATCH', '/api/project/shop', { cron })
  await send(pilot, 'POST', '/api/project/shop/cron/report/run', {}, 202)
  await send(pilot, 'PUT', '/api/project/shop/remote', {
    url: 'https://example.com/ana/shop.git',
    token: 'secret',
  })
  await send(pilot, 'PATCH', '/api/project/shop/env?apply=false', { GREETING: hostile, SECRET_KEY: 'sesame' })

  const broken = await workTree(
    app('', {
      scripts: {
        start: 'node server.js',
        build: `node -e "console.error('src/search.ts: type error');process.exit(2)"`,
      },
    }),
  )
  const refused = await broken.push(pilot.remote('broken'))
  if (refused.code === 0) throw new Error('the broken project was deployed')

  const halted = await workTree(hello('halted'))
  await push(pilot, halted, 'halted')
  await send(pilot, 'POST', '/api/project/halted/stop', {})
  await send(pilot, 'PATCH', '/api/project/halted', {
    maintenance: true,
    maintenanceAllow: ['2001:db8::/32'],
  })
  await send(pilot, 'POST', '/api/project/create', { name: 'empty' }, 201)
  await send(pilot, 'POST', '/api/users', { ...member, role: 'member' }, 201)
  await send(pilot, 'PUT', `/api/project/shop/members/${member.username}`, { role: 'viewer' })
  await Promise.all([broken.remove(), halted.remove()])
  return { shop, end: shop.remove }
}

async function push(pilot: Pilot, tree: WorkTree, project: string): Promise<void> {
  const pushed = await tree.push(pilot.remote(project))
  if (pushed.code !== 0) throw new Error(`push of ${project}: ${pushed.all}`)
}

async function send(pilot: Pilot, method: string, path: string, body: object, status = 200): Promise<void> {
  answered(await pilot.api(path, { method, body }), status)
}
