// By hand: node:http on both sides with kept connections, streams piped. FORWARD=1 adds the headers of a proxy.
import { Agent, createServer, request } from 'node:http'

const agent = new Agent({ keepAlive: true, maxSockets: 256, maxFreeSockets: 256, scheduling: 'lifo' })
const target = { host: '127.0.0.1', port: Number(process.env.TARGET), agent }

createServer((incoming, response) => {
  const { method, url: path, headers } = incoming
  if (process.env.FORWARD) addForwarding(headers, incoming.socket.remoteAddress)
  const outgoing = request({ ...target, method, path, headers }, (answer) => {
    const { connection, 'keep-alive': timeout, ...kept } = answer.headers
    response.writeHead(answer.statusCode, kept)
    answer.pipe(response)
  })
  outgoing.on('error', () => {
    if (!response.headersSent) response.writeHead(502)
    response.end()
  })
  if (method === 'GET' || method === 'HEAD') outgoing.end()
  else incoming.pipe(outgoing)
}).listen(Number(process.env.PORT), '127.0.0.1')

let count = 0
function addForwarding(headers, address) {
  headers['x-forwarded-for'] = address
  headers['x-forwarded-proto'] = 'http'
  headers['x-forwarded-host'] = headers.host
  headers.forwarded = `for=${address};host="${headers.host}";proto=http`
  headers['x-request-id'] = `id-${++count}`
}
