import net from 'node:net'
import { crc32 } from 'node:zlib'
import type { Context } from '../context.ts'
import { Refusal } from '../domain/refusal.ts'
import type { ProjectRow } from '../store/projects.ts'

/** For whom. */
export interface PortHolder {
  readonly project: ProjectRow
  readonly release: number
  readonly slug: number
}

/** The row with the UNIQUE port is the lock on it; a port somebody else listens on is passed over. */
export async function reservePort(
  ctx: Context,
  holder: PortHolder,
  { generation, position }: { readonly generation: number; readonly position: number },
): Promise<number> {
  const { project, release, slug } = holder
  // the port of the project's own is the first instance's
  const port = await findPort(ctx, position === 1 ? project.port : null, generation)
  const place = { projectId: project.id, release, slug, type: 'web', position, generation } as const
  ctx.store.instances.create({ ...place, port, cluster: project.settings.cluster, state: 'candidate' })
  return port
}

/** A port that is nobody's, the wanted one where it is. */
export async function findPort(ctx: Context, wanted: number | null, generation: number): Promise<number> {
  for (const port of candidatePorts(wanted, ctx.paths.home, generation)) {
    // asked before and after: another project may take it while the kernel is asked
    if (ctx.store.instances.portTaken(port) || !(await isFree(port))) continue
    if (!ctx.store.instances.portTaken(port)) return port
  }
  throw new Refusal('internal', 'no free port is left between 20000 and 31999', {
    hint: 'stop what listens there, then try again',
  })
}

/**
 * Below the range the kernel gives to outgoing connections, never the same one twice in a row. Each home
 * begins elsewhere: a port is free until the app listens, and another home would choose it meanwhile.
 */
function* candidatePorts(wanted: number | null, home: string, generation: number): Generator<number> {
  const [first, count] = [20_000, 12_000]
  const start = crc32(home) + generation * 7
  if (wanted !== null) yield wanted
  for (let i = 0; i < count; i++) yield first + ((start + i) % count)
}

/** Does nothing listen on it, on any address? */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = net.createServer()
    probe.once('error', () => resolve(false))
    probe.listen({ port, host: '0.0.0.0', exclusive: true }, () => probe.close(() => resolve(true)))
  })
}
