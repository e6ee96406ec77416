// One run of wrk against a proxy, and what that costs its process.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { host } from './router-processes.mjs'

/** One run: what wrk says, and the time of the processors that the process took for a request, µs. */
export async function measure({ port, pid }, seconds, connections) {
  const before = cpuMs(pid)
  const found = await wrk(port, seconds, connections)
  return { ...found, cpuUs: ((cpuMs(pid) - before) * 1000) / (found.perSecond * seconds) }
}

/** User and system time of a process since it started; the kernel counts in hundredths of a second. */
function cpuMs(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

/** wrk as one thread: `{ perSecond, p99Ms, bad }`. */
export function wrk(port, seconds, connections) {
  const url = `http://127.0.0.1:${port}/`
  const args = ['--latency', `-c${connections}`, '-t1', `-d${seconds}s`, '-H', `Host: ${host}`, url]
  return new Promise((resolve, reject) => {
    const child = spawn('wrk', args, { stdio: ['ignore', 'pipe', 'inherit'] })
    let out = ''
    child.stdout.on('data', (chunk) => {
      out += chunk
    })
    child.once('error', reject)
    child.once('close', () => {
      const find = (pattern) => pattern.exec(out)?.slice(1)
      const [p99, unit] = find(/99%\s+([\d.]+)(us|ms|s)\b/) ?? []
      resolve({
        perSecond: Number(find(/Requests\/sec:\s+([\d.]+)/)?.[0]),
        p99Ms: Number(p99) * { us: 0.001, ms: 1, s: 1000 }[unit],
        bad: Number(find(/Non-2xx or 3xx responses: (\d+)/)?.[0] ?? 0) + (/Socket errors/.test(out) ? 1 : 0),
      })
    })
  })
}
