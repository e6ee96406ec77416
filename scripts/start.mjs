// npm start: installs what is missing, builds, and runs the server in the foreground.
//
//   npm start -- --port 3000 --home ~/pilot    options go to `nodepilot serve`
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { build } from './build.mjs'
import { install } from './install.mjs'
import { root, runAsScript } from './script.mjs'

async function start(args) {
  install()
  build()
  const server = spawn(process.execPath, [join(root, 'bin', 'nodepilot'), 'serve', ...args], {
    stdio: 'inherit',
  })
  // Ctrl-C reaches the server itself; a signal to this process alone is passed on.
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => server.kill('SIGTERM'))
  const [code] = await once(server, 'exit')
  return code ?? 1
}

await runAsScript(import.meta.url, start)
