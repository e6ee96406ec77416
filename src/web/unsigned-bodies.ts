import type { IncomingMessage } from 'node:http'
import { networkOf } from '../engine/domain/address.ts'
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
  /** The network it comes from. */
  readonly sender: string
  bytes: number
  giveUp(refusal: Refusal): void
}

/**
 * Reads bodies of people who have not proved yet who they are, within memory and time that are bounded for all of
 * them together. Where there is no room, one of the sender who takes most of it has to go, the one that has been at it
 * for longest: whoever sends slowly, or much, on purpose pushes out nobody but himself.
 */
export function createUnsignedBodies(limits: UnsignedLimits) {
  // in the order they began
  const readings = new Set<Reading>()
  let together = 0

  const makeRoom = () => {
    while (readings.size > limits.most) oldestOfLargest(readings, () => 1)?.giveUp(crowded())
    while (together > limits.bytesTogether) oldestOfLargest(readings, ({ bytes }) => bytes)?.giveUp(crowded())
  }

  return {
    /** The whole body; `address`: of who sends it. Refuses with `too_large`, `malformed` (cut off, too slow), `unavailable` (no room). */
    read(incoming: IncomingMessage, address: string): Promise<Buffer> {
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
        const reading: Reading = { sender: networkOf(address), bytes: 0, giveUp }
        readings.add(reading)
        incoming.on('data', take).on('end', done).on('close', cut)
        makeRoom()
      })
    },
  }
}

/** Of the sender whose readings weigh most together; of two that weigh the same, the one that began first. */
function oldestOfLargest(
  readings: Iterable<Reading>,
  weight: (reading: Reading) => number,
): Reading | undefined {
  const all = [...readings].filter((reading) => weight(reading) > 0)
  const sums = new Map<string, number>()
  for (const one of all) sums.set(one.sender, (sums.get(one.sender) ?? 0) + weight(one))
  const largest = Math.max(...sums.values())
  return all.find(({ sender }) => sums.get(sender) === largest)
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
