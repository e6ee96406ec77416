import { rm, writeFile } from 'node:fs/promises'
import { type Config, type Flags, readConfig } from '../config.ts'
import { createPaths } from '../engine/paths.ts'
import { emptyEnvironment } from '../environment.ts'
import { version } from '../installation.ts'
import { type Running, startServer } from '../main.ts'
import { createReport } from '../report.ts'

/** `nodepilot serve`: runs until SIGTERM or SIGINT; the projects go on without it. */
export async function serve(flags: Flags): Promise<void> {
  const config = readConfig(process.env, flags)
  emptyEnvironment(process.env)
  const report = createReport((text) => void process.stderr.write(text), Date.now)
  process.on('unhandledRejection', (error) => report.error('unhandled rejection', error))
  process.stdout.write(`NodePilot ${version}   Node ${process.versions.node}   data ${config.home}\n`)
  const running = await startServer(config, report)
  await greet(config, running)
  await farewell(running)
}

async function greet(config: Config, running: Running): Promise<void> {
  const say = (line: string) => void process.stdout.write(`${line}\n`)
  say(`Panel    ${running.addresses.panel()}`)
  if (running.setupCode !== null) await tellSetupCode(config, running, running.setupCode, say)
  else await rm(createPaths(config.home).setupFile, { force: true })
  if (!isLoopback(config.host) && config.trustedProxy === null) {
    say(
      'warning: plain HTTP on a public address: passwords travel in the clear. Put Caddy in front (Caddyfile).',
    )
  }
  say(`Next     git remote add nodepilot ${running.addresses.git('my-app')}`)
  say('Ctrl-C stops the panel; projects go on.')
}

/** Only a person at the terminal may see the code; otherwise it goes to a file of the owner's. */
async function tellSetupCode(config: Config, running: Running, code: string, say: (line: string) => void) {
  const link = `${running.addresses.panel()}/setup#${code}`
  const { setupFile } = createPaths(config.home)
  if (process.stdout.isTTY) return say(`Set up   ${link}   one use, 30 min`)
  await rm(setupFile, { force: true })
  await writeFile(setupFile, `${link}\n`, { mode: 0o600 })
  say(`Set up   the one-time link is in ${setupFile} (30 min)`)
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.')
}

function farewell(running: Running): Promise<void> {
  return new Promise((resolve) => {
    let stopping = false
    const stop = () => {
      if (stopping) return
      stopping = true
      running.stop().then(
        () => process.exit(0),
        (error: unknown) => {
          process.stderr.write(`error: ${error instanceof Error ? error.stack : String(error)}\n`)
          process.exit(1)
        },
      )
      resolve()
    }
    process.on('SIGTERM', stop)
    process.on('SIGINT', stop)
  })
}
