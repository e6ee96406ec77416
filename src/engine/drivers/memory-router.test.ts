import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefusal } from '../domain/refusal.ts'
import { createMemoryRouter } from './memory-router.ts'
import { testRouter } from './router.suite.ts'

testRouter('memory router', async () => {
  const router = createMemoryRouter()
  let port = 40_000
  return {
    router,
    endpoint: async () => ({ host: '127.0.0.1', port: port++ }),
    async ask(host) {
      const project = router.route(host)?.project ?? ''
      while (router.held(project) === 'waiting') await new Promise((resolve) => setTimeout(resolve, 5))
      if (router.held(project) === 'over') return 'unavailable'
      const asleep = router.route(host)?.state === 'sleeping'
      if (asleep && (await router.waitFor(project)) !== 'awake') return 'unavailable'
      const route = router.route(host)
      if (!route) return 'not found'
      if (route.state === 'running' && route.endpoints.length > 0) router.count(host)
      return (route.state === 'running' && route.endpoints[0]?.port) || 'unavailable'
    },
    async begin(host) {
      const endpoint = router.route(host)?.endpoints[0]
      assert.ok(endpoint)
      return router.begin(endpoint)
    },
  }
})

test('a memory router that is told to fail refuses every call and keeps its table', async () => {
  const router = createMemoryRouter()
  const table = { version: 1, baseDomain: 'localhost', routes: [] }
  await router.apply(table)
  router.fail('the router does not answer')
  for (const call of [
    router.check(),
    router.apply({ ...table, version: 2 }),
    router.drain([], 1),
    router.hold('shop', 1),
    router.refuseWake('shop', { sentence: 'no', retryAfterS: 1 }),
    router.traffic(),
  ]) {
    await assert.rejects(call, (error) => isRefusal(error, 'unavailable'))
  }
  router.fail(undefined)
  await router.check()
  assert.deepEqual(router.applied(), [table])
})
