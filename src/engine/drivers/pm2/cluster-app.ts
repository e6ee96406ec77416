import { readFileSync } from 'node:fs'
import Module from 'node:module'
import net from 'node:net'
import path from 'node:path'

/**
 * What PM2 runs in cluster mode, in place of the app's script: PM2 gives a worker the daemon's environment and
 * the fields of its own record. Here that is emptied, what only our user can read is put in its place, and the
 * app is run as if Node had been started with it.
 */

export interface ClusterLaunch {
  readonly env: Readonly<Record<string, string>>
  /** Relative to the working directory. */
  readonly script: string
  readonly args: readonly string[]
}

const [program, , file = ''] = process.argv
const { env, script, args } = JSON.parse(readFileSync(file, 'utf8')) as ClusterLaunch
for (const key of Object.keys(process.env)) delete process.env[key]
Object.assign(process.env, env)
process.title = `node ${script}`
process.argv = [program ?? process.execPath, path.resolve(script), ...args]

tellWhereItListens()
endAsNodeDoes()
// outside of PM2's own import, so that what is thrown is the app's own
setImmediate(() => (Module as unknown as { runMain(): void }).runMain())

/**
 * The port belongs to the daemon, so nobody outside can see which worker takes connections on it, and Node's own
 * event comes in the daemon alone. What it was meant to listen on counts before anything else.
 */
function tellWhereItListens(): void {
  const { listen } = net.Server.prototype
  const wanted = Number(env.PORT)
  let told = 0
  const tell = (port: number) => {
    if (told === wanted) return
    told = port
    process.send?.({ type: 'axm:monitor', data: { listening: { value: port } } })
  }
  net.Server.prototype.listen = function (this: net.Server, ...how: unknown[]) {
    this.once('listening', () => {
      const address = this.address()
      if (typeof address === 'object' && address) tell(address.port)
    })
    return Reflect.apply(listen, this, how) as net.Server
  } as typeof listen
}

/**
 * PM2 listens to what nobody caught, writes it where no record is, and goes on after a rejection. Node writes it
 * past PM2, to the daemon's log. So it is written here, and Node decides what happens.
 */
function endAsNodeDoes(): void {
  process.removeAllListeners('uncaughtException')
  process.removeAllListeners('unhandledRejection')
  process.on('uncaughtExceptionMonitor', (error: unknown) => {
    if (process.listenerCount('uncaughtException') > 0) return
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
  })
}
