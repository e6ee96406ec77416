import { rm } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { getRequestListener } from '@hono/node-server'
import { createAddresses } from './addresses.ts'
import type { Config } from './config.ts'
import { probeConfinement } from './engine/confine.ts'
import type { Addresses, Report } from './engine/context.ts'
import { floorOf } from './engine/disk-space.ts'
import { clientAddress } from './engine/domain/address.ts'
import { createPm2Runtime } from './engine/drivers/pm2/runtime.ts'
import { createRouterClient } from './engine/drivers/router.ts'
import { createEngine } from './engine/engine.ts'
import { createFailpoints } from './engine/failpoints.ts'
import { probeIsolation } from './engine/isolation.ts'
import { createNetwork } from './engine/network.ts'
import { createPasswords } from './engine/passwords.ts'
import { currentToolchain } from './engine/pipeline/dependencies/toolchain.ts'
import { createDependencies } from './engine/pipeline/dependencies.ts'
import type { BuildTools } from './engine/pipeline/scripts.ts'
import { createToolchains } from './engine/pipeline/toolchain/toolchains.ts'
import { checkDatabase, openDatabase } from './engine/store/database.ts'
import { makeKey, openKeyRing } from './engine/store/key-ring.ts'
import { finishRotation, rotateKey, sealPlainVars } from './engine/store/renew-vars.ts'
import { createStore } from './engine/store/store.ts'
import { createVault } from './engine/store/vault.ts'
import { createAccountCases } from './engine/use-cases/accounts.ts'
import { createAudit } from './engine/use-cases/audit.ts'
import { createFrontDoor } from './front-door.ts'
import { readBundle, writeBundle } from './git/bundle.ts'
import { sweepQuarantines } from './git/quarantine.ts'
import { createAccess, createReceiver } from './git/receive.ts'
import { fetchRemote } from './git/remote-fetch.ts'
import { createRepositories } from './git/repository.ts'
import { createGitServer } from './git/server.ts'
import { gitSource } from './git/source.ts'
import { checkHealth } from './health.ts'
import { announce, makeHome } from './home.ts'
import { hooksDirectory, pm2Version, version } from './installation.ts'
import { readOrMakeKey } from './keys.ts'
import { closeServer, holdRequests, listenOnSocket } from './listener.ts'
import { keepMended } from './mending.ts'
import { createSockets } from './web/live/upgrade.ts'
import { createWeb } from './web/server.ts'

/** A running server. */
export interface Running {
  /** Where the front door answers on this machine. */
  readonly url: string
  readonly addresses: Addresses
  /** The one-time set-up code, or null when there is a user already. */
  readonly setupCode: string | null
  /** Ends the server and leaves every project running. */
  stop(): Promise<void>
}

const callTimeoutMs = 15_000
/** SIGTERM to the end is promised to take 30 s at most. */
const longestGoodbyeMs = 20_000

