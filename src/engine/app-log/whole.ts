import { createAssembler, type FoundLine } from './assemble.ts'
import { openChain } from './chain.ts'
import { createSplitter, instancesIn } from './file.ts'
import { type AppLog, type AppLogLine, instanceFilter, type LogFilter, lineFilter } from './line.ts'
import { mergeStreams } from './merge.ts'

/** Everything there is, by time, in the memory of one piece a file. */
export async function* readWhole(
  { directory, hiding }: AppLog,
  filter: LogFilter,
  signal: AbortSignal,
): AsyncGenerator<AppLogLine> {
  const instances = (await instancesIn(directory)).filter(instanceFilter(filter))
  const matches = lineFilter(filter)
  const streams = instances.map((instance) => linesOf({ directory, hiding }, instance))
  for await (const { line } of mergeStreams(streams)) {
    if (signal.aborted) return
    if (matches(line)) yield line
  }
}

async function* linesOf({ directory, hiding }: AppLog, instance: string): AsyncGenerator<FoundLine> {
  const chain = await openChain(directory, instance)
  if (!chain) return
  try {
    const assembler = createAssembler(instance, hiding)
    let found: FoundLine[] = []
    const splitter = createSplitter(0, (text, start, stop) => {
      found.push(...assembler.push(text, start, stop))
    })
    // what is added while it is read is not of this reading
    for await (const piece of chain.read(0)) {
      splitter.push(piece)
      yield* found
      found = []
    }
    yield* assembler.close(() => true)
  } finally {
    await chain.close()
  }
}
