import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { address } from '../client/api.ts'
import { usage } from '../client/failure.ts'
import { projectOf } from '../client/project.ts'
import { readStdin } from '../client/prompt.ts'
import type { Cli } from '../client/session.ts'
import { boolean, listOf, nullable, object, rawText, read, text, withDefault } from '../client/shape.ts'
import { bytes } from '../client/words.ts'

const shown = object({
  project: object({
    name: text,
    url: text,
    maintenance: withDefault(boolean, false),
    maintenancePage: nullable(rawText),
    maintenanceAllow: withDefault(listOf(text), []),
  }),
})

export interface MaintenanceOptions {
  /** A file, `-` for standard input; false: none any more. */
  readonly page?: string | false
  /** Addresses and ranges; false: nobody any more. */
  readonly allow?: readonly string[] | false
}

/** `nodepilot maintenance`: whether visitors come in, and what they get otherwise. */
export async function show(cli: Cli): Promise<void> {
  const { body } = await projectOf(cli, undefined)
  say(cli, body)
}

/** `nodepilot maintenance on`: in force when it returns. What is not named stays as it was set before. */
export async function on(
  cli: Cli,
  name: string | undefined,
  { page, allow }: MaintenanceOptions,
): Promise<void> {
  const change = {
    maintenance: true,
    ...(page === undefined ? {} : { maintenancePage: page === false ? null : await readPage(cli, page) }),
    ...(allow === undefined ? {} : { maintenanceAllow: allow === false ? [] : allow }),
  }
  await send(cli, name, change)
}

/** Page and addresses are kept for the next time. */
export function off(cli: Cli, name: string | undefined): Promise<void> {
  return send(cli, name, { maintenance: false })
}

async function send(cli: Cli, name: string | undefined, change: object): Promise<void> {
  const { api, project } = await projectOf(cli, name)
  const { body } = await api.ask('PATCH', address`/api/project/${project.name}`, { body: change })
  say(cli, body)
}

async function readPage(cli: Cli, file: string): Promise<string> {
  if (file === '-') return readStdin(true)
  try {
    return await readFile(path.resolve(cli.directory, file), 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw usage(`${file} cannot be read (${code})`, 'name a file of HTML, or - for standard input')
  }
}

function say(cli: Cli, body: unknown): void {
  if (cli.out.json) {
    cli.out.document(body)
    return
  }
  const { project } = read(shown, body)
  const { name, url, maintenance, maintenancePage, maintenanceAllow } = project
  cli.out.line(
    maintenance ? `${name} is in maintenance: ${url} answers 503` : `${name} is not in maintenance`,
  )
  cli.out.line(
    `page    ${maintenancePage === null ? 'maintenance.html of the app, else a plain one' : `of its own, ${bytes(Buffer.byteLength(maintenancePage))}`}`,
  )
  cli.out.line(`allowed ${maintenanceAllow.join(' ') || 'nobody'}`)
  cli.out.note(
    maintenance ? `end it: nodepilot maintenance off -p ${name}` : `nodepilot maintenance on -p ${name}`,
  )
}
