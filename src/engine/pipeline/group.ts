import path from 'node:path'
import type { Context } from '../context.ts'
import { instanceEnvironment } from '../domain/environment.ts'
import type { GroupRef, GroupSpec } from '../ports.ts'

/** Stands in a release whose files are served as they are; where the program lies is known only at the start. */
export const staticCommand = 'nodepilot-static .'

const staticServer = path.join(import.meta.dirname, '..', 'static-server.js')
/** SIGTERM to SIGKILL. */
const graceMs = 10_000

/** What the runtime is to start for one instance of a release. */
export function groupOf(
  ctx: Context,
  ref: GroupRef,
  release: {
    readonly directory: string
    readonly command: string
    readonly envVars: Readonly<Record<string, string>>
  },
  instance: { readonly index: number; readonly port: number | null },
): GroupSpec {
  const { directory, command, envVars } = release
  const env = instanceEnvironment({
    project: ref.project,
    release: ref.release,
    type: ref.type,
    ...instance,
    directory,
    dataDirectory: ctx.paths.data(ref.project),
    configVars: envVars,
    system: ctx.environment,
  })
  return {
    ...ref,
    cwd: directory,
    command: command === staticCommand ? `node '${staticServer}' .` : command,
    instances: [{ ...instance, env }],
    logDirectory: ctx.paths.projectLogs(ref.project),
    graceMs,
  }
}
