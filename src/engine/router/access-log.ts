import type { RouteTable } from '../ports.ts'
import { type LogLimits, RotatingLog } from '../rotating-log.ts'
import { type Asked, clientOf, schemeOf } from './asked.ts'
import { fieldValue } from './http/fields.ts'

/** Lines wait so long for others, ms, or until they are so many bytes: one write for all of them. */
const flushMs = 250
const flushBytes = 64_000
/** What a client sends is cut off here, characters. */
const longestText = 1_000

/** How a request ended. */
export interface Ended {
  /** 0: the client left before there was an answer. */
  readonly status: number
  /** Until the answer began. */
  readonly ms: number
  readonly bytesIn: number
  readonly bytesOut: number
}

/**
 * One line a request, of the projects that want it, in the combined format of web servers with milliseconds and
 * request id behind it: `203.0.113.9 - - [time] "GET /cart HTTP/1.1" 200 512 "-" "curl/8" 3.1ms id https`. Query
 * strings are left out, of the Referer too: they carry tokens, addresses and what people searched for. The file is
 * a log of the project as its processes' are (`access.1`), so that whoever reads those can read it.
 */
export class AccessLog {
  readonly #limits: LogLimits
  readonly #clock: () => number
  #projects = new Map<string, ProjectLog>()
  #timer: NodeJS.Timeout | undefined
  #ending = false

  constructor(limits: LogLimits, clock: () => number) {
    this.#limits = limits
    this.#clock = clock
  }

  /** From now on those of this table. */
  use({ routes }: RouteTable): void {
    this.flush()
    const before = this.#projects
    this.#projects = new Map(
      routes.flatMap(({ project, accessLog }) => {
        if (accessLog === undefined) return []
        const known = before.get(project)
        return [[project, known?.file === accessLog ? known : this.#open(accessLog)] as const]
      }),
    )
  }

  add(project: string, release: number | null, asked: Asked, ended: Ended): void {
    const log = this.#projects.get(project)
    if (!log) return
    const time = new Date(this.#clock()).toISOString()
    const record = {
      message: `${lineOf(asked, ended, time)}\n`,
      timestamp: time,
      type: ended.status >= 500 ? 'err' : 'out',
      app_name: `${project}/access.1/v${release ?? 0}/g0`,
    }
    log.waiting.push(Buffer.from(`${JSON.stringify(record)}\n`))
    log.bytes += log.waiting.at(-1)?.length ?? 0
    if (log.bytes > flushBytes) flushOne(log)
    else this.#timer ??= setTimeout(() => this.flush(), flushMs).unref()
  }

  /** The router ends: what waits is written at once. */
  end(): void {
    this.#ending = true
    this.flush()
  }

  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    for (const log of this.#projects.values()) flushOne(log)
  }

  #open(file: string): ProjectLog {
    const isEnding = () => this.#ending
    const options = {
      limits: () => this.#limits,
      // beside the traffic, unless nothing comes after
      get atOnce() {
        return isEnding()
      },
    }
    const log = new RotatingLog(file, options)
    return { file, log, waiting: [], bytes: 0 }
  }
}

interface ProjectLog {
  readonly file: string
  readonly log: RotatingLog
  waiting: Buffer[]
  bytes: number
}

function flushOne(one: ProjectLog): void {
  if (one.waiting.length === 0) return
  one.log.write(Buffer.concat(one.waiting))
  one.waiting = []
  one.bytes = 0
}

function lineOf(asked: Asked, { status, ms, bytesOut }: Ended, time: string): string {
  const { method, path, minor, fields, requestId } = asked
  const referer = withoutQuery(fieldValue(fields, 'referer') ?? '-')
  const agent = fieldValue(fields, 'user-agent') ?? '-'
  const request = `${quoted(`${method} ${withoutQuery(path)} HTTP/1.${minor}`)}`
  return `${clientOf(asked)} - - [${time}] ${request} ${status || 499} ${bytesOut} ${quoted(referer)} ${quoted(agent)} ${ms.toFixed(1)}ms ${requestId} ${schemeOf(asked)}`
}

function withoutQuery(text: string): string {
  const end = text.search(/[?#]/)
  return end < 0 ? text : text.slice(0, end)
}

/** Nothing in it can end the text or the line, or reach a terminal. */
function quoted(text: string): string {
  const safe = text
    .slice(0, longestText)
    .replace(/[^ -~]|["\\]/g, (sign) => `\\x${(sign.codePointAt(0) ?? 0).toString(16).padStart(2, '0')}`)
  return `"${safe}"`
}
