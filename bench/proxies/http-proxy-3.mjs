import { Agent, createServer } from 'node:http'
import { createRequire } from 'node:module'

const { createProxyServer } = createRequire(`${process.cwd()}/`)('http-proxy-3')
const agent = new Agent({ keepAlive: true, maxSockets: 256, maxFreeSockets: 256 })
const proxy = createProxyServer({ target: `http://127.0.0.1:${process.env.TARGET}`, agent, xfwd: false })
proxy.on('error', (_error, _incoming, response) => {
  if (response.writeHead && !response.headersSent) response.writeHead(502)
  response.end?.()
})

createServer((incoming, response) => proxy.web(incoming, response)).listen(
  Number(process.env.PORT),
  '127.0.0.1',
)
