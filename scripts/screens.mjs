// node scripts/screens.mjs: takes the pictures of the README. Starts a server on a temporary home, pushes a sample
// project to it, and looks at it with Debian's Chromium (apt-get install -y chromium; elsewhere CHROMIUM says where).
// Needs node_modules and dist/.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import Database from 'better-sqlite3'
import { chromium } from 'playwright-core'
import { root, runAsScript } from './script.mjs'
import { endServer, startServer } from './server.mjs'

const password = 'only for the pictures'
const folder = join(root, 'docs', 'screens')

/** Where each picture is taken, what it waits for, and how much of the page it may show. */
const broken = { name: 'deploy', path: '/projects/shop/deploys/4', height: 960 }
const well = [
  { name: 'project', path: '/projects/shop', height: 900 },
  { name: 'metrics', path: '/projects/shop/metrics', until: '[data-metrics][data-ready]', height: 780 },
  { name: 'logs', path: '/projects/shop/logs', until: '[data-log] .err', height: 900 },
]

async function screens() {
  const home = mkdtempSync(join(tmpdir(), 'nodepilot-screens-'))
  let server
  const start = async () => {
    server = await startServer(home, { port: '0', password, whenSpawned: (early) => (server = early) })
    return server.url
  }
  try {
    const git = repository(join(home, 'shop'))
    await start()
    for (const commit of commits.slice(0, 4)) push(git, server.url, commit)
    await endServer(server, home)
    remember(home)
    await take(await start(), [broken])
    push(git, server.url, commits[4])
    await visit(server.url)
    await take(server.url, well)
  } finally {
    if (server) await endServer(server, home)
    rmSync(home, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
  }
}

function repository(tree) {
  mkdirSync(tree)
  return (url, ...args) => {
    const done = spawnSync('git', args, { cwd: tree, encoding: 'utf8', env: gitEnvironment(url) })
    return { ...done, write: (name, text) => writeFileSync(join(tree, name), text) }
  }
}

/** Pushes one commit; the one that cannot be built must be refused. */
function push(git, url, { message, files, refused = false }) {
  const { write } = git(url, 'init', '-q')
  for (const [name, text] of Object.entries(files)) write(name, text)
  git(url, 'add', '-A')
  git(url, 'commit', '-qm', message)
  const pushed = git(url, 'push', '-q', `${url}/git/shop.git`, 'HEAD:main')
  if ((pushed.status !== 0) !== refused) throw new Error(`push of "${message}":\n${pushed.stderr}`)
}

/** The server is down: its deploys were made in the last hour, and that hour was measured. */
function remember(home) {
  const db = new Database(join(home, 'nodepilot.db'))
  const now = Math.floor(Date.now() / 60_000) * 60
  const move = db.prepare(
    `UPDATE deployments SET deployed_at = strftime('%Y-%m-%dT%H:%M:%fZ', deployed_at, @by),
       finished_at = strftime('%Y-%m-%dT%H:%M:%fZ', finished_at, @by) WHERE number = @number`,
  )
  const since = db.prepare(
    `UPDATE releases SET created_at = (SELECT deployed_at FROM deployments WHERE release = releases.number)`,
  )
  for (const [index, minutes] of [48, 31, 14, 3].entries())
    move.run({ number: index + 1, by: `-${minutes} minutes` })
  since.run()
  const put = db.prepare('INSERT OR REPLACE INTO metrics (subject, step, at, point) VALUES (1, 60, ?, ?)')
  for (let minute = 48; minute > 0; minute--) put.run(now - minute * 60, JSON.stringify(measured(minute)))
  db.close()
}

/** A minute of a shop: waves, and what each release changed. */
function measured(minute) {
  const wave = Math.sin(minute / 6) + Math.sin(minute / 2.3) / 2
  const requests = Math.round(240 + 90 * wave)
  const memory = (minute > 31 ? 96 : minute > 14 ? 112 : 104) + wave * 3
  return {
    sums: {
      looks: 12,
      cpu: 12 * (34 + 12 * wave),
      memory: 12 * memory * 1e6,
      heard: 12,
      requests,
      errors: minute > 14 && minute < 20 ? 3 : 0,
      restarts: 0,
    },
    latency: [
      [20 + Math.round(wave), requests - 20],
      [28, 20],
    ],
  }
}

/** So many that the log is full. */
async function visit(url) {
  const paths = ['/', '/cart', '/products/12', '/products/7', '/checkout']
  for (let time = 0; time < 40; time++) {
    // asked by Host, so that no name has to be resolved
    const { hostname, port } = new URL(url)
    const path = paths[time % paths.length]
    await new Promise((done) => {
      http.get({ hostname, port, path, headers: { host: 'shop.localhost' } }, (got) =>
        got.resume().on('end', done),
      )
    })
    await sleep(150)
  }
}

async function take(url, pictures) {
  mkdirSync(folder, { recursive: true })
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [...(process.getuid?.() === 0 ? ['--no-sandbox'] : []), '--disable-dev-shm-usage'],
  })
  try {
    const page = await browser.newPage({
      baseURL: url,
      viewport: { width: 1280, height: 600 },
      colorScheme: 'light',
    })
    await page.goto('/login')
    await page.getByLabel('User name').fill('admin')
    await page.getByLabel('Password', { exact: true }).fill(password)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.waitForURL((address) => address.pathname === '/')
    for (const { name, path, until, height } of pictures) {
      await page.goto(path)
      if (until) await page.locator(until).first().waitFor()
      await sleep(500)
      const clip = { x: 0, y: 0, width: 1280, height: await page.evaluate(wholeCards, height) }
      await page.screenshot({
        path: join(folder, `${name}.png`),
        fullPage: true,
        clip,
        animations: 'disabled',
      })
      console.log(`docs/screens/${name}.png`)
    }
  } finally {
    await browser.close()
  }
}

