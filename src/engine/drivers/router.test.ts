import { once } from 'node:events'
import { request, type ServerResponse } from 'node:http'
import type { TestContext } from 'node:test'
import { type App, get, startApp, startRouterProcess } from '../router/process.suite.ts'
import { type RouterHarness, testRouter } from './router.suite.ts'

testRouter('router process', async (t: TestContext): Promise<RouterHarness> => {
  const router = await startRouterProcess(t)
  const apps: App[] = []
  let arrived: (response: ServerResponse) => void = () => {}
  return {
    router: router.client,
    async endpoint() {
      const app = await startApp(t, (incoming, response) => {
        if (incoming.url === '/hang') arrived(response)
        else response.end(String(incoming.socket.localPort))
      })
      apps.push(app)
      return app
    },
    async ask(host) {
      const { status, body } = await get(router.port, { host })
      if (status === 404) return 'not found'
      return status === 503 ? 'unavailable' : Number(body)
    },
    async begin(host) {
      const here = new Promise<ServerResponse>((resolve) => {
        arrived = resolve
      })
      const outgoing = request({
        host: '127.0.0.1',
        port: router.port,
        path: '/hang',
        agent: false,
        headers: { host },
      })
      outgoing.on('error', () => {})
      outgoing.end()
      const response = await here
      const answered = once(outgoing, 'response')
      answered.then(([incoming]) => incoming.resume()).catch(() => {})
      return () => response.end('ended')
    },
  }
})
