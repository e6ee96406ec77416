// How long a command takes to start, beside bare Node: node bench/cli.mjs [runs]
//
// The goal: `--help` and client commands within 150 ms. `whoami` asks a server of this script's own, so that only
// the command itself is measured.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root, runAsScript } from '../scripts/script.mjs'

const command = join(root, 'bin', 'nodepilot')

async function bench([runs = '15']) {
  const server = createServer((_, response) => {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ user: { id: 1, username: 'ada', role: 'admin' } }))
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const home = mkdtempSync(join(tmpdir(), 'nodepilot-cli-bench-'))
  const url = `http://127.0.0.1:${server.address().port}`
  const env = { PATH: process.env.PATH, HOME: home, NODEPILOT_URL: url, NODEPILOT_TOKEN: 'np_bench' }
  const cases = {
    'node -e 0 (floor)': ['-e', '0'],
    'nodepilot --version': [command, '--version'],
    'nodepilot --help': [command, '--help'],
    'nodepilot config --help': [command, 'config', '--help'],
    'nodepilot whoami': [command, 'whoami'],
    'nodepilot complete-words': [command, 'complete-words', '--', 'ro'],
  }
  const times = Object.fromEntries(Object.keys(cases).map((name) => [name, []]))
  // one after the other in turn, so that the machine's mood is in all of them alike
  for (let run = 0; run < Number(runs); run++) {
    for (const [name, args] of Object.entries(cases)) times[name].push(await time(args, env))
  }
  server.close()
  rmSync(home, { recursive: true })
  const floor = median(times['node -e 0 (floor)'])
  for (const [name, all] of Object.entries(times)) {
    const own = median(all)
    console.log(
      `${name.padEnd(26)} ${own.toFixed(0).padStart(5)} ms   ${(own - floor).toFixed(0).padStart(4)} above the floor`,
    )
  }
  return 0
}

function time(args, env) {
  const began = performance.now()
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { env, stdio: 'ignore' })
    child.once('error', reject)
    child.once('close', (code) =>
      code === 0
        ? resolve(performance.now() - began)
        : reject(new Error(`${args.join(' ')} ended with ${code}`)),
    )
  })
}

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]
}

await runAsScript(import.meta.url, bench)
