// Pushes one of the bundled examples with real git, and asks for it through the front door.
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import http from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Failure, root } from './script.mjs'

/**
 * Commits a copy of examples/<name> and pushes it to the project of that name; git's own output is shown live.
 * Where the project exists already (a home that stayed), the commit goes on top of what it has.
 */
export async function pushExample(name, url, { user, password, home, signal }) {
  const folder = mkdtempSync(join(tmpdir(), 'nodepilot-example-'))
  const remote = `${url}/git/${name}.git`
  const git = (args, quiet) =>
    runGit(args, { cwd: folder, env: gitEnvironment(user, password), signal, quiet })
  try {
    await git(['init', '-q'])
    await git(['symbolic-ref', 'HEAD', 'refs/heads/main'])
    const fetched = await git(['fetch', '-q', remote, 'main'], true)
    if (fetched === 0) await git(['reset', '-q', '--soft', 'FETCH_HEAD'])
    copyExample(name, folder)
    await git(['add', '-A'])
    await git(['commit', '-q', '--allow-empty', '-m', `Example ${name}`])
    const code = await git(['push', remote, 'main'])
    if (code !== 0) throw new Failure(refusal(code, home))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** What was built while trying the example by hand stays out. */
function copyExample(name, folder) {
  const from = join(root, 'examples', name)
  cpSync(from, folder, {
    recursive: true,
    filter: (path) => !/[/\\](node_modules|dist)$/.test(path.slice(from.length)),
  })
}

function refusal(code, home) {
  return `The push ended with ${code}; git's lines above say why. If the sign-in failed: the user "admin" of ${home}
has a password already, give it as NODEPILOT_ADMIN_PASSWORD.`
}

/** The password travels in the environment: a command line can be read by every user of the machine. */
function gitEnvironment(user, password) {
  const basic = Buffer.from(`${user}:${password}`).toString('base64')
  return {
    ...process.env,
    no_proxy: '*',
    GIT_TERMINAL_PROMPT: '0',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: 'http.extraHeader',
    GIT_CONFIG_VALUE_0: `Authorization: Basic ${basic}`,
    GIT_AUTHOR_NAME: 'Quick start',
    GIT_AUTHOR_EMAIL: 'quickstart@localhost',
    GIT_COMMITTER_NAME: 'Quick start',
    GIT_COMMITTER_EMAIL: 'quickstart@localhost',
  }
}

/** A group of its own: Ctrl-C reaches the script, and `signal` ends git with its helpers. */
function runGit(args, { cwd, env, signal, quiet = false }) {
  signal?.throwIfAborted()
  const child = spawn('git', args, {
    cwd,
    env,
    detached: true,
    stdio: quiet ? 'ignore' : ['ignore', 'inherit', 'inherit'],
  })
  const stop = () => endGroup(child)
  signal?.addEventListener('abort', stop, { once: true })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      signal?.removeEventListener('abort', stop)
      resolve(code ?? 128)
    })
  })
}

function endGroup(child) {
  try {
    process.kill(-child.pid, 'SIGTERM')
  } catch {
    // already gone
  }
}

/** `{ status, says }`: the page's heading or first line. Asks by Host, so no name has to be resolved. */
export function fetchApp(url, host) {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const request = http.get(
      { hostname, port, path: '/', headers: { host }, timeout: 20_000 },
      (response) => {
        let body = ''
        response.setEncoding('utf8').on('data', (text) => {
          body += text
        })
        response.on('end', () => resolve({ status: response.statusCode, says: firstWords(body), body }))
      },
    )
    request.on('timeout', () => request.destroy(new Failure(`${host} did not answer within 20 s.`)))
    request.on('error', (error) => reject(new Failure(`${host} could not be fetched: ${error.message}`)))
  }).then((answer) => {
    if (answer.status !== 200) throw new Failure(`${host} answered ${answer.status}: ${answer.says}`)
    return answer
  })
}

/** The heading of a page, or how a plain answer begins. */
function firstWords(body) {
  const heading = /<h1[^>]*>([\s\S]*?)<\/h1>/i.exec(body)?.[1] ?? body
  return heading
    .replace(/<[^>]+>/g, ' ')
    .trim()
    .replace(/\s+/g, ' ')
    .slice(0, 100)
}
