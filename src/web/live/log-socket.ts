import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import type { LogBatch } from '../../engine/app-log/follow.ts'
import { entryText } from './log-text.ts'

/** Sends lines over a WebSocket, one a frame; the next ones when the last have left. */
export async function sendLog(
  socket: WebSocket,
  wire: Duplex,
  batches: AsyncGenerator<LogBatch>,
  withCursors: boolean,
): Promise<void> {
  for await (const batch of batches) {
    const cursors = withCursors ? batch.cursors() : []
    const frames = batch.entries.map((entry, index) => withId(entryText(entry), cursors[index]))
    const last = frames.pop()
    if (last === undefined) continue
    // many small frames as one write
    wire.cork()
    for (const frame of frames) socket.send(frame)
    const sent = new Promise<boolean>((resolve) => socket.send(last, (error) => resolve(!error)))
    wire.uncork()
    if (!(await sent)) return
  }
}

function withId(text: string, id: string | undefined): string {
  return id === undefined ? text : `${text.slice(0, -1)},"id":"${id}"}`
}
