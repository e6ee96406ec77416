import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { PassThrough } from 'node:stream'
import { Refusal } from '../engine/domain/refusal.ts'

interface RunInput {
  readonly projectId: number
  readonly stream: PassThrough
  taking: boolean
}

interface OpenInput {
  readonly name: string
  readonly stream: PassThrough
  during<Begun extends { readonly result: Promise<unknown> }>(begin: () => Begun): Begun
}

/**
 * Standard input of one-off commands, by a name that only who has started the command knows. It comes in one request
 * or in many, since proxies end a request in which nothing happens; each is read as fast as the command reads.
 */
export function createRunInputs() {
  const inputs = new Map<string, RunInput>()
  return {
    /** For the command that `during` begins: with the end of that, or where it does not begin, it is gone. */
    open(projectId: number): OpenInput {
      const name = randomUUID()
      const stream = new PassThrough()
      // a request that breaks off destroys it with an error, which is the command's affair
      stream.on('error', () => {})
      inputs.set(name, { projectId, stream, taking: false })
      const end = () => {
        inputs.delete(name)
        stream.destroy()
      }
      return {
        name,
        stream,
        during(begin) {
          try {
            const begun = begin()
            begun.result.finally(end).catch(() => {})
            return begun
          } catch (error) {
            end()
            throw error
          }
        },
      }
    },

    /**
     * A part of it, the last one unless there is `more`. Resolves when the command has taken it, or reads no more.
     * Refuses with `not_found`, `conflict` (another part is under way, or the last one was there), `malformed` (cut off:
     * then the command is ended).
     */
    async take(projectId: number, name: string, incoming: IncomingMessage, more: boolean): Promise<void> {
      const input = inputs.get(name)
      if (input?.projectId !== projectId) throw noSuchCommand()
      if (input.taking || input.stream.writableEnded) throw outOfOrder()
      input.taking = true
      try {
        const how = await pour(incoming, input.stream)
        if (how === 'cut off') {
          input.stream.destroy(new Error('its standard input broke off'))
          throw new Refusal('malformed', 'the input broke off, and the command is ended')
        }
        if (!more) input.stream.end()
      } finally {
        input.taking = false
      }
    },
  }
}

function pour(incoming: IncomingMessage, stream: PassThrough): Promise<'whole' | 'cut off' | 'unwanted'> {
  return new Promise((resolve) => {
    const ended = (how: 'whole' | 'cut off' | 'unwanted') => {
      stream.off('close', unwanted)
      resolve(how)
    }
    const unwanted = () => {
      incoming.unpipe(stream)
      incoming.resume()
      ended('unwanted')
    }
    if (stream.destroyed) return unwanted()
    if (incoming.destroyed) return ended('cut off')
    incoming.once('end', () => ended('whole'))
    incoming.once('error', () => ended('cut off')).once('close', () => ended('cut off'))
    stream.once('close', unwanted)
    incoming.pipe(stream, { end: false })
  })
}

function noSuchCommand(): Refusal {
  return new Refusal('not_found', 'there is no command that takes this input', {
    hint: 'it has ended, or was started without "stdin"',
  })
}

function outOfOrder(): Refusal {
  return new Refusal('conflict', 'its input has ended, or another part of it is being sent', {
    hint: 'send one part after the other, all but the last with more=true',
  })
}
