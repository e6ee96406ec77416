// Twenty viewers of one log: what the server's memory does while an app writes as fast as it is asked to.
//   node bench/logs.mjs [lines a second] [seconds]      (after a build)
import { readFileSync, statSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { app } from '../dist/testing/apps.js'
import { startPilot } from '../dist/testing/pilot.js'
import { workTree } from '../dist/testing/work-tree.js'

const [rate = 10_000, seconds = 10] = process.argv.slice(2).map(Number)
const viewers = 20
const slowOnes = 3

/** 100 bytes a line, spread over the second; `/start` begins and ends by itself. */
const writer = app(`let written = 0
require('node:http').createServer((q, s) => {
  if (q.url === '/start') {
    const begin = Date.now()
    const timer = setInterval(() => {
      const due = Math.min(Math.floor((Date.now() - begin) * ${rate} / 1000), ${rate * seconds})
      let text = ''
      while (written < due) text += ('line ' + written++).padEnd(99, '.') + '\\n'
      if (text) process.stdout.write(text)
      if (written === ${rate * seconds}) clearInterval(timer)
    }, 10)
  }
  s.end(String(written))
}).listen(process.env.PORT)
`)

const pilot = await startPilot()
const tree = await workTree(writer)
const memory = () =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pilot.pid}/status`, 'utf8'))?.[1]) / 1024
const cpu = () => {
  const fields = readFileSync(`/proc/${pilot.pid}/stat`, 'utf8').split(') ')[1].split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}
const seen = []
try {
  const pushed = await tree.push(pilot.remote('writer'))
  if (pushed.code !== 0) throw new Error(pushed.all)
  for (let n = 0; n < viewers; n++) seen.push(await view(n >= viewers - slowOnes))
  await pause(500)
  const idle = memory()
  const before = cpu()
  await pilot.app('writer', '/start')
  let peak = 0
  for (let n = 0; n < seconds * 10; n++) {
    await pause(100)
    peak = Math.max(peak, memory())
  }
  const used = (cpu() - before) / seconds
  const written = Number((await pilot.app('writer')).text)
  // who is slower, PM2 or we: what it has recorded when the app is done
  const recorded = statSync(`${pilot.home}/logs/writer/web.1.log`).size
  const total = rate * seconds
  const arrived = (one) => one.lines + one.missed
  const begun = performance.now()
  for (let slow = true; performance.now() - begun < 60_000; await pause(100)) {
    peak = Math.max(peak, memory())
    const done = seen.every((one) => one.socket.isPaused || arrived(one) >= total)
    if (done && !slow) break
    if (done) for (const one of seen) one.socket.resume()
    if (done) slow = false
  }
  const late = (performance.now() - begun) / 1000
  const all = statSync(`${pilot.home}/logs/writer/web.1.log`).size
  const quick = seen.slice(0, viewers - slowOnes)
  const slow = seen.slice(viewers - slowOnes)
  console.log(
    `written ${written} lines in ${seconds} s, ${viewers} viewers, ${slowOnes} of them stop reading`,
  )
  console.log(
    `server memory: ${idle.toFixed(0)} MB before, ${peak.toFixed(0)} MB at most; CPU ${(used * 100).toFixed(0)} %`,
  )
  console.log(
    `PM2 had recorded ${((100 * recorded) / all).toFixed(0)} % when the app was done; the last viewer was ${late.toFixed(1)} s behind`,
  )
  console.log(`quick viewers: ${range(quick, 'lines')} lines each, ${range(quick, 'missed')} missed`)
  console.log(`slow viewers:  ${range(slow, 'lines')} lines each, ${range(slow, 'missed')} missed`)
} finally {
  for (const one of seen) one.socket.terminate()
  await tree.remove()
  await pilot.stop()
}

function view(slow) {
  const address = `${pilot.url.replace('http', 'ws')}/api/project/writer/logs/stream?lines=0`
  const socket = new WebSocket(address, { headers: { authorization: `Bearer ${pilot.token}` } })
  const one = { socket, lines: 0, missed: 0 }
  socket.on('message', (data) => {
    // parsing here would measure this process: a gap is told by its first bytes
    if (data.length < 40 && String(data).startsWith('{"gap"')) one.missed += JSON.parse(String(data)).gap
    else one.lines++
  })
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.once('open', () => {
      if (slow) socket.pause()
      resolve(one)
    })
  })
}

function range(list, key) {
  const values = list.map((one) => one[key])
  return `${Math.min(...values)}–${Math.max(...values)}`
}
