import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Refusal } from '../engine/domain/refusal.ts'
import type { Push, Receiver } from '../git/push.ts'
import { createGitServer } from '../git/server.ts'

/** A real git server with real repositories in a folder of its own, and the real git client beside it. */

export interface Actor {
  readonly user: string
}

export interface RigOptions {
  readonly receiver?: Partial<Receiver<Actor>>
  readonly maxPackBytes?: number
  readonly idleTimeoutMs?: number
  /** PATH of the server's git. */
  readonly path?: string
}

export interface ClientResult {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

export const hooksDirectory = fileURLToPath(new URL('../../hooks', import.meta.url))
/** ana may everything, bob may fetch only, max is throttled; nobody may touch `secret`. */
export const basic = (user: string, password = 'pw') =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`

export class GitRig {
  readonly root = mkdtempSync(join(tmpdir(), 'nodepilot-git-'))
  readonly pushes: Push<Actor>[] = []
  readonly closed: Push<Actor>[] = []
  readonly log: string[] = []
  /** Every time access was asked for a repository. */
  readonly authorized: string[] = []
  readonly #server: Server
  readonly #clients = new Set<ChildProcess>()
  readonly #repositories = new Map<string, Promise<string>>()
  readonly #waiting = new Set<() => void>()

  constructor(options: RigOptions = {}) {
    const git = createGitServer<Actor>({
      access: {
        authenticate: async ({ username, password }) => {
          if (username === 'max') {
            throw new Refusal('too_many_requests', 'too many wrong passwords', {
              retryAfter: 7,
            })
          }
          if (username === 'fault') throw new Error('the database is gone')
          return password === 'pw' ? { user: username } : null
        },
        authorize: async (actor, name, action) => {
          this.authorized.push(name)
          if (name === 'secret') throw new Refusal('not_found', 'there is no such project')
          if (actor.user === 'bob' && action === 'push') {
            throw new Refusal('forbidden', 'bob may not push', { hint: 'ask the owner' })
          }
          return { directory: await this.#repository(name) }
        },
      },
      receiver: this.#receiver(options.receiver ?? {}),
      clientAddress: (req) => req.socket.remoteAddress ?? '',
      gitEnvironment: { PATH: options.path ?? process.env.PATH ?? '', HOME: this.root },
      hooksDirectory,
      limits: {
        maxPackBytes: options.maxPackBytes ?? 1_000_000_000,
        idleTimeoutMs: options.idleTimeoutMs ?? 30_000,
      },
      log: (message, facts) =>
        this.log.push(`${message} ${JSON.stringify(facts)} ${String(facts.error ?? '')}`),
    })
    this.#server = createServer({ requestTimeout: 0 }, (req, res) => git.handle(req, res))
  }

  async listen(): Promise<this> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return this
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  url(name = 'shop', user = 'ana:pw'): string {
    return `http://${user ? `${user}@` : ''}127.0.0.1:${this.port}/git/${name}.git`
  }

  directory(name = 'shop'): string {
    return join(this.root, 'repositories', `${name}.git`)
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.kill('SIGKILL')
    this.#server.closeAllConnections()
    this.#server.close()
    await this.until(() => gitProcesses(this.root).length === 0)
    rmSync(this.root, { recursive: true, force: true })
  }

  /** A working copy with one commit on `main`. */
  async work(name = 'work', files: Record<string, string | Buffer> = { 'index.js': '1' }): Promise<string> {
    const directory = join(this.root, name)
    mkdirSync(directory)
    await this.git(['init', '-q', '-b', 'main'], directory)
    await this.commit(directory, files)
    return directory
  }

  async commit(directory: string, files: Record<string, string | Buffer>): Promise<string> {
    for (const [path, content] of Object.entries(files)) writeFileSync(join(directory, path), content)
    await this.git(['add', '-A'], directory)
    await this.git(['commit', '-q', '--allow-empty', '-m', 'change'], directory)
    return (await this.git(['rev-parse', 'HEAD'], directory)).out.trim()
  }

  /** The sha of a ref of the served repository, empty where there is none. */
  async tip(ref = 'refs/heads/main', name = 'shop'): Promise<string> {
    return (await this.git(['rev-parse', '-q', '--verify', ref], this.directory(name))).out.trim()
  }

  async git(args: readonly string[], cwd: string, env: Record<string, string> = {}): Promise<ClientResult> {
    return this.start(args, cwd, env).result
  }

  /** A client that runs; `line` resolves when its output has shown the text. */
  start(args: readonly string[], cwd: string, env: Record<string, string> = {}) {
    const child = spawn('git', args, {
      cwd,
      env: { ...clientEnvironment(this.root), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    this.#clients.add(child)
    let out = ''
    let err = ''
    child.stdout.on('data', (chunk) => (out += chunk))
    child.stderr.on('data', (chunk) => {
      err += chunk
      this.notify()
    })
    const result = once(child, 'close').then(([code]): ClientResult => {
      this.#clients.delete(child)
      return { code: code as number | null, out, err }
    })
    const line = (text: string) => this.until(() => err.includes(text))
    const interrupt = () => process.kill(-(child.pid ?? 0), 'SIGINT')
    return { result, line, interrupt, child }
  }

  /** Bytes on a bare socket, each chunk in a segment of its own; resolves with the answer. */
  async raw(chunks: readonly (string | Buffer)[], options: { hangUp?: boolean } = {}): Promise<string> {
    const socket = connect(this.port, '127.0.0.1').setNoDelay(true)
    await once(socket, 'connect')
    let answer = ''
    socket.on('data', (chunk) => (answer += chunk.toString('latin1')))
    socket.on('error', () => {})
    const closed = once(socket, 'close')
    for (const chunk of chunks) await new Promise((resolve) => socket.write(chunk, resolve))
    if (options.hangUp) socket.destroy()
    await closed
    return answer
  }

  /** Resolves when the condition holds; looked at after every event of the rig and every 20 ms. */
  async until(condition: () => boolean, ms = 20_000): Promise<void> {
    const deadline = Date.now() + ms
    while (!condition()) {
      if (Date.now() > deadline) throw new Error(`waited ${ms} ms in vain for ${condition}`)
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve)
        setTimeout(resolve, 20)
      })
    }
  }

  notify(): void {
    for (const wake of this.#waiting) wake()
    this.#waiting.clear()
  }

  /** Names of quarantine folders that are still there. */
  quarantines(name = 'shop'): string[] {
    return readdirSync(join(this.directory(name), 'objects')).filter((entry) => entry.includes('incoming-'))
  }

  #repository(name: string): Promise<string> {
    const made = this.#repositories.get(name) ?? this.#create(this.directory(name))
    this.#repositories.set(name, made)
    return made
  }

  async #create(directory: string): Promise<string> {
    const init = await this.git(['init', '-q', '--bare', '-b', 'main', directory], this.root)
    if (init.code !== 0) throw new Error(init.err)
    return directory
  }

  #receiver(own: Partial<Receiver<Actor>>): Receiver<Actor> {
    return {
      preReceive: async (push) => {
        this.pushes.push(push)
        this.notify()
        return (await own.preReceive?.(push)) ?? true
      },
      postReceive: async (push) => own.postReceive?.(push),
      closed: async (push) => {
        await own.closed?.(push)
        this.closed.push(push)
        this.notify()
      },
    }
  }
}

