import type { DeploymentLog } from '../pipeline/log.ts'

/** Of what a run writes, the beginning is kept as it comes, and the last lines when it has ended. */
const mostBytes = 256_000
const lastLines = 40

export interface RunOutput {
  write(line: string): void
  /** Writes the last lines, where there was too much. */
  end(): void
}

/** The output of a run in its file, bounded: a job that talks all day must not fill the disk. */
export function boundedOutput(log: DeploymentLog, limit = mostBytes): RunOutput {
  let bytes = 0
  let leftOut = 0
  const tail: string[] = []
  return {
    write(line) {
      bytes += Buffer.byteLength(line) + 1
      if (bytes <= limit) return log.write(line)
      leftOut++
      tail.push(line)
      if (tail.length > lastLines) tail.shift()
    },
    end() {
      if (leftOut === 0) return
      const between = leftOut - tail.length
      if (between > 0)
        log.write(`… ${between} lines were left out: ${Math.round(limit / 1000)} kB are kept …`)
      for (const line of tail) log.write(line)
    },
  }
}