/** In the page: the end of the last card, plot or log that is seen whole. */
function wholeCards(height) {
  const ends = [...document.querySelectorAll('main section, main figure, main .log')]
    .map((one) => one.getBoundingClientRect().bottom + 16)
    .filter((end) => end <= height)
  return Math.ceil(Math.max(...ends, 400))
}

function gitEnvironment(url) {
  return {
    PATH: process.env.PATH,
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: `http.${url}.extraHeader`,
    GIT_CONFIG_VALUE_0: `Authorization: Basic ${Buffer.from(`admin:${password}`).toString('base64')}`,
    GIT_AUTHOR_NAME: 'Ana',
    GIT_AUTHOR_EMAIL: 'ana@example.com',
    GIT_COMMITTER_NAME: 'Ana',
    GIT_COMMITTER_EMAIL: 'ana@example.com',
  }
}

const packageFile = (scripts = {}) =>
  JSON.stringify({ name: 'shop', version: '1.0.0', scripts: { start: 'node server.js', ...scripts } })

const app = (version) => `const http = require('node:http')
const grey = (text) => '\\x1b[90m' + text + '\\x1b[0m'
http
  .createServer((request, response) => {
    const started = performance.now()
    if (request.url === '/checkout') console.error('\\x1b[33mpayment was slow, tried again\\x1b[0m')
    setTimeout(() => {
      response.end('shop ${version}')
      console.log('\\x1b[36m' + request.method + '\\x1b[0m', request.url, 200, grey((performance.now() - started).toFixed(1) + ' ms'))
    }, Math.random() * 30)
  })
  .listen(process.env.PORT, () => console.log('\\x1b[32mready\\x1b[0m on', process.env.PORT))
`

const compilerSays = "src/search.ts(12,7): error TS2322: Type 'string' is not assignable to type 'number'."

const build = (says, code) => ({
  'package.json': packageFile({ build: 'node build.js' }),
  'build.js': `console.log('tsc -p .')\nconsole.error(${JSON.stringify(says)})\nprocess.exit(${code})\n`,
})

const commits = [
  { message: 'First version', files: { 'package.json': packageFile(), 'server.js': app(1) } },
  {
    message: 'Show the cart on every page',
    files: {
      'server.js': app(2),
      Procfile: 'web: node server.js\nworker: node worker.js\n',
      'worker.js': "setInterval(() => console.log('nothing in the queue'), 5000)\n",
    },
  },
  { message: 'Fix cart total', files: { 'server.js': app(3) } },
  { message: 'Add search', files: build(compilerSays, 2), refused: true },
  { message: 'Search by number too', files: build('', 0) },
]

await runAsScript(import.meta.url, screens)
