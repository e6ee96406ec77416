import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { parseConfig } from './config.ts'
import { type RunningRouter, startRouter } from './router.ts'

/**
 * The front door as a process of its own: `node main.js <config.json>`. It lives longer than the server, so
 * it imports little and holds no state that the server could not send again.
 */

async function main(): Promise<void> {
  // Sockets and files are for the owner alone from the moment they exist.
  process.umask(0o077)
  const file = process.argv[2]
  if (file === undefined) throw new Error('usage: node main.js <config.json>')
  const config = parseConfig(readFileSync(file, 'utf8'))
  let router: Promise<RunningRouter> | undefined
  let ending = false
  const end = async () => {
    if (ending) return
    ending = true
    await (await router)?.end()
    process.exit(0)
  }
  process.on('SIGTERM', end)
  process.on('SIGINT', end)
  // One broken connection must not end all the others; what is shared is one table and some counters.
  process.on('uncaughtException', (error) => log(`not expected: ${error.stack ?? error}`))
  process.on('unhandledRejection', (error) => log(`not expected: ${String(error)}`))
  router = startRouter({ config, hostname: hostname(), startedAt: Date.now(), log })
  await router
}

function log(line: string): void {
  process.stderr.write(`router: ${line}\n`)
}

main().catch((error: unknown) => {
  log(error instanceof Error ? error.message : String(error))
  process.exit(1)
})
