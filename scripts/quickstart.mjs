// npm run quickstart: from a fresh clone to a running app. Installs, builds, starts NodePilot, pushes the example
// with real git, fetches it, prints the addresses, serves until Ctrl-C, and then ends everything it started.
//
//   npm run quickstart                        a temporary home, removed at the end; a free port
//   npm run quickstart -- --home ~/pilot      a home that stays (also NODEPILOT_HOME)
//   npm run quickstart -- --port 3000         a fixed port (also PORT)
//   npm run quickstart -- --once              ends after the proof
//   npm run quickstart -- --no-build          takes node_modules and dist/ as they are
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { build } from './build.mjs'
import { fetchApp, pushExample } from './example.mjs'
import { install, isOnPath } from './install.mjs'
import { Failure, runAsScript } from './script.mjs'
import { endServer, startServer } from './server.mjs'

async function quickstart(args) {
  const options = readOptions(args)
  const run = { home: '', server: undefined, interrupted: false }
  run.ended = endRequested(run)
  try {
    if (!isOnPath('git')) throw new Failure('git is missing (on Debian and Ubuntu: apt-get install -y git).')
    if (options.build) prepare()
    run.home = options.home ?? mkdtempSync(join(tmpdir(), 'nodepilot-'))
    await orEnded(run.ended, prove(run, options))
    if (!options.once) await serve(run)
    return 0
  } catch (error) {
    // npm and the compiler hear Ctrl-C too and fail by it; the signal itself is seen one turn later.
    await nextTurn()
    if (!run.interrupted) throw error
    return 0
  } finally {
    await end(run, options)
  }
}

function readOptions(args) {
  let values
  try {
    values = parseArgs({
      args,
      options: {
        home: { type: 'string' },
        port: { type: 'string' },
        once: { type: 'boolean', default: false },
        'no-build': { type: 'boolean', default: false },
      },
    }).values
  } catch (error) {
    throw new Failure(`${error.message} The options are --home, --port, --once, --no-build.`)
  }
  const home = values.home ?? process.env.NODEPILOT_HOME
  return {
    home: home ? resolve(home) : undefined,
    port: values.port ?? process.env.PORT ?? '0',
    password: process.env.NODEPILOT_ADMIN_PASSWORD || randomBytes(12).toString('base64url'),
    once: values.once,
    build: !values['no-build'],
  }
}

function prepare() {
  say('Install', 'packages as locked')
  install()
  say('Build', 'src/ to dist/')
  build()
}

/** Start, push, fetch: the addresses are printed once the app has answered. */
async function prove(run, { home, port, password }) {
  say('Start', `NodePilot with its state in ${run.home}${home ? '' : ' (temporary)'}`)
  run.server = await startServer(run.home, { port, password, whenSpawned: (server) => (run.server = server) })
  const { url } = run.server
  say('Push', `examples/hello to ${url}/git/hello.git`)
  run.push = new AbortController()
  await pushExample('hello', url, { user: 'admin', password, home: run.home, signal: run.push.signal })
  const app = `http://hello.localhost:${new URL(url).port}/`
  const answer = await fetchApp(url, 'hello.localhost')
  say('Fetch', `${app} -> ${answer.status}: ${answer.says}`)
  console.log(addresses({ url, app, password, home: run.home, temporary: !home }))
}

function addresses({ url, app, password, home, temporary }) {
  const authority = new URL(url).host
  return `
  App          ${app}
  Panel        ${url}
  User         admin
  Password     ${password}
  Git remote   http://admin@${authority}/git/<project>.git
  Home         ${home}${temporary ? '   (removed at the end)' : ''}

Push the second example, which has packages and a build:

  cp -r examples/express /tmp/express-example && cd /tmp/express-example
  git init -q && git add -A && git commit -q -m first
  git push http://admin@${authority}/git/express.git HEAD:main
`
}

/** Until Ctrl-C; a server that ends by itself is a failure. */
async function serve({ server, ended }) {
  console.log('Ctrl-C ends everything.')
  await Promise.race([
    ended,
    server.exited.then(() => {
      throw new Failure(`NodePilot ended by itself. Its last lines:\n${server.lastLines()}`)
    }),
  ])
}

/** Nothing stays: the push, the server with its projects, a temporary home. */
async function end(run, options) {
  run.push?.abort()
  if (run.server) {
    say('End', 'projects, router, PM2 and server')
    await endServer(run.server, run.home)
  }
  if (run.home && !options.home)
    rmSync(run.home, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
}

/** Resolves at the first Ctrl-C or SIGTERM; later ones change nothing, the end is on its way. */
function endRequested(run) {
  return new Promise((resolve) => {
    const end = () => {
      run.interrupted = true
      resolve()
    }
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, end)
    // Nobody reads any more (`npm run quickstart | head`): without this the script would die and leave the rest.
    for (const stream of [process.stdout, process.stderr]) stream.on('error', end)
  })
}

function orEnded(ended, work) {
  return Promise.race([
    work,
    ended.then(() => {
      throw new Error('ended early')
    }),
  ])
}

function say(step, what) {
  console.log(`${step.padEnd(9)}${what}`)
}

await runAsScript(import.meta.url, quickstart)
