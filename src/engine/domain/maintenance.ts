import { z } from 'zod'
import { readRange } from './address-range.ts'

/** What visitors of a project in maintenance get. */

/** Bytes: it goes to the front door with every table, and stands in the list of projects. */
export const largestPage = 65_536

/** Lies in the app's folder; used where the setting has no page. */
export const maintenanceFile = 'maintenance.html'

/** HTML. */
export const maintenancePage = z
  .string()
  .refine((text) => text.trim() !== '', 'it is empty; null takes it away')
  .refine(
    (text) => Buffer.byteLength(text) <= largestPage,
    'it is larger than 64 KiB; let it load its pictures from elsewhere',
  )

/** Somebody who is let through. */
export const addressRange = z
  .string()
  .trim()
  .refine(
    (text) => readRange(text) !== null,
    'it is no address and no range; write 203.0.113.7, 203.0.113.0/24 or 2001:db8::/32',
  )
