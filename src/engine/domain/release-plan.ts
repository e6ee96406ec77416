import { z } from 'zod'
import { defaults } from './app-fields.ts'
import { storedCronJob } from './cron.ts'

/**
 * How a release is run, beside its commands: read when it is built and kept with it, so that a rollback runs it
 * as it was. What an older release does not name has its default.
 */

/** A folder of files that the front door answers from, without a process. */
export const staticFiles = z.object({
  /** Below the app's folder, `dist`; '' for that folder itself. */
  directory: z.string(),
  /** Pages that are not there are answered with `index.html`. */
  spa: z.boolean().default(false),
})

export const releasePlan = z.object({
  /** The app's folder below the slug, `apps/web`; '' for the top. */
  rootDir: z.string().default(''),
  /** The exact version of Node, `22.11.0`; null: the server's own. */
  node: z.string().nullable().default(null),
  /** The package manager, `pnpm@10.34.8`, for commands that call it; null: npm, as the server has it. */
  manager: z.string().nullable().default(null),
  /** null: `web` is a process. */
  static: staticFiles.nullable().default(null),
  /** What the app file says; a setting of the project wins, also one that was made after the release. */
  healthPath: z.string().nullable().default(null),
  bootTimeoutMs: z.number().nullable().default(null),
  graceMs: z.number().nullable().default(null),
  /** Config vars that the app file says must be there. */
  env: z.array(z.string()).default([]),
  /** The branch it is a preview of; null: it is none. */
  preview: z.string().nullable().default(null),
  /** Scheduled jobs of the app file; those of the project's settings win, and are in force at once. */
  cron: z.array(storedCronJob).default([]),
})

const staticWord = 'nodepilot-static'

/** Stands in place of a command in a release without a process for `web`. */
export function staticCommand(directory: string): string {
  return `${staticWord} ${directory || '.'}`
}

export type StaticFiles = z.infer<typeof staticFiles>
export type ReleasePlan = z.infer<typeof releasePlan>

export const plainPlan: ReleasePlan = releasePlan.parse({})

/** What a project's settings say of how a process is started and ended; null: nothing. */
interface ByHand {
  readonly healthPath: string | null
  readonly bootTimeoutMs: number
  readonly settings: { readonly graceMs: number | null }
}

/** The boot timeout has no value of its own for "not set": the default stands for it. */
export function setByHand({ healthPath, bootTimeoutMs, settings }: ByHand) {
  return {
    healthPath,
    bootTimeoutMs: bootTimeoutMs === defaults.bootTimeoutMs ? null : bootTimeoutMs,
    graceMs: settings.graceMs,
  }
}

export interface InForce {
  /** null: `/`, where anything below 500 is healthy. */
  readonly healthPath: string | null
  readonly bootTimeoutMs: number
  /** SIGTERM to SIGKILL. */
  readonly graceMs: number
}

/** What is in force when a release is started now: a setting of today, else what its own files say. */
export function inForce(project: ByHand, plan: Pick<ReleasePlan, keyof InForce>): InForce {
  const hand = setByHand(project)
  return {
    healthPath: hand.healthPath ?? plan.healthPath,
    bootTimeoutMs: hand.bootTimeoutMs ?? plan.bootTimeoutMs ?? defaults.bootTimeoutMs,
    graceMs: hand.graceMs ?? plan.graceMs ?? defaults.graceMs,
  }
}
