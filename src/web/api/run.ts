import { stream } from 'hono/streaming'
import { z } from 'zod'
import type { OutputStream } from '../../engine/shell.ts'
import type { RunResult } from '../../engine/use-cases/run.ts'
import { type Endpoint, endpoint } from '../endpoint.ts'
import { paths } from '../paths.ts'
import { createRunInputs } from '../run-inputs.ts'
import type { Services } from '../services.ts'
import * as queries from './queries.ts'
import * as schemas from './schemas.ts'

const line = z
  .union([
    z
      .strictObject({ run: z.string().meta({ example: 'run.1' }), input: z.string() })
      .meta({ description: 'the first line of a command with `stdin`: the address its input is sent to' }),
    z.strictObject({
      stream: z.enum(['out', 'err']),
      text: z.string(),
      more: z.literal(true).optional().meta({
        description: 'the line is longer, and goes on with the next text of this stream',
      }),
    }),
    z.strictObject({
      exitCode: z.number().int(),
      error: z
        .strictObject({ code: z.string(), message: z.string(), hint: z.string().nullable() })
        .optional()
        .meta({ description: 'why it was ended, where it did not end by itself' }),
    }),
  ])
  .meta({ id: 'RunLine', description: 'A line of output; the last line is the exit code.' })

/** Above this much that the client has not taken yet, the command waits, characters. */
const mostWaiting = 64 * 1024

/** One-off commands. */
export function runApi({ engine, report }: Services): readonly Endpoint[] {
  const inputs = createRunInputs()
  return [
    endpoint({
      method: 'post',
      path: paths.api.run,
      tag: 'Processes',
      summary: 'Run a command once, in the files and with the config vars of the live release',
      description:
        'The answer is streamed: a JSON document a line, at last the exit code. Whoever closes the connection ' +
        'ends the command and everything it has started. With `stdin` the first line says where its input is sent to.',
      access: 'project.operate',
      body: schemas.run,
      example: { body: { command: ['node', '--version'] } },
      answers: {
        200: { description: 'its output as it comes', schema: line, type: 'application/x-ndjson' },
      },
      handler({ c, project, body, who }) {
        const left = new AbortController()
        const lines = new Lines()
        const input = body.stdin ? inputs.open(project.id) : null
        const begin = () =>
          engine.run(project, body, {
            who,
            ...(input && { input: input.stream }),
            signal: left.signal,
            output: (text, from, more) => lines.add({ stream: from, text, ...(more && { more }) }),
            full: () => lines.full(),
          })
        // begins here, so that a refusal is an answer of its own
        const { name, result } = input ? input.during(begin) : begin()
        if (input) lines.add({ run: name, input: `/api/project/${project.name}/run/${input.name}/input` })
        c.header('content-type', 'application/x-ndjson; charset=utf-8')
        c.header('x-content-type-options', 'nosniff')
        return stream(c, async (out) => {
          out.onAbort(() => {
            left.abort()
            lines.end()
          })
          result.then(
            (ended) => lines.end(lastLine(ended)),
            (error) => {
              report.error(`a command of ${project.name}`, error)
              lines.end({
                exitCode: 1,
                error: {
                  code: 'internal',
                  message: 'internal error',
                  hint: 'look into the log of the server',
                },
              })
            },
          )
          for await (const text of lines) {
            if (!left.signal.aborted) await out.write(text)
          }
        })
      },
    }),
    endpoint({
      method: 'post',
      path: paths.api.runInput,
      tag: 'Processes',
      summary: 'Send a command its standard input',
      description:
        'To the address that the first line of a command with `stdin` names: any bytes, of any length, taken as fast as the ' +
        'command reads. In one part, or in several one after the other, all but the last with `more=true`. A part that ' +
        'breaks off ends the command: half of its input must not look like all of it.',
      access: 'project.operate',
      query: queries.runInputQuery,
      raw: 'application/octet-stream',
      answers: { 204: { description: 'it was read, or is not wanted any more' } },
      async handler({ c, project, query }) {
        await inputs.take(project.id, c.req.param('run') ?? '', c.env.incoming, query.more === 'true')
        return c.body(null, 204)
      },
    }),
  ]
}

type Line =
  | { readonly run: string; readonly input: string }
  | { readonly stream: OutputStream; readonly text: string; readonly more?: true }
  | {
      readonly exitCode: number
      readonly error?: { readonly code: string; readonly message: string; readonly hint: string | null }
    }

function lastLine({ exitCode, refusal }: RunResult): Line {
  if (!refusal) return { exitCode }
  const { code, message, hint } = refusal
  return { exitCode, error: { code, message, hint: hint ?? null } }
}

/** Between a command that writes and a client that reads: what waits is bounded. */
class Lines implements AsyncIterable<string> {
  #waiting = ''
  #ended = false
  #wake = () => {}
  #room: { readonly promise: Promise<void>; readonly resolve: () => void } | null = null

  add(one: Line): void {
    if (this.#ended) return
    this.#waiting += `${JSON.stringify(one)}\n`
    this.#wake()
  }

  /** Unsettled while too much waits. */
  full(): Promise<void> | undefined {
    if (this.#ended || this.#waiting.length < mostWaiting) return undefined
    this.#room ??= roomToCome()
    return this.#room.promise
  }

  end(last?: Line): void {
    if (last) this.add(last)
    this.#ended = true
    this.#room?.resolve()
    this.#wake()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string> {
    for (;;) {
      const text = this.#waiting
      this.#waiting = ''
      if (text) yield text
      // only now has the reader taken it
      this.#room?.resolve()
      this.#room = null
      if (this.#waiting) continue
      if (this.#ended) return
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}

function roomToCome() {
  let resolve = () => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}
