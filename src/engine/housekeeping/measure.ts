import { existsSync } from 'node:fs'
import { type Command, run } from '../shell.ts'

/** Sizes on disk, by `du`: it knows blocks and hard links, and walks faster than anything else. */

/**
 * Bytes each of these takes; those that are not there are left out. What is linked into several counts for the
 * first one that has it. `without`: a name that is passed over. Takes as long as there are files, at low priority.
 */
export async function sizesOf(
  paths: readonly string[],
  options: {
    readonly env: Readonly<Record<string, string>>
    readonly signal?: AbortSignal
    readonly without?: string
  },
): Promise<ReadonlyMap<string, number>> {
  const there = paths.filter((path) => existsSync(path))
  const sizes = new Map<string, number>()
  if (there.length === 0) return sizes
  const without = options.without === undefined ? [] : [`--exclude=${options.without}`]
  const args = ['-n', '15', 'du', '-sk', ...without, '--', ...there]
  const command: Command = { file: 'nice', args, cwd: '/', env: options.env }
  await run(command, {
    timeoutMs: 300_000,
    ...(options.signal ? { signal: options.signal } : {}),
    onLine: (line, stream) => {
      const [, blocks, path] = /^(\d+)\t(.*)$/.exec(line) ?? []
      if (stream === 'out' && path !== undefined) sizes.set(path, Number(blocks) * 1024)
    },
  })
  return sizes
}
