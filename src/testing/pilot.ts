import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Answer, ask, type Question } from './ask.ts'
import { command, signalGroup } from './command.ts'
import { type Load, type LoadOptions, startLoad } from './load.ts'
import { endProcessesOf } from './processes.ts'
import { root } from './root.ts'
import { removeDirectory, temporaryDirectory } from './temporary.ts'
import { until } from './until.ts'

export interface PilotOptions {
  /** On top of the test's environment, for the server. */
  readonly env?: Readonly<Record<string, string>>
  /** Default: a new one, removed by `stop()`. A given home is kept. */
  readonly home?: string
  readonly readyMs?: number
  /** False: nobody is signed in and no user is made, as at a person's first start. */
  readonly admin?: boolean
}

export interface ApiQuestion extends Question {
  /** Default: the admin's session. `null` asks without signing in. */
  readonly token?: string | null
}

/** A running NodePilot: the built one, started as a user would. */
export interface Pilot {
  readonly home: string
  readonly user: string
  readonly password: string
  /** The front door, `http://127.0.0.1:<port>`. */
  readonly url: string
  readonly port: number
  /** The server's process id; another one after every `start()`. */
  readonly pid: number
  readonly token: string
  /** What the server has printed so far, over all starts. */
  log(): string
  /** Starts the server again after it has ended, on the same home. */
  start(): Promise<void>
  /** The API as the admin. */
  api(path: string, question?: ApiQuestion): Promise<Answer>
  /** A project through the front door. */
  app(project: string, path?: string, question?: Question): Promise<Answer>
  /** The git address with the admin's name and password in it. */
  remote(project: string, user?: string, password?: string): string
  load(project: string, options?: Partial<LoadOptions>): Load
  signal(signal: NodeJS.Signals): void
  /** Resolves when the server process has ended. */
  exited(): Promise<void>
  /** Ends the server, its router, its projects and its PM2, and removes a home it made itself. */
  stop(): Promise<void>
}

interface Ready {
  readonly url: string
  readonly pid: number
}

const admin = 'admin'
const adminPassword = 'correct horse battery'

/** Starts the built server and signs in. Rejects with the server's whole output when it does not get ready. */
export async function startPilot(options: PilotOptions = {}): Promise<Pilot> {
  const home = options.home ?? (await temporaryDirectory('home'))
  const pilot = new RunningPilot(home, options)
  try {
    await pilot.start()
  } catch (error) {
    await pilot.stop()
    throw error
  }
  return pilot
}

class RunningPilot implements Pilot {
  readonly user = admin
  readonly password = adminPassword
  readonly home: string
  url = ''
  pid = 0
  token = ''
  readonly #options: PilotOptions
  #child: ChildProcess | undefined
  #log = ''

  constructor(home: string, options: PilotOptions) {
    this.home = home
    this.#options = options
  }

  get port(): number {
    return Number(new URL(this.url).port)
  }

  log(): string {
    return this.#log
  }

  async start(): Promise<void> {
    await rm(this.#readyFile(), { force: true })
    this.#child = this.#spawn()
    const ready = await this.#ready()
    this.url = ready.url
    this.pid = ready.pid
    if (this.#options.admin === false) return
    const body = { username: admin, password: adminPassword }
    const login = await this.api('/api/auth/login', { method: 'POST', token: null, body })
    if (login.status !== 200) throw new Error(`login: ${login.status} ${login.text}\n${this.#log}`)
    this.token = login.json<{ token: string }>().token
  }

  api(path: string, { token = this.token, ...question }: ApiQuestion = {}): Promise<Answer> {
    const authorization = token === null ? {} : { authorization: `Bearer ${token}` }
    return ask(this.url, path, { ...question, headers: { ...authorization, ...question.headers } })
  }

  app(project: string, path = '/', question: Question = {}): Promise<Answer> {
    return ask(this.url, path, { host: `${project}.localhost`, timeoutMs: 20_000, ...question })
  }

  remote(project: string, user = admin, password = adminPassword): string {
    const credentials = `${encodeURIComponent(user)}:${encodeURIComponent(password)}`
    return `http://${credentials}@127.0.0.1:${this.port}/git/${project}.git`
  }

  load(project: string, options: Partial<LoadOptions> = {}): Load {
    return startLoad({ host: `${project}.localhost`, port: this.port, ...options })
  }

  signal(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal)
  }

  async exited(): Promise<void> {
    if (this.#child && !this.#hasEnded()) await once(this.#child, 'exit')
  }

  async stop(): Promise<void> {
    await command(join(root, 'bin', 'nodepilot'), ['stop', '--all'], {
      env: { NODEPILOT_HOME: this.home },
      timeoutMs: 60_000,
    })
    if (this.#child) signalGroup(this.#child, 'SIGTERM')
    const late = setTimeout(() => this.#child && signalGroup(this.#child, 'SIGKILL'), 35_000)
    await this.exited()
    clearTimeout(late)
    await endProcessesOf(this.home)
    if (this.#options.home === undefined) await removeDirectory(this.home)
  }

  #hasEnded(): boolean {
    return this.#child?.exitCode !== null || this.#child.signalCode !== null
  }

  #spawn(): ChildProcess {
    const child = spawn(join(root, 'bin', 'nodepilot'), ['serve'], {
      cwd: this.home,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        NODEPILOT_HOME: this.home,
        HOST: '127.0.0.1',
        PORT: '0',
        // a server hashes a password and compares it at its start and at the first push: half of what a start takes
        NODEPILOT_TESTING: '1',
        NODEPILOT_PASSWORD_COST: '4',
        ...(this.#options.admin !== false && { NODEPILOT_ADMIN_PASSWORD: adminPassword }),
        ...this.#options.env,
      },
    })
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#log += text
      })
    }
    return child
  }

  /** The ready file is written when everything answers; a server that ended instead has said why. */
  async #ready(): Promise<Ready> {
    const look = async () => (this.#hasEnded() ? 'ended' : this.#readReady())
    const ready = await until('run/server.json', look, this.#options.readyMs ?? 60_000).catch(
      (error: Error) => {
        throw new Error(`${error.message}\n${this.#log}`)
      },
    )
    if (ready === 'ended') throw new Error(`the server ended:\n${this.#log}`)
    return ready
  }

  async #readReady(): Promise<Ready | undefined> {
    const text = await readFile(this.#readyFile(), 'utf8').catch(() => '')
    return text === '' ? undefined : JSON.parse(text)
  }

  #readyFile(): string {
    return join(this.home, 'run', 'server.json')
  }
}
