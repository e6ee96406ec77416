import type { AppLogLine } from './line.ts'

/** Anything that has a line. */
interface Timed {
  readonly line: AppLogLine
}

/**
 * Several files' lines as one, by time. Each file's own order stays, also where its times do not rise (a line
 * has the time of its first character): places in files would be wrong otherwise.
 */
export function mergeByTime<T extends Timed>(lists: readonly (readonly T[])[]): T[] {
  const filled = lists.filter((list) => list.length > 0)
  if (filled.length <= 1) return [...(filled[0] ?? [])]
  const heads = filled.map(() => 0)
  const merged: T[] = []
  for (;;) {
    let best = -1
    let bestTime = ''
    for (const [index, list] of filled.entries()) {
      const head = list[heads[index] ?? 0]
      if (head && (best < 0 || head.line.time < bestTime)) {
        best = index
        bestTime = head.line.time
      }
    }
    const next = filled[best]?.[heads[best] ?? 0]
    if (!next) return merged
    heads[best] = (heads[best] ?? 0) + 1
    merged.push(next)
  }
}

/** The same for lines that are still being read: holds one of each. */
export async function* mergeStreams<T extends Timed>(
  streams: readonly AsyncIterator<T>[],
): AsyncGenerator<T> {
  try {
    const heads = await Promise.all(streams.map(async (stream) => ({ stream, result: await stream.next() })))
    for (;;) {
      let best: { stream: AsyncIterator<T>; result: IteratorResult<T> } | null = null
      for (const head of heads) {
        if (head.result.done) continue
        if (!best || head.result.value.line.time < best.result.value.line.time) best = head
      }
      if (!best) return
      yield best.result.value
      best.result = await best.stream.next()
    }
  } finally {
    for (const stream of streams) await stream.return?.()
  }
}
