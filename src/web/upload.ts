import { randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { Busboy } from '@fastify/busboy'
import { Refusal } from '../engine/domain/refusal.ts'
import type { Services } from './services.ts'

/** A multipart form whose file went straight to disk. */
export interface Form {
  readonly fields: Readonly<Record<string, string>>
  readonly file: { readonly path: string; readonly filename: string } | null
}

/** The file is whoever's reads the form: `dispose` removes it. */
export interface DisposableForm extends Form {
  dispose(): Promise<void>
}

export interface UploadOptions {
  readonly directory: string
  readonly limitBytes: number
  /** Refuses where the disk has no room for so many bytes. */
  readonly roomFor?: (bytes: number) => Promise<void>
}

/** Where forms are read to, and how large they may be. */
export function uploadOptions({ uploads, limits, engine }: Services): UploadOptions {
  return { directory: uploads, limitBytes: limits.uploadBytes, roomFor: engine.disk.requireRoomFor }
}

/**
 * Reads a multipart form. Refuses with `too_large` over `limitBytes`, `disk_full`, `malformed` for a broken or cut-off form;
 * then no file is left.
 */
export async function openForm(request: IncomingMessage, options: UploadOptions): Promise<DisposableForm> {
  await options.roomFor?.(Number(request.headers['content-length'] ?? 0)).catch((error: unknown) => {
    // the body is still taken in, or the client would never read our answer
    request.resume()
    throw error
  })
  await mkdir(options.directory, { recursive: true, mode: 0o700 })
  const target = path.join(options.directory, randomUUID())
  const dispose = () => rm(target, { force: true })
  try {
    return { ...(await readForm(request, target, options.limitBytes)), dispose }
  } catch (error) {
    await dispose()
    throw error
  }
}

function readForm(request: IncomingMessage, target: string, limitBytes: number): Promise<Form> {
  return new Promise((resolve, reject) => {
    const fields: Record<string, string> = {}
    let file: Form['file'] = null
    let writing: Promise<void> = Promise.resolve()
    const cut = new AbortController()
    // the rest of the body is still taken in, or the client would never read our answer
    const fail = (error: unknown) => {
      request.unpipe()
      request.resume()
      cut.abort()
      // not before the file is closed: it could appear after it was removed
      void writing.catch(() => {}).finally(() => reject(error))
    }
    let form: InstanceType<typeof Busboy>
    try {
      form = openParser(request, limitBytes)
    } catch (error) {
      return fail(error)
    }
    form.on('field', (name, value, _nameCut, valueCut) => {
      if (valueCut) fail(new Refusal('too_large', `${name}: it has more than 1 MB`))
      fields[name] = value
    })
    form.on('file', (name, stream, filename) => {
      if (name !== 'file' || file) {
        stream.resume()
        return fail(new Refusal('invalid', `${name}: one file is expected, in the field "file"`))
      }
      file = { path: target, filename: filename || 'upload' }
      stream.on('limit', () => fail(tooLarge(limitBytes)))
      const { signal } = cut
      writing = pipeline(stream, createWriteStream(target, { flags: 'wx', mode: 0o600 }), { signal })
      writing.catch(fail)
    })
    form.on('error', () => fail(broken()))
    form.on('finish', () => writing.then(() => resolve({ fields, file }), fail))
    request.on('aborted', () => fail(broken()))
    request.on('error', () => fail(broken()))
    request.pipe(form)
  })
}

function openParser(request: IncomingMessage, limitBytes: number) {
  const announced = Number(request.headers['content-length'] ?? 0)
  if (announced > limitBytes + 1_000_000) throw tooLarge(limitBytes)
  try {
    return new Busboy({
      headers: { ...request.headers, 'content-type': request.headers['content-type'] ?? '' },
      limits: { fileSize: limitBytes, files: 2, fields: 50, fieldSize: 1_000_000, parts: 60 },
    })
  } catch {
    throw new Refusal('malformed', 'the form has no boundary')
  }
}

function tooLarge(limitBytes: number): Refusal {
  return new Refusal('too_large', `file: it has more than ${Math.round(limitBytes / 1_000_000)} MB`, {
    hint: 'leave node_modules and other made files out, or raise uploadLimitMb',
  })
}

function broken(): Refusal {
  return new Refusal('malformed', 'the upload ended in the middle', { hint: 'send it again' })
}
