// Asks for one address on a few connections as fast as it is answered, as a process of its own; prints one JSON line.
//
//   node raw-client.mjs '{"socketPath":"…"|"port":…,"head":"GET / HTTP/1.1\r\n…\r\n\r\n","connections":16,"seconds":3}'
import { connect } from 'node:net'

const { socketPath, port, head, connections, seconds } = JSON.parse(process.argv[2])
const request = Buffer.from(head, 'latin1')
const times = []
const statuses = {}
const until = performance.now() + seconds * 1000
let bytes = 0

await Promise.all(Array.from({ length: connections }, ask))
times.sort((a, b) => a - b)
const at = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0
const bodyBytes = times.length > 0 ? Math.round(bytes / times.length) : 0
console.log(
  JSON.stringify({
    perSecond: times.length / seconds,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    maxMs: at(1),
    statuses,
    bodyBytes,
  }),
)

/** One connection: the next request goes out when the answer is in. Reads heads only as far as it must. */
function ask() {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath ? { path: socketPath } : { port, host: '127.0.0.1' })
    let before = Buffer.alloc(0)
    let left = 0
    let sent = 0
    const send = () => {
      if (performance.now() > until) {
        socket.destroy()
        resolve()
        return
      }
      sent = performance.now()
      socket.write(request)
    }
    const done = () => {
      times.push(performance.now() - sent)
      send()
    }
    socket.setNoDelay(true)
    socket.once('connect', send)
    socket.once('error', reject)
    socket.once('close', resolve)
    socket.on('data', (chunk) => {
      if (left > 0) {
        left -= chunk.length
        if (left === 0) done()
        return
      }
      before = before.length > 0 ? Buffer.concat([before, chunk]) : chunk
      const end = before.indexOf('\r\n\r\n')
      if (end < 0) return
      const text = before.toString('latin1', 0, end)
      const length = Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1] ?? 0)
      if (/\r\ntransfer-encoding/i.test(text)) {
        reject(new Error('an answer without a length'))
        return
      }
      const status = text.slice(9, 12)
      statuses[status] = (statuses[status] ?? 0) + 1
      bytes += length
      left = length - (before.length - end - 4)
      before = Buffer.alloc(0)
      if (left === 0) done()
    })
  })
}
