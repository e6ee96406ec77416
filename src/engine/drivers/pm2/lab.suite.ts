import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { GroupSpec } from '../../ports.ts'
import { findDaemon } from './daemon.ts'
import { createPm2Runtime, type Pm2Runtime, type Pm2RuntimeOptions } from './runtime.ts'

/** A home of its own with a real daemon, for tests; nothing of it is left after `close`. */
export interface Pm2Lab {
  readonly root: string
  readonly pm2Home: string
  readonly runDirectory: string
  readonly runtime: Pm2Runtime
  /** Another server of the same home. */
  reopen(overrides?: Partial<Pm2RuntimeOptions>): Pm2Runtime
  /** A group of one instance, `web.1`, with the environment an app gets, and `env` on top. */
  group(project: string, command: string, overrides?: LabGroup): GroupSpec
  logFile(project: string): string
  daemonPid(): Promise<number>
  close(): Promise<void>
}

export interface LabGroup extends Partial<GroupSpec> {
  readonly env?: Readonly<Record<string, string>>
  readonly port?: number
}

export async function openPm2Lab(parts: { below?: string } = {}): Promise<Pm2Lab> {
  const top = await mkdtemp(join(tmpdir(), 'pm2-lab-'))
  const root = join(top, parts.below ?? '')
  const pm2Home = join(root, 'pm2')
  const runDirectory = join(root, 'run')
  const projectsDirectory = join(root, 'projects')
  await mkdir(projectsDirectory, { recursive: true })
  const opened: Pm2Runtime[] = []
  const reopen = (overrides: Partial<Pm2RuntimeOptions> = {}) => {
    const runtime = createPm2Runtime({
      pm2Home,
      runDirectory,
      projectsDirectory,
      daemonEnvironment: { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: root, LANG: 'C.UTF-8' },
      launchPrefix: [],
      callTimeoutMs: 10_000,
      logs: { limitBytes: 10_000_000, keep: 4 },
      log: () => {},
      ...overrides,
    })
    opened.push(runtime)
    return runtime
  }
  const runtime = reopen()
  return {
    root,
    pm2Home,
    runDirectory,
    runtime,
    reopen,
    group: (project, command, overrides = {}) => labGroup(root, project, command, overrides),
    logFile: (project) => join(root, 'logs', project, 'web.1.log'),
    daemonPid: async () => (await findDaemon(pm2Home))?.pid ?? 0,
    close: async () => {
      await runtime.shutdown()
      await Promise.all(opened.map((each) => each.close()))
      await rm(top, { recursive: true, force: true })
    },
  }
}

function labGroup(root: string, project: string, command: string, overrides: LabGroup): GroupSpec {
  const { env = {}, port, ...rest } = overrides
  const release = rest.release ?? 1
  const environment = {
    HOME: root,
    PATH: '/usr/local/bin:/usr/bin:/bin',
    NODEPILOT_PROJECT: project,
    NODEPILOT_RELEASE: `v${release}`,
    NODEPILOT_INSTANCE: 'web.1',
    NODEPILOT_DATA_DIR: join(root, 'projects', project, 'data'),
    ...(port === undefined ? {} : { PORT: String(port) }),
    ...env,
  }
  return {
    project,
    type: 'web',
    release,
    generation: 1,
    cwd: root,
    command,
    instances: [{ index: 1, port: port ?? null, env: environment }],
    logDirectory: join(root, 'logs', project),
    graceMs: 2_000,
    ...rest,
  }
}