/** The composition root: config → drivers → engine → doors. Resolves when everything answers. */
export async function startServer(config: Config, report: Report): Promise<Running> {
  const paths = await makeHome(config.home)
  const clock = () => Date.now()
  const failpoint = createFailpoints(config.failpoints)
  const listener = await listenOnSocket(paths.serverSocket)
  // the front door outlives the server and sends requests at once: they wait until the world is in order
  const openDoors = holdRequests(listener)
  const db = openDatabase(paths.database)
  const keys = openKeyRing(paths.keys, clock)
  const vault = createVault(keys)
  sealPlainVars(db, vault)
  const store = createStore(db, clock, vault)
  const passwords = createPasswords(config.passwordCost ?? undefined)
  const accounts = createAccountCases({
    store,
    passwords,
    clock,
    audit: createAudit({ store, clock, report }),
  })
  if (config.adminPassword !== null) await accounts.ensureAdmin(config.adminPassword)

  const confinement = await probeConfinement({ directory: config.home, path: config.environment.PATH ?? '' })
  if (confinement.kind === 'none') {
    report.info('setpriv (util-linux) is missing: every release gets its own copy of node_modules')
  }
  const isolation = await probeIsolation({ path: config.environment.PATH ?? '' })
  if (!isolation.ownProcesses)
    report.info('builds share the process namespace of the server: unshare is not allowed')
  const minFreeBytes = await floorOf(config.home, config.limits.minFreeDiskBytes)
  const runtime = createPm2Runtime({
    pm2Home: paths.pm2Home,
    runDirectory: paths.run,
    projectsDirectory: paths.projects,
    daemonEnvironment: { ...config.environment, HOME: config.home },
    launchPrefix: confinement.prefix,
    callTimeoutMs,
    logs: config.logs,
    log: report.info,
  })
  const router = createRouterClient({ controlSocket: paths.routerSocket })
  const frontDoor = createFrontDoor({ config, paths, store, router, report })
  const addresses = createAddresses(config, frontDoor.port)
  const environment = { ...config.environment, HOME: paths.cache }
  const repositories = createRepositories({ root: paths.repositories, hooksDirectory, environment })

  const tools: BuildTools = {
    toolchain: currentToolchain(),
    manager: null,
    confinement,
    isolation,
    environment: config.environment,
    buildHome: path.join(paths.cache, 'build-home'),
    npmCache: path.join(paths.cache, 'npm'),
    npmConfig: config.npmEnvironment,
    limits: {
      timeoutMs: config.limits.buildTimeoutMs,
      maxOutputBytes: config.limits.buildOutputBytes,
      tree: {
        memoryBytes: config.limits.buildMemoryBytes,
        processes: config.limits.buildProcesses,
        disk: { directory: config.home, freeBytes: minFreeBytes },
      },
    },
  }
  const engine = createEngine({
    store,
    runtime,
    router,
    ownProcesses: async () => {
      const door = await frontDoor.status()
      return [
        { name: 'server', pid: process.pid, restarts: 0 },
        { name: 'router', ...door },
        { name: 'pm2', pid: runtime.daemonPid(), restarts: 0 },
      ]
    },
    paths,
    addresses,
    network: createNetwork(),
    backups: config.backups,
    failpoint,
    clock,
    report,
    limits: config.limits,
    minFreeBytes,
    keepReleases: config.keepReleases,
    keys: {
      rotate: () => rotateKey(db, vault, () => keys.add(makeKey(paths.keys, clock))),
      finish: () => finishRotation(db, vault),
    },
    keeping: config.keeping,
    cronRuns: config.cronRuns,
    allowLocalFetch: config.allowLocalFetch,
    environment: config.environment,
    dependencies: createDependencies({ cache: paths.cache, now: clock, tools }),
    toolchains: createToolchains({ cache: paths.cache, now: clock, tools }),
    repositories: {
      remove: repositories.remove,
      resolve: repositories.resolve,
      branchTip: repositories.branchTip,
      async moveBranch(name, branch, from, to) {
        const moved = await repositories.moveBranch(name, branch, from, to)
        if (moved && to !== null) await repositories.setHead(name, branch)
        return moved
      },
      async fetch(name, from, signal) {
        const place = {
          directory: await repositories.create(name),
          scratch: paths.fetches,
          environment: { ...environment, ...proxiesOf(config.npmEnvironment) },
          allowLocal: config.allowLocalFetch,
          maxPackBytes: config.limits.packBytes,
        }
        return await fetchRemote(place, from, signal)
      },
      tidy: repositories.tidy,
      collect: repositories.collect,
      bundle: (name, file, signal) => writeBundle(repositories.path(name), file, environment, signal),
      unbundle: (file, directory, signal, branch) => readBundle(file, directory, environment, signal, branch),
      async source(name, sha) {
        const message = await repositories.commitMessage(name, sha)
        return gitSource({ directory: repositories.path(name), sha, message, environment })
      },
    },
  })

  const web = createWeb({
    engine,
    accounts,
    addresses,
    limits: config.limits,
    uploads: paths.uploads,
    jwtKey: await readOrMakeKey(paths.keys, 'session.key'),
    version,
    pm2Version: pm2Version(),
    report,
    health: () => checkHealth({ database: () => checkDatabase(db), runtime, router, directory: config.home }),
  })
  const git = createGitServer({
    access: createAccess({ engine, repositories, authenticate: accounts.basic }),
    receiver: createReceiver({ engine, repositories, environment, failpoint }),
    clientAddress: (req) => clientAddress(req.headers['x-forwarded-for']),
    gitEnvironment: environment,
    hooksDirectory,
    limits: { maxPackBytes: config.limits.packBytes, idleTimeoutMs: 5 * 60_000 },
    log: (message, { error, ...facts }) => {
      const line = `${message} ${JSON.stringify(facts)}`
      if (error === undefined) report.info(line)
      else report.error(line, error)
    },
  })
  const answer = getRequestListener(web.fetch)

  await runtime.connect()
  await runtime.endOrphans()
  await frontDoor.open(await runtime.endFormerServices())
  const guarding = frontDoor.guard()
  const mending = keepMended({ runtime, engine, report })
  await sweepQuarantines(paths.repositories)
  await engine.reconcile()
  engine.metrics.start()
  engine.cron.start()
  engine.memory.start()
  openDoors((req, res) => {
    if (req.url?.startsWith('/git/')) git.handle(req, res)
    else void answer(req, res)
  })
  const sockets = createSockets(web, report)
  listener.on('upgrade', sockets.handle)
  const url = frontDoor.localUrl()
  await announce(paths, url, clock())

  return {
    url,
    addresses,
    setupCode: accounts.createSetupCode(),
    async stop() {
      mending.stop()
      guarding.stop()
      await Promise.race([engine.close(), pause(longestGoodbyeMs)])
      await sockets.close()
      await closeServer(listener)
      await runtime.close()
      await passwords.close()
      db.close()
      await rm(paths.serverFile, { force: true })
    },
  }
}

/** The proxies of the network, which git needs as npm does. */
function proxiesOf(environment: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => /_proxy$/i.test(name)))
}