export function clientEnvironment(home: string): Record<string, string> {
  return {
    PATH: process.env.PATH ?? '',
    HOME: home,
    LC_ALL: 'C.UTF-8',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_AUTHOR_NAME: 'T',
    GIT_AUTHOR_EMAIL: 't@example.org',
    GIT_COMMITTER_NAME: 'T',
    GIT_COMMITTER_EMAIL: 't@example.org',
  }
}

/** Command lines of running processes that name the folder: git, its children and the hooks of a rig. */
export function gitProcesses(root: string): string[] {
  const found: string[] = []
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      const environment = readFileSync(`/proc/${pid}/environ`, 'utf8')
      if (words.includes(root) || environment.includes(`HOME=${root}\0`))
        found.push(words.replaceAll('\0', ' '))
    } catch {
      // it ended meanwhile
    }
  }
  return found
}

/** The head of a request by hand. */
export function requestHead(
  line: string,
  headers: Readonly<Record<string, string | number>>,
  user: string | null = 'ana',
): string {
  const all = { Host: 'x', Connection: 'close', ...(user ? { Authorization: basic(user) } : {}), ...headers }
  const lines = Object.entries(all).map(([key, value]) => `${key}: ${value}`)
  return [`${line} HTTP/1.1`, ...lines, '', ''].join('\r\n')
}
