import assert from 'node:assert/strict'
import { appendFile, mkdir } from 'node:fs/promises'
import path from 'node:path'
import { removeDirectory, temporaryDirectory } from '../../testing/temporary.ts'
import { createRedactor, nothingHidden } from '../domain/redact.ts'
import { createFollowers, type FollowQuery, type LogBatch } from './follow.ts'
import type { AppLog } from './line.ts'

/** A project whose log is written by the test, and viewers who follow it. */

export interface Write {
  readonly stream?: 'out' | 'err'
  readonly generation?: number
  readonly instance?: string
  readonly release?: number
  readonly at?: number
}

/** No two writes are of the same ms. */
let clock = 0

/** One write of an app, as the runtime records it. */
export function record(
  text: string,
  { stream = 'out', generation = 1, instance = 'web.1', release = 1, at }: Write = {},
) {
  const app_name = `shop/${instance}/v${release}/g${generation}`
  clock = Math.max(clock + 1, Date.now())
  const timestamp = new Date(at ?? clock).toISOString()
  return `${JSON.stringify({ message: text, timestamp, type: stream, app_name })}\n`
}

export interface Scene {
  readonly directory: string
  file(instance?: string): string
  write(text: string, how?: Write): Promise<void>
  follow(query?: Partial<FollowQuery>): Viewer
  watched(): number
}

export interface Viewer {
  /** What has come, line by line; gaps as `…n`. */
  readonly seen: string[]
  /** The place behind each of them. */
  readonly cursors: string[]
  until(count: number): Promise<string[]>
  leave(): Promise<void>
}

export async function scene(work: (scene: Scene) => Promise<void>): Promise<void> {
  const root = await temporaryDirectory('follow')
  const directory = path.join(root, 'shop')
  const errors: unknown[] = []
  const followers = createFollowers({ clock: () => Date.now(), onError: (error) => errors.push(error) })
  const viewers: Viewer[] = []
  const file = (instance = 'web.1') => path.join(directory, `${instance}.log`)
  try {
    await work({
      directory,
      file,
      watched: () => followers.watched(),
      async write(text, how = {}) {
        await mkdir(directory, { recursive: true })
        await appendFile(file(how.instance), record(text, how))
      },
      follow(query = {}) {
        const viewer = createViewer((signal) =>
          followers.follow(logIn(directory), { lines: 100, ...query }, signal),
        )
        viewers.push(viewer)
        return viewer
      },
    })
    assert.deepEqual(errors, [])
  } finally {
    for (const viewer of viewers) await viewer.leave()
    await removeDirectory(root)
  }
}

export function createViewer(begin: (signal: AbortSignal) => AsyncGenerator<LogBatch>): Viewer {
  const left = new AbortController()
  const seen: string[] = []
  const cursors: string[] = []
  let grown = () => {}
  const reading = (async () => {
    for await (const batch of begin(left.signal)) {
      cursors.push(...batch.cursors())
      seen.push(...batch.entries.map((entry) => ('gap' in entry ? `…${entry.gap}` : entry.line)))
      assert.equal(batch.cursors().at(-1) ?? batch.cursor, batch.cursor)
      grown()
    }
  })()
  return {
    seen,
    cursors,
    async until(count) {
      const deadline = AbortSignal.timeout(20_000)
      while (seen.length < count) {
        await new Promise<void>((resolve, reject) => {
          grown = resolve
          deadline.onabort = () => reject(new Error(`only ${seen.length} of ${count}: ${seen.slice(-5)}`))
        })
      }
      return seen
    },
    async leave() {
      left.abort()
      await reading
    },
  }
}

/** Of release 7 `hidden-value` is hidden, of all others nothing. */
export function logIn(directory: string): AppLog {
  const redactor = createRedactor(['hidden-value'])
  return { directory, hiding: (release) => (release === 7 ? redactor : nothingHidden) }
}

export const numbers = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => `line ${from + i}`)
export const text = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join('')
