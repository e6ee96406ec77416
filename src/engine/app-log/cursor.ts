import { Refusal } from '../domain/refusal.ts'
import type { Position } from './assemble.ts'

/**
 * Where a viewer is: one place in each instance's file, so that it holds whatever order lines of several
 * instances came in, and over a restart of the server.
 */

export interface FilePosition extends Position {
  /** Which filling of the file the place is in, see `identify`. */
  readonly identity: string
}

export type Cursor = ReadonlyMap<string, FilePosition>

/** `web.1~3fa91c2b~9ix~2,worker.1~…`: goes into headers and addresses as it is. */
export function writeCursor(cursor: Cursor): string {
  const places: string[] = []
  for (const [instance, { identity, base, skip }] of cursor) {
    places.push(`${instance}~${identity}~${base.toString(36)}~${skip.toString(36)}`)
  }
  return places.join(',') || nowhere
}

/** The cursor of a project without log files. */
const nowhere = '-'
const place = /^([A-Za-z0-9_-]{1,40}\.\d{1,6})~([0-9a-f]{8}|)~([0-9a-z]{1,11})~([0-9a-z]{1,8})$/
const longest = 16_000

/** Refuses with `invalid` what `writeCursor` cannot have written. */
export function readCursor(text: string): Cursor {
  if (text === nowhere) return new Map()
  const places = text.length <= longest ? text.split(',').map((part) => place.exec(part)) : [null]
  const cursor = new Map<string, FilePosition>()
  for (const found of places) {
    if (!found) {
      throw new Refusal('invalid', 'after: it is no place in a log', {
        hint: 'send back what came as the id of an event, or leave it out',
        fields: [{ field: 'after', message: 'it is no place in a log' }],
      })
    }
    const [, instance = '', identity = '', base = '', skip = ''] = found
    cursor.set(instance, { identity, base: Number.parseInt(base, 36), skip: Number.parseInt(skip, 36) })
  }
  return cursor
}
