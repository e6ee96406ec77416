import { z } from 'zod'

/** The last entry of every backup: what is in it, to be held against what comes out of it. */
export const manifestSchema = z.strictObject({
  format: z.literal(1),
  id: z.string(),
  createdAt: z.string(),
  /** With the secrets of the home. */
  keys: z.boolean(),
  /** With whole slugs, `node_modules` included: projects start again without being built. */
  slugs: z.boolean(),
  projects: z.array(z.string()),
  files: z.array(
    z.strictObject({ path: z.string(), bytes: z.number(), mode: z.number(), sha256: z.string() }),
  ),
  folders: z.array(z.strictObject({ path: z.string(), mode: z.number() })),
  links: z.array(z.strictObject({ path: z.string(), target: z.string() })),
  /** Files that an app wrote to while they were read. */
  changed: z.array(z.string()),
  /** Sockets, pipes and devices, which are not data. */
  skipped: z.array(z.string()),
})

export type Manifest = z.infer<typeof manifestSchema>

export const manifestPath = 'manifest.json'
