import { Refusal } from '../engine/domain/refusal.ts'
import { flush, packet, readPacket, sideband } from './pkt-line.ts'
import { printable } from './printable.ts'
import { refNameProblem } from './ref-name.ts'

export interface RefUpdate {
  readonly ref: string
  /** All zeros when the ref is created. */
  readonly oldSha: string
  /** All zeros when the ref is deleted. */
  readonly newSha: string
}

/** What a push asks for: the part of its body that comes before the pack. */
export interface PushCommands {
  readonly updates: readonly RefUpdate[]
  readonly options: readonly string[]
  readonly capabilities: ReadonlySet<string>
  /** Everything read so far, first bytes of the pack included: git needs it again. */
  readonly head: Buffer
  /** Where the pack begins in `head`. */
  readonly packStart: number
}

/** Bytes: about 40,000 refs in one push. */
const longestCommands = 4 * 1024 * 1024

/**
 * Reads the commands of a push, so that git starts only for a request that is well formed. Packets may be
 * split over any number of chunks. A lone flush packet (git's probe before a long upload) has no updates.
 * Refuses with `malformed`, or `too_large` beyond 4 MiB of commands.
 */
export async function readCommands(body: AsyncIterator<Buffer>): Promise<PushCommands> {
  const draft = { updates: [] as RefUpdate[], options: [] as string[], capabilities: new Set<string>() }
  let head: Buffer = Buffer.alloc(0)
  let at = 0
  let section: 'updates' | 'options' | 'pack' = 'updates'
  while (section !== 'pack') {
    const next = head.length === at ? null : readPacket(head, at)
    if (next === null) {
      head = await more(body, head)
      continue
    }
    at = next.next
    if (next.kind === 'flush') {
      section = section === 'updates' && draft.capabilities.has('push-options') ? 'options' : 'pack'
    } else if (section === 'updates') readUpdate(next.payload, draft)
    else draft.options.push(text(next.payload))
  }
  return { ...draft, head, packStart: at }
}

/** Refuses with `invalid` when a ref of the push has a name no command of ours should ever see. */
export function checkRefNames(updates: readonly RefUpdate[]): void {
  for (const { ref } of updates) {
    const problem = refNameProblem(ref)
    if (!problem) continue
    throw new Refusal('invalid', `the ref name "${printable(ref.slice(0, 100))}" is refused: ${problem}`, {
      hint: 'rename the branch or tag, then push again',
    })
  }
}

/**
 * The answer to a push that is refused as a whole without git: our lines for the person, and a report that
 * marks every ref as rejected for the client.
 */
export function rejection(commands: PushCommands, refusal: Refusal): Buffer {
  const banded = commands.capabilities.has('side-band-64k')
  const reports = commands.capabilities.has('report-status') || commands.capabilities.has('report-status-v2')
  const lines = [`error: ${refusal.code}: ${refusal.message}`, ...refusal.lines]
  if (refusal.hint) lines.push(`hint: ${refusal.hint}`)
  const report = Buffer.concat([
    packet('unpack ok\n'),
    ...commands.updates.map(({ ref }) => packet(`ng ${ref} ${refusal.code}\n`)),
    Buffer.from(flush),
  ])
  if (!banded) return reports ? report : Buffer.alloc(0)
  const people = sideband(2, Buffer.from(`${lines.map(printable).join('\n')}\n`))
  return Buffer.concat([people, reports ? sideband(1, report) : Buffer.alloc(0), Buffer.from(flush)])
}

async function more(body: AsyncIterator<Buffer>, head: Buffer): Promise<Buffer> {
  const { value, done } = await body.next()
  if (done) throw new Refusal('malformed', 'the request ends before its list of refs does')
  if (head.length > longestCommands) {
    throw new Refusal('too_large', 'one push updates too many refs', { hint: 'push fewer refs at once' })
  }
  return Buffer.concat([head, value])
}

interface Draft {
  readonly updates: RefUpdate[]
  readonly capabilities: Set<string>
}

function readUpdate(payload: Buffer, draft: Draft) {
  const nul = draft.updates.length === 0 ? payload.indexOf(0) : -1
  const line = text(nul === -1 ? payload : payload.subarray(0, nul))
  if (nul !== -1) {
    for (const capability of text(payload.subarray(nul + 1)).split(' ')) draft.capabilities.add(capability)
  }
  if (/^shallow [0-9a-f]{40,64}$/.test(line)) return
  draft.updates.push(parseUpdate(line))
}

/** `<old> <new> <ref>`, as git writes it on the wire and to its hooks. Refuses with `malformed`. */
export function parseUpdate(line: string): RefUpdate {
  const match = /^([0-9a-f]{40}|[0-9a-f]{64}) ([0-9a-f]{40}|[0-9a-f]{64}) ([^\n\0]+)$/.exec(line)
  const [, oldSha = '', newSha = '', ref = ''] = match ?? []
  if (!match || oldSha.length !== newSha.length) {
    throw new Refusal('malformed', 'a line of the push is not "<old> <new> <ref>"')
  }
  return { ref, oldSha, newSha }
}

/** Bytes that are no UTF-8 become U+FFFD, which no ref name may contain. */
function text(payload: Buffer): string {
  return payload.toString('utf8').replace(/\n$/, '')
}
