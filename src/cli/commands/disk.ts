import type { Cli } from '../client/session.ts'
import { listOf, number, object, read, text } from '../client/shape.ts'
import { bytes } from '../client/words.ts'

const shape = object({
  disk: object({ totalBytes: number, freeBytes: number, minFreeBytes: number }),
  projects: listOf(
    object({
      name: text,
      bytes: number,
      releasesBytes: number,
      dataBytes: number,
      repositoryBytes: number,
      logsBytes: number,
    }),
  ),
  parts: listOf(object({ name: text, bytes: number })),
})
const cleaning = object({
  freedBytes: number,
  removed: listOf(object({ what: text, count: number })),
})

/** `nodepilot disk`: what uses how much; with `--clean` after a round of housekeeping. */
export async function disk(cli: Cli, clean: boolean): Promise<void> {
  const api = await cli.connect()
  if (clean) {
    const { freedBytes, removed } = read(
      cleaning,
      (await api.ask('POST', '/api/system/disk/clean', { timeoutMs: 600_000 })).body,
    )
    const what =
      removed.map(({ what, count }) => `${count} ${what}`).join(', ') || 'there was nothing to remove'
    cli.out.note(`${what}; ${bytes(freedBytes)} freed`)
  }
  const { body } = await api.ask('GET', '/api/system/disk', { timeoutMs: 300_000 })
  if (cli.out.json) return cli.out.document(body)
  const report = read(shape, body)
  const { totalBytes, freeBytes, minFreeBytes } = report.disk
  const rows = [
    ...report.projects.map((one) => [
      one.name,
      ...[one.bytes, one.releasesBytes, one.dataBytes, one.repositoryBytes, one.logsBytes].map(bytes),
    ]),
    ...report.parts.map((one) => [one.name, bytes(one.bytes), '', '', '', '']),
  ]
  cli.out.table(['WHAT', 'ALL', 'RELEASES', 'DATA', 'REPOSITORY', 'LOGS'], rows)
  cli.out.note(`${bytes(freeBytes)} of ${bytes(totalBytes)} are free; ${bytes(minFreeBytes)} stay free`)
}
