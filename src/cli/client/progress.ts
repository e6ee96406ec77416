import { Transform } from 'node:stream'
import type { Output } from './output.ts'
import { bytes } from './words.ts'

export interface Progress {
  /** More of the whole is done, bytes. */
  add(count: number): void
  /** Replaces the bar by a sentence. */
  done(sentence: string): void
}

/** A bar on stderr where that is a terminal; elsewhere only the sentence at the end. */
export function createProgress(out: Output, what: string, total: number, clock: () => number): Progress {
  let seen = 0
  let drawnAt = 0
  const draw = () => {
    const share = total === 0 ? 1 : Math.min(1, seen / total)
    const room = Math.max(10, Math.min(40, out.width - 40))
    const filled = Math.round(share * room)
    const bar = `${'='.repeat(filled)}${' '.repeat(room - filled)}`
    out.rawNote(`\r\u001b[2K${what} [${bar}] ${Math.floor(share * 100)} %  ${bytes(seen)}`)
  }
  return {
    add(count) {
      seen += count
      const now = clock()
      if (!out.live || now - drawnAt < 100) return
      drawnAt = now
      draw()
    },
    done(sentence) {
      out.rawNote(out.live ? `\r\u001b[2K${sentence}\n` : `${sentence}\n`)
    },
  }
}

/** Lets bytes pass and counts them. */
export function counting(count: (bytes: number) => void): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      count(chunk.length)
      done(null, chunk)
    },
  })
}
