import { Agent, createServer } from 'node:http'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const where = createRequire(`${process.cwd()}/`).resolve('httpxy')
const { createProxyServer } = await import(pathToFileURL(where).href)
const agent = new Agent({ keepAlive: true, maxSockets: 256, maxFreeSockets: 256 })
const proxy = createProxyServer({ target: `http://127.0.0.1:${process.env.TARGET}`, agent })

createServer((incoming, response) => {
  Promise.resolve(proxy.web(incoming, response)).catch(() => {
    if (!response.headersSent) response.writeHead(502)
    response.end()
  })
}).listen(Number(process.env.PORT), '127.0.0.1')
