import { hostname } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import type { Api } from '../client/api.ts'
import { createApi } from '../client/api.ts'
import { openInBrowser } from '../client/browser.ts'
import { exit, Failure, usage } from '../client/failure.ts'
import { ask, askHidden, readStdin, terminal } from '../client/prompt.ts'
import { type Cli, toOrigin, warnOfPlainHttp } from '../client/session.ts'
import { nullable, number, object, type Read, read, secret, text, withDefault } from '../client/shape.ts'
import { session, signedIn } from '../client/shapes.ts'
import type { LoginFlags } from '../register/accounts.ts'

interface Credential {
  readonly token: string
  readonly username: string
  readonly expiresAt: string | null
}

/** `nodepilot login`: by a link that is approved in the panel, by a password, or with a token. */
export async function login(cli: Cli, url: string | undefined, flags: LoginFlags): Promise<void> {
  const server = await whichServer(cli, url)
  warnOfPlainHttp(server, cli.out)
  const api = cli.knock(server)
  const credential = await obtain(cli, api, flags)
  await cli.settings.change(({ servers }) => ({
    current: server,
    servers: { ...servers, [server]: credential },
  }))
  const { username, expiresAt } = credential
  if (cli.out.json) return cli.out.document({ server, username, expiresAt })
  cli.out.line(`signed in to ${server} as ${username}`)
}

async function whichServer(cli: Cli, url: string | undefined): Promise<string> {
  if (url !== undefined) return toOrigin(url)
  const target = await cli.target()
  if (target) return target.server
  throw usage('which server?', 'nodepilot login https://pilot.example.com')
}

function obtain(cli: Cli, api: Api, flags: LoginFlags): Promise<Credential> {
  if (flags.token !== undefined) return byToken(cli, api, flags.token)
  if (flags.username !== undefined || flags.passwordStdin) return byPassword(api, flags)
  if (terminal().present || flags.device) return byDevice(cli, api, flags.open ?? false)
  throw usage(
    'there is no terminal to show a link at',
    'give --token -, or --username and --password-stdin, or --device to wait for the link all the same',
  )
}

async function byToken(cli: Cli, api: Api, given: string): Promise<Credential> {
  const token = given === '-' ? await readStdin() : given
  if (!/^[\x21-\x7e]+$/.test(token))
    throw usage('that is no token', 'make one: nodepilot tokens create laptop')
  const withToken = createApi({ server: api.server, token, signal: cli.signal, agent: 'nodepilot' })
  const { user } = read(signedIn, await withToken.get('/api/auth/verify'))
  return { token, username: user.username, expiresAt: null }
}

async function byPassword(api: Api, flags: LoginFlags): Promise<Credential> {
  const username = flags.username ?? (await ask('User name: ', 'give it with --username'))
  const password = flags.passwordStdin
    ? await readStdin()
    : await askHidden(`Password of ${username}: `, 'give it with --password-stdin')
  const { body } = await api
    .ask('POST', '/api/auth/login', { body: { username, password } })
    .catch(wrongPassword)
  const { token, expiresAt, user } = read(session, body)
  return { token, username: user.username, expiresAt }
}

function wrongPassword(error: unknown): never {
  if (!(error instanceof Failure) || error.exitCode !== exit.notSignedIn) throw error
  throw new Failure(
    error.code,
    error.message,
    'try again: nodepilot login --username <name>',
    exit.notSignedIn,
  )
}

const device = object({
  deviceCode: secret,
  userCode: text,
  url: text,
  expiresAt: nullable(text),
  intervalMs: withDefault(number, 2000),
})

/** After RFC 8628: the panel, where somebody is signed in, vouches for this machine. */
async function byDevice(cli: Cli, api: Api, open: boolean): Promise<Credential> {
  const { body } = await api.ask('POST', '/api/auth/device', {
    body: { name: hostname().slice(0, 100) || 'command line' },
  })
  const asked = read(device, body)
  cli.out.note(`Open   ${asked.url}`)
  cli.out.note(`Code   ${asked.userCode}`)
  cli.out.note('Approve only if the page shows this code. Waiting …')
  if (open && !(await openInBrowser(asked.url)))
    cli.out.note('no browser could be started; open the link by hand')
  return waitForApproval(cli, api, asked)
}

async function waitForApproval(cli: Cli, api: Api, asked: Read<typeof device>): Promise<Credential> {
  let intervalMs = Math.min(Math.max(asked.intervalMs, 100), 30_000)
  for (;;) {
    await pause(intervalMs, undefined, { signal: cli.signal })
    const answer = await api
      .ask('POST', '/api/auth/device/token', { body: { deviceCode: asked.deviceCode } })
      .catch((error: unknown) => slowedDown(error))
    if (answer !== null && answer.status !== 202) {
      const { token, expiresAt, user } = read(session, answer.body)
      return { token, username: user.username, expiresAt }
    }
    if (expired(asked.expiresAt, cli.clock())) throw tooLate()
    if (answer === null) intervalMs = Math.min(intervalMs * 2, 30_000)
  }
}

function expired(time: string | null, now: number): boolean {
  return time !== null && Date.parse(time) + 10_000 < now
}

function tooLate(): Failure {
  return new Failure(
    'not_found',
    'nobody approved in time',
    'ask for a new link: nodepilot login',
    exit.notSignedIn,
  )
}

/** Asked too often, or the server starts again: null, and go slower. Everything else ends the waiting. */
function slowedDown(error: unknown): null {
  if (error instanceof Failure) {
    if (error.code === 'too_many_requests' || error.exitCode === exit.unreachable) return null
    throw new Failure(error.code, error.message, 'ask for a new link: nodepilot login', exit.notSignedIn)
  }
  throw error
}

/** `nodepilot logout`: the session ends on the server too; a token of its own goes on until it is removed. */
export async function logout(cli: Cli): Promise<void> {
  const target = await cli.target()
  const { servers } = await cli.settings.read()
  const kept = target && servers[target.server]
  if (!target || !kept) {
    throw new Failure('unauthorized', 'not signed in', 'sign in: nodepilot login <url>', exit.notSignedIn)
  }
  const api = createApi({ server: target.server, token: kept.token, signal: cli.signal, agent: 'nodepilot' })
  const ended = await api.ask('POST', '/api/auth/logout', { body: {}, timeoutMs: 10_000 }).then(
    () => true,
    (error: unknown) => error instanceof Failure && error.exitCode === exit.notSignedIn,
  )
  await cli.settings.change(({ current, servers: { [target.server]: _, ...others } }) => ({
    current: current === target.server ? null : current,
    servers: others,
  }))
  if (!ended) cli.out.note(`warning: ${target.server} did not hear of it; the session there ends by itself`)
  if (cli.out.json) return cli.out.document({ server: target.server })
  cli.out.line(`signed out of ${target.server}`)
}
