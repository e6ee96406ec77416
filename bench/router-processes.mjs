// What the front door is measured against, each as a process of its own that is up and answers.
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Failure, root } from '../scripts/script.mjs'

const packages = ['http-proxy-3@1', 'httpxy@0.5', 'undici@7']
/** The one that is asked for. */
export const host = 'p7.localhost'

/** Name → `{ port, pid }`, every one up and answering. */
export async function candidates(folder, started, only) {
  const wanted = (name) => only.length === 0 || only.some((part) => name.startsWith(part))
  const program = (name) => join(root, 'bench', 'proxies', `${name}.mjs`)
  const app = await freePort()
  const all = { direct: await start(started, [process.execPath, program('hello')], app, {}) }
  const others = {
    'TCP pipe': ['tcp', {}],
    'undici by hand': ['undici', {}],
    'undici by hand, forwarding': ['undici', { FORWARD: '1' }],
    'node:http by hand': ['node-http', {}],
    'node:http by hand, forwarding': ['node-http', { FORWARD: '1' }],
    httpxy: ['httpxy', {}],
    'http-proxy-3': ['http-proxy-3', {}],
  }
  const chosen = Object.entries(others).filter(([name]) => wanted(name))
  if (chosen.some(([, [file]]) => !['tcp', 'node-http'].includes(file))) installPackages(folder)
  for (const [name, [file, env]] of chosen) {
    const port = await freePort()
    const given = { ...env, TARGET: String(app) }
    all[name] = await start(started, [process.execPath, program(file)], port, given, folder)
  }
  if (wanted('Caddy')) all.Caddy = await startCaddy(folder, started, app)
  if (wanted('ours')) {
    all['ours, 1 route'] = await startOurs(folder, started, app, 1)
    all['ours, 500 routes'] = await startOurs(folder, started, app, 500)
    all['ours, access log'] = await startOurs(folder, started, app, 500, {}, true)
  }
  return all
}

function installPackages(folder) {
  const npm = ['install', '--no-audit', '--no-fund', '--no-save', '--prefix', folder, ...packages]
  const { status, stderr } = spawnSync('npm', npm, { encoding: 'utf8' })
  if (status !== 0) throw new Failure(`npm could not install ${packages.join(', ')}: ${stderr}`)
}

/** As the Caddyfile has it for a project: a reverse proxy with the headers it adds by itself, no access log. */
async function startCaddy(folder, started, app) {
  const port = await freePort()
  const site = `http://:${port} {\n\treverse_proxy 127.0.0.1:${app}\n}\n`
  const file = join(folder, 'Caddyfile')
  writeFileSync(file, `{\n\tadmin off\n\tauto_https off\n\tlog {\n\t\tlevel ERROR\n\t}\n}\n${site}`)
  const home = { XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder, HOME: folder }
  return start(started, ['caddy', 'run', '--config', file], port, home)
}

/** The built router; the one host that is asked for is in the middle of its table. */
export async function startOurs(folder, started, app, routes, settings = {}, accessLog = false) {
  const port = await freePort()
  const own = mkdtempSync(join(folder, 'ours-'))
  const route = (n) => ({
    hosts: [n === 0 ? host : `p${n}.example`],
    project: `p${n}`,
    release: 1,
    state: 'running',
    endpoints: n === 0 ? [{ host: '127.0.0.1', port: app }] : [{ host: '127.0.0.1', port: 1 + n }],
  })
  const logged = accessLog ? { accessLog: join(own, 'access.1.log') } : {}
  const table = Array.from({ length: routes }, (_, n) => ({
    ...route((n + Math.ceil(routes / 2)) % routes),
    ...logged,
  }))
  const [stateFile, config] = [join(own, 'routes.json'), join(own, 'router.json')]
  writeFileSync(stateFile, JSON.stringify({ version: 1, baseDomain: 'localhost', routes: table }))
  const sockets = { controlSocket: join(own, 'control.sock'), panelSocket: join(own, 'panel.sock') }
  writeFileSync(
    config,
    JSON.stringify({ host: '127.0.0.1', port, ...sockets, stateFile, trustedProxy: null, ...settings }),
  )
  const { routerNodeFlags } = await import(join(root, 'dist', 'engine', 'drivers', 'router.js'))
  const program = join(root, 'dist', 'engine', 'router', 'main.js')
  const ours = await start(started, [process.execPath, ...routerNodeFlags, program, config], port, {})
  return { ...ours, controlSocket: sockets.controlSocket, routes: table }
}

export async function start(started, [command, ...args], port, env, cwd = root) {
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, PORT: String(port), ...env },
    stdio: 'ignore',
  })
  started.push(child)
  for (let tries = 0; tries < 500; tries++) {
    const answer = await fetch(`http://127.0.0.1:${port}/`).catch(() => null)
    if (answer) return { port, pid: child.pid }
    await sleep(20)
  }
  throw new Failure(`${command} ${args.join(' ')} did not come up.`)
}

export function freePort() {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address()
      probe.close(() => resolve(port))
    })
  })
}
