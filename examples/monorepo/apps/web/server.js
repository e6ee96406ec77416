import { createServer } from 'node:http'
import { greeting } from '@example/greeting'

const server = createServer((request, response) => {
  if (request.url === '/healthz') return response.end('ok\n')
  response.end(`${greeting(process.env.NODEPILOT_RELEASE)}\n`)
})
server.listen(process.env.PORT)
process.once('SIGTERM', () => server.close())
