import type { ReleasePlan } from '../domain/release-plan.ts'
import type { App } from './read-app.ts'
import type { WebPart } from './start-command.ts'
import { planOfTools, type Tools } from './toolchain/toolchains.ts'

/** What is kept with a release, so that it can be run later as it was meant. */
export function planOf({ rootDir, config }: App, web: WebPart, tools: Tools): Omit<ReleasePlan, 'preview'> {
  const { healthPath = null, bootTimeoutMs = null, graceMs = null } = config.file
  return {
    rootDir,
    ...planOfTools(tools),
    static: web.static,
    healthPath,
    bootTimeoutMs,
    graceMs,
    env: [...config.env],
    cron: [...config.cron],
  }
}
