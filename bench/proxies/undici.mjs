// By hand: undici's Pool.stream behind node:http, raw headers passed on. FORWARD=1 adds the headers of a proxy.
import { createServer } from 'node:http'
import { createRequire } from 'node:module'

const { Pool } = createRequire(`${process.cwd()}/`)('undici')
const pool = new Pool(`http://127.0.0.1:${process.env.TARGET}`, { connections: 128, pipelining: 1 })
const hopByHop = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'te', 'trailer'])
let count = 0

createServer((incoming, response) => {
  const { method, url: path, rawHeaders } = incoming
  const headers = []
  for (let n = 0; n < rawHeaders.length; n += 2) {
    if (!hopByHop.has(rawHeaders[n].toLowerCase())) headers.push(rawHeaders[n], rawHeaders[n + 1])
  }
  if (process.env.FORWARD) addForwarding(headers, incoming)
  const body = method === 'GET' || method === 'HEAD' ? null : incoming
  pool.stream({ path, method, headers, body, opaque: response }, answer, (error) => {
    if (error && !response.headersSent) response.writeHead(502)
    if (error) response.end()
  })
}).listen(Number(process.env.PORT), '127.0.0.1')

function answer({ statusCode, headers, opaque: response }) {
  for (const name in headers) if (hopByHop.has(name)) delete headers[name]
  response.writeHead(statusCode, headers)
  return response
}

function addForwarding(headers, { socket, headers: { host } }) {
  const address = socket.remoteAddress
  headers.push('x-forwarded-for', address, 'x-forwarded-proto', 'http', 'x-forwarded-host', host)
  headers.push('forwarded', `for=${address};host="${host}";proto=http`, 'x-request-id', `id-${++count}`)
}
