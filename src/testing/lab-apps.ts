import { appendFile, mkdir } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import path from 'node:path'
import { createMemoryRuntime, type MemoryInstance } from '../engine/drivers/memory-runtime.ts'
import { instanceName } from '../engine/drivers/pm2/names.ts'
import type { GroupSpec, InstanceSpec } from '../engine/ports.ts'

/** Apps as HTTP servers of the test's own process, and what goes wrong with them. */

export type AppAnswer = (request: IncomingMessage, response: ServerResponse) => void

/** What an app does when it is started. */
export type AppBehaviour =
  | { readonly does: 'answer'; readonly with?: AppAnswer }
  | { readonly does: 'crash'; readonly code: number; readonly says: readonly string[] }
  | { readonly does: 'stay silent' }
  | { readonly does: 'listen elsewhere' }

/** Runs apps that behave as they are told; by default they answer with their release. */
export function createLabRuntime(behaviourOf: (group: GroupSpec) => AppBehaviour | undefined) {
  const crashed = new Set<string>()
  const memory = createMemoryRuntime({
    now: Date.now,
    launch: async (group, spec) => {
      const behaviour = behaviourOf(group) ?? { does: 'answer' }
      return behaviour.does === 'crash' ? crash(group, spec, behaviour) : launchApp(group, spec, behaviour)
    },
  })
  const crash = async (
    group: GroupSpec,
    spec: InstanceSpec,
    { code, says }: AppBehaviour & { readonly does: 'crash' },
  ): Promise<MemoryInstance> => {
    const key = `${group.project} ${group.generation}`
    if (crashed.has(key)) return {}
    crashed.add(key)
    await writeAppLog(group, spec.index, says)
    setImmediate(() => void memory.crash(group, spec.index, { code }))
    return {}
  }
  return memory
}

/** An app of the test's own process, on the port it was given unless it is to misbehave. */
async function launchApp(
  group: GroupSpec,
  spec: InstanceSpec,
  behaviour: AppBehaviour,
): Promise<MemoryInstance> {
  if (behaviour.does === 'stay silent') return {}
  const answer = behaviour.does === 'answer' ? behaviour.with : undefined
  const server = createServer(answer ?? ((_request, response) => response.end(`v${group.release}`)))
  const port = behaviour.does === 'listen elsewhere' ? 0 : (spec.port ?? 0)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  return {
    pid: process.pid,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** What the runtime would have recorded. */
export async function writeAppLog(group: GroupSpec, index: number, says: readonly string[]): Promise<void> {
  const records = says.map((line) => ({
    message: `${line}\n`,
    timestamp: new Date().toISOString(),
    type: 'err',
    app_name: instanceName({ ...group, index }),
  }))
  await mkdir(group.logDirectory, { recursive: true })
  const file = path.join(group.logDirectory, `${group.type}.${index}.log`)
  await appendFile(file, records.map((record) => `${JSON.stringify(record)}\n`).join(''))
}
