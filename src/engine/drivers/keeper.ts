import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdir, open, readFile, rm, stat, truncate } from 'node:fs/promises'
import net from 'node:net'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { createOrder } from '../in-order.ts'
import { environmentOf, processRow, processTable, signalAll, treeOf, waitUntilGone } from '../processes.ts'
import { keeperScript } from './keeper-script.ts'
import { prepareLogFile, writePrivate } from './pm2/launch.ts'

/**
 * Keeps the front door's program running, whoever else dies: a shell of its own, child of nobody, that starts it
 * again and holds its listening socket. It needs neither this server nor PM2.
 */

export interface KeptProgram {
  /** It finds its listening socket as descriptor 3. */
  readonly argv: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  /** Both streams are appended. */
  readonly logFile: string
  /** Of everything it is started from; the same one means there is nothing to do. */
  readonly fingerprint: string
  readonly host: string
  readonly port: number
  /** Who holds the address is just leaving it: it is waited for, two seconds at most. */
  readonly succeeds?: boolean
}

const factsSchema = z.object({
  pid: z.number().int().positive(),
  fingerprint: z.string(),
  host: z.string(),
  port: z.number(),
})
export type KeeperFacts = z.infer<typeof factsSchema>

export interface Keeper {
  /**
   * From now on the program runs as described: started, left alone, or renewed without closing its address.
   * Rejects with what the system says where it cannot listen there (`EADDRINUSE`, `EACCES`).
   */
  keep(program: KeptProgram): Promise<void>
  /** The keeper that lives; null where none does. */
  find(): KeeperFacts | null
  /** Cuts the log of a program that writes too much; for now and then. */
  trimLog(file: string): Promise<void>
  /** How often the program had to be started again. */
  restarts(): Promise<number>
  /** Ends both. The program gets `graceMs` to finish; absent counts as ended. */
  end(graceMs: number): Promise<void>
}

const logCapBytes = 5_000_000
/** How long an address that was just given up may still be taken, ms. */
const leavingMs = 2_000
/** What the program gets to finish where another takes its place, ms. */
const replacedGraceMs = 15_000

/** `folder`: where its script lies; a process is known as its keeper's by it. */
export function createKeeper(folder: string): Keeper {
  const files = {
    script: path.join(folder, 'keeper.sh'),
    facts: path.join(folder, 'keeper.json'),
    restarts: path.join(folder, 'restarts'),
  }
  const inOrder = createOrder()
  const find = () => findKeeper(files)

  const keep = async (program: KeptProgram) => {
    const found = find()
    if (found?.fingerprint === program.fingerprint) return
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await capLog(program.logFile)
    if (found && found.host === program.host && found.port === program.port) {
      await writeScript(files, folder, program)
      process.kill(found.pid, 'SIGHUP')
      await until(() => find()?.fingerprint === program.fingerprint)
      return
    }
    const left = found ? treeOf(processTable(), found.pid) : await strays(folder)
    signalAll(found ? left.filter(({ pid }) => pid === found.pid) : left, 'SIGTERM')
    await rm(files.facts, { force: true })
    await writeScript(files, folder, program)
    await launch(files.script, program, left.length > 0 || program.succeeds ? leavingMs : 0)
    void waitUntilGone(left, replacedGraceMs).then((stubborn) => signalAll(stubborn, 'SIGKILL'))
    await until(() => find()?.fingerprint === program.fingerprint)
  }

  return {
    keep: (program) => inOrder(folder, () => keep(program)),
    find,
    trimLog: capLog,
    restarts: async () => Number(await readFile(files.restarts, 'utf8').catch(() => '0')) || 0,
    end: (graceMs) =>
      inOrder(folder, async () => {
        const found = find()
        const all = [...(found ? treeOf(processTable(), found.pid) : []), ...(await strays(folder))]
        if (found) process.kill(found.pid, 'SIGTERM')
        else signalAll(all, 'SIGTERM')
        signalAll(await waitUntilGone(all, graceMs), 'SIGKILL')
        await waitUntilGone(all, 2_000)
        await rm(folder, { recursive: true, force: true })
      }),
  }
}

interface Files {
  readonly script: string
  readonly facts: string
  readonly restarts: string
}

/** A pid alone proves nothing: the process must run the script. */
function findKeeper(files: Files): KeeperFacts | null {
  try {
    const facts = factsSchema.parse(JSON.parse(readFileSync(files.facts, 'utf8')))
    return isKeeper(facts.pid, files.script) ? facts : null
  } catch {
    return null
  }
}

function isKeeper(pid: number, script: string): boolean {
  // without /proc it has to be believed
  if (processRow(process.pid) === null) return process.kill(pid, 0)
  return processRow(pid) !== null && readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(script)
}

/** The program, where its keeper was killed. */
async function strays(folder: string) {
  const rows = [...processTable().values()]
  const marked = await Promise.all(
    rows.map(async ({ pid }) => (await environmentOf(pid))?.get(mark) === folder),
  )
  return rows.filter((_, at) => marked[at])
}

const mark = 'NODEPILOT_KEPT'

function writeScript(files: Files, folder: string, program: KeptProgram): Promise<void> {
  const { argv, cwd, env, fingerprint, host, port } = program
  const text = keeperScript({
    argv,
    cwd,
    env: { ...env, [mark]: folder },
    file: files.facts,
    facts: { fingerprint, host, port },
    restartsFile: files.restarts,
    path: files.script,
  })
  return writePrivate(files.script, text)
}

/** An address that was given up just now may need a moment to be free. */
async function launch(script: string, program: KeptProgram, patienceMs: number): Promise<void> {
  const log = await open(program.logFile, 'a', 0o600)
  const until = performance.now() + patienceMs
  try {
    for (;;) {
      try {
        return await listenAndSpawn(script, program, log.fd)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || performance.now() > until) throw error
        await pause(5)
      }
    }
  } finally {
    await log.close()
  }
}

function listenAndSpawn(script: string, program: KeptProgram, log: number): Promise<void> {
  const { host, port, cwd, env } = program
  return new Promise((resolve, reject) => {
    const socket = net.createServer()
    socket.once('error', reject)
    socket.listen({ host, port, backlog: 1024 }, () => {
      // handed on and closed within this turn, so that no connection is ever taken here
      try {
        const child = spawn('/bin/sh', [script], {
          cwd,
          detached: true,
          env: { PATH: env.PATH ?? '/usr/bin:/bin' },
          stdio: ['ignore', log, log, descriptorOf(socket)],
        })
        child.once('error', reject).once('spawn', resolve).unref()
      } catch (error) {
        reject(error)
      } finally {
        socket.close()
      }
    })
  })
}

/** Node hands sockets to its own kind only; a shell needs the number. */
function descriptorOf(server: net.Server): number {
  const fd = (server as unknown as { _handle?: { fd?: number } })._handle?.fd
  if (fd === undefined || fd < 0) throw new Error('this Node does not tell the descriptor of a socket')
  return fd
}

async function capLog(file: string): Promise<void> {
  await prepareLogFile(file)
  const { size } = await stat(file)
  if (size > logCapBytes) await truncate(file)
}

async function until(is: () => boolean): Promise<void> {
  const deadline = performance.now() + 5_000
  while (!is()) {
    if (performance.now() > deadline) throw new Error('the keeper of the front door does not start')
    await pause(5)
  }
}
