import { z } from 'zod'

/** Names become host names, folders and repository names, so they are narrow. */
export const projectNamePattern = /^[a-z][a-z0-9-]{0,38}[a-z0-9]$/

export const projectName = z
  .string()
  .regex(projectNamePattern, 'use 2 to 40 of a-z, 0-9 and -, beginning with a letter, not ending with -')

/** Names that would shadow the panel or confuse people. */
export const reservedNames: ReadonlySet<string> = new Set([
  'www',
  'api',
  'git',
  'panel',
  'nodepilot',
  'localhost',
])

/**
 * A valid project name made from what a person typed: "My Shop!" becomes "my-shop".
 * Returns null where nothing usable is left.
 */
export function deriveName(displayName: string): string | null {
  const name = displayName
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+/, '')
    .slice(0, 40)
    .replace(/-+$/, '')
  return projectNamePattern.test(name) ? name : null
}

export type ProjectStatus = 'running' | 'stopped' | 'error'

/** Of a project that does not sleep any more. */
export const awake = { asleepAt: null, wakeProblem: null } as const
