// Memory of the front door: at rest, and with many clients that are connected and say nothing.
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { host, startOurs } from './router-processes.mjs'
import { goal } from './statistics.mjs'

const goals = { restMb: 90, idleMb: 250 }
const idleConnections = 10_000

/** Of a fresh router with 500 routes: at rest, and with 10,000 clients that have asked once and say nothing. */
export async function memory(folder, started, app) {
  const ours = await startOurs(folder, started, app, 500)
  await sleep(500)
  const missed = goal('MB at rest, 500 routes', residentMb(ours.pid), goals.restMb, true)
  const sockets = []
  for (let n = 0; n < idleConnections; n += 100) {
    sockets.push(...(await Promise.all(Array.from({ length: 100 }, () => askOnce(ours.port)))))
  }
  const idle = residentMb(ours.pid)
  for (const socket of sockets) socket.destroy()
  return missed + goal(`MB with ${idleConnections} idle connections`, idle, goals.idleMb, true)
}

function askOnce(port) {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.once('error', reject)
    socket.once('data', () => resolve(socket))
    socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
  })
}

function residentMb(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024
}
