import type { IncomingMessage } from 'node:http'
import { Refusal } from '../engine/domain/refusal.ts'

export interface UnsignedLimits {
  /** Of one body. */
  readonly bytes: number
  /** Of all that are being read, in memory. */
  readonly bytesTogether: number
  /** How many are read at a time. */
  readonly most: number
  /** How long one may take, ms. */
  readonly patienceMs: number
}

/**
 * GitHub and GitLab deliver up to 25 MiB (a push of many commits names every file of each), Gitea less; all of them
 * give up within half a minute.
 */
export const webhookLimits: UnsignedLimits = {
  bytes: 25 * 1024 * 1024,
  bytesTogether: 64 * 1024 * 1024,
  most: 200,
  patienceMs: 30_000,
}

interface Reading {
  bytes: number
  giveUp(refusal: Refusal): void
}

/**
 * Reads bodies of people who have not proved yet who they are, within memory and time that are bounded for all of
 * them together. Where there is no room, the one that has been at it for longest has to go: whoever sends slowly on
 * purpose keeps nobody else out.
 */
export function createUnsignedBodies(limits: UnsignedLimits) {
  // in the order they began
  const readings = new Set<Reading>()
  let together = 0

  const makeRoom = () => {
    for (const oldest of readings) {
      if (readings.size <= limits.most && together <= limits.bytesTogether) return
      oldest.giveUp(crowded())
    }
  }

  return {
    /** The whole body. Refuses with `too_large`, `malformed` (cut off, too slow), `unavailable` (no room). */
    read(incoming: IncomingMessage): Promise<Buffer> {
      if (Number(incoming.headers['content-length'] ?? 0) > limits.bytes) {
        incoming.resume()
        return Promise.reject(tooLarge(limits))
      }
      return new Promise((resolve, reject) => {
        let parts: Buffer[] = []
        const end = () => {
          clearTimeout(timer)
          readings.delete(reading)
          together -= reading.bytes
          incoming.off('data', take).off('end', done).off('close', cut)
        }
        // the rest is read and thrown away, or the client would never read the answer
        const giveUp = (refusal: Refusal) => {
          end()
          parts = []
          incoming.resume()
          reject(refusal)
        }
        const take = (chunk: Buffer) => {
          parts.push(chunk)
          reading.bytes += chunk.length
          together += chunk.length
          if (reading.bytes > limits.bytes) giveUp(tooLarge(limits))
          else makeRoom()
        }
        const done = () => {
          end()
          resolve(Buffer.concat(parts))
        }
        const cut = () => giveUp(new Refusal('malformed', 'the body ended in the middle'))
        const slow = () =>
          giveUp(new Refusal('malformed', `the body took longer than ${limits.patienceMs / 1000} s`))
        const timer = setTimeout(slow, limits.patienceMs)
        const reading: Reading = { bytes: 0, giveUp }
        readings.add(reading)
        incoming.on('data', take).on('end', done).on('close', cut)
        makeRoom()
      })
    },
  }
}

function tooLarge({ bytes }: UnsignedLimits): Refusal {
  return new Refusal('too_large', `the body has more than ${bytes / 1024 / 1024} MiB`)
}

function crowded(): Refusal {
  return new Refusal('unavailable', 'too much is being delivered at once', {
    retryAfter: 10,
    hint: 'deliver it again',
  })
}
