import { z } from 'zod'

/** What can be said of an app in two places: in its nodepilot.json, and in the settings of its project. */

/** A line for `/bin/sh`. */
export const command = z
  .string()
  .trim()
  .min(1, 'it is empty')
  .max(1000, 'it has more than 1,000 characters')
  .refine((text) => !/[\0\r\n]/.test(text), 'a command is one line')

/** `apps/web`; '' for the folder itself. Whether it is there is found out by whoever uses it. */
export const folder = z
  .string()
  .max(300, 'it has more than 300 characters')
  .refine((text) => !/[\p{Cc}\\]/u.test(text), 'it has characters that no folder should have')
  .refine((text) => !text.startsWith('/'), 'write it from the top of the repository, without a / before it')
  .refine((text) => !text.split('/').includes('..'), 'it leads out of the repository')
  .overwrite(tidy)

export const healthPath = z
  .string()
  .max(500)
  .regex(/^\/(?!\/)[A-Za-z0-9\-._~!$&'()*+,;=:@%/?]*$/, 'a health path begins with one / and has no spaces')

export const bootTimeoutMs = z.number().int().min(1_000).max(600_000)
export const graceMs = z.number().int().min(0).max(600_000)

/** A version or a range of Node: `22`, `22.x`, `>=20 <23`, `lts/*`. */
export const nodeVersion = z
  .string()
  .trim()
  .min(1, 'it is empty')
  .max(100)
  .regex(/^[\w.\-+*/^~<>=| ]+$/, 'it is neither a version of Node nor a range, like 22 or >=20 <23')

/** What applies where nobody says anything. */
export const defaults = { bootTimeoutMs: 60_000, graceMs: 10_000 } as const

/** `./apps//web/` → `apps/web` */
function tidy(text: string): string {
  return text
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/')
}
