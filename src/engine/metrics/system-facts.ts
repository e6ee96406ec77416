import os from 'node:os'

/** What does not change while the machine runs. */
export interface SystemFacts {
  readonly hostname: string
  readonly os: {
    readonly platform: string
    /** `Debian GNU/Linux` */
    readonly distro: string
    readonly release: string
    readonly kernel: string
    readonly arch: string
  }
  readonly cpu: { readonly model: string; readonly cores: number; readonly physicalCores: number }
}

/** Costs a tenth of a second and starts processes, so it is asked for once, when somebody first wants to know. */
export function createSystemFacts(): () => Promise<SystemFacts> {
  let facts: Promise<SystemFacts> | null = null
  return () => {
    facts ??= readFacts().catch((error: unknown) => {
      facts = null
      throw error
    })
    return facts
  }
}

async function readFacts(): Promise<SystemFacts> {
  // loaded late: it needs 14 MB that a server whose page nobody opens does without
  const { default: information } = await import('systeminformation')
  const [{ distro, release }, { manufacturer, brand, physicalCores }] = await Promise.all([
    information.osInfo(),
    information.cpu(),
  ])
  const cores = os.availableParallelism()
  return {
    hostname: os.hostname(),
    os: { platform: os.platform(), distro, release, kernel: os.release(), arch: os.arch() },
    cpu: {
      model: `${manufacturer} ${brand}`.trim() || os.cpus()[0]?.model || 'unknown',
      cores,
      physicalCores: physicalCores || cores,
    },
  }
}
