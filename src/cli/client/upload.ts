import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import type { Question } from './api.ts'

/** A multipart form with one file (RFC 7578), streamed. `bytes` is the file's length where it is known. */
export function fileForm(
  filename: string,
  file: Readable,
  bytes: number | null,
): Required<Pick<Question, 'upload' | 'headers'>> {
  const boundary = `nodepilot-${randomUUID()}`
  const head = Buffer.from(
    `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${safe(filename)}"\r\n` +
      'Content-Type: application/octet-stream\r\n\r\n',
  )
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`)
  async function* body() {
    yield head
    yield* file
    yield tail
  }
  return {
    upload: Readable.from(body(), { objectMode: false }),
    headers: {
      'content-type': `multipart/form-data; boundary=${boundary}`,
      ...(bytes === null ? {} : { 'content-length': String(head.length + bytes + tail.length) }),
    },
  }
}

/** Only the ending matters to the server. */
function safe(filename: string): string {
  return filename.replace(/[^A-Za-z0-9._-]/g, '_')
}
