import { stat } from 'node:fs/promises'
import { version } from '../../installation.ts'
import { address } from '../client/api.ts'
import { runCommand } from '../client/command.ts'
import { exit } from '../client/failure.ts'
import { type Cli, isPublic, type Target, tokenFor } from '../client/session.ts'
import { mapOf, nullable, object, read, text } from '../client/shape.ts'
import { oneProject, signedIn } from '../client/shapes.ts'
import { machine } from './doctor-machine.ts'
import { type Finding, failed } from './finding.ts'

/** `nodepilot doctor`: here, the way, the server, the project. Fails when something is broken. */
export async function doctor(cli: Cli): Promise<number> {
  const findings: Finding[] = []
  for (const check of [node, git, settingsFile]) findings.push(await check(cli))
  const target = await cli.target().catch(() => null)
  if (target) findings.push(...(await server(cli, target)))
  else
    findings.push({ check: 'Server', state: 'warning', says: 'none is known', hint: 'nodepilot login <url>' })
  if (cli.out.json) cli.out.document({ checks: findings })
  else print(cli, findings)
  return findings.some(({ state }) => state === 'failed') ? exit.failed : exit.done
}

function print(cli: Cli, findings: readonly Finding[]): void {
  const { green, yellow, red, dim } = cli.out.colours
  const paint = { ok: green, warning: yellow, failed: red }
  for (const { check, state, says, hint } of findings) {
    cli.out.line(`${paint[state](state.padEnd(7))} ${check.padEnd(11)} ${says}`)
    if (hint !== undefined) cli.out.line(dim(`${' '.repeat(20)}${hint}`))
  }
}

async function node(): Promise<Finding> {
  return { check: 'Command', state: 'ok', says: `nodepilot ${version}, Node ${process.versions.node}` }
}

async function git(cli: Cli): Promise<Finding> {
  const { code, out } = await runCommand('git', ['--version'], { directory: cli.directory })
  if (code !== 0)
    return {
      check: 'Git',
      state: 'warning',
      says: 'it is not installed',
      hint: 'nodepilot deploy works without it',
    }
  const remote = await cli.remote()
  const says = remote
    ? `remote "nodepilot" leads to ${remote.project} at ${remote.server}`
    : 'no remote "nodepilot" in this folder'
  const version = out.trim().replace('git version ', 'git ')
  return { check: 'Git', state: 'ok', says: `${version}; ${says}` }
}

async function settingsFile(cli: Cli): Promise<Finding> {
  const check = 'Settings'
  const { file } = cli.settings
  const found = await stat(file).catch(() => null)
  if (!found) return { check, state: 'ok', says: `${file} (not there yet)` }
  try {
    await cli.settings.read()
  } catch (error) {
    return failed(check, error)
  }
  if ((found.mode & 0o077) === 0) return { check, state: 'ok', says: file }
  return { check, state: 'failed', says: `${file} can be read by others`, hint: `chmod 600 ${file}` }
}

async function server(cli: Cli, target: Target): Promise<Finding[]> {
  const { state, finding } = await reach(cli, target.server)
  if (finding.state === 'failed') return [finding]
  const findings = [finding, ...(state ? [clock(cli, state.date), skew(state.version)] : []), way(target)]
  const account = await signIn(cli, target)
  findings.push(account)
  if (account.state === 'failed') return findings
  return [...findings, ...(await machine(await cli.connect())), ...(await project(cli))]
}

interface State {
  readonly date: string | undefined
  readonly version: string | null
}

const health = object({ status: text, version: nullable(text), checks: mapOf(text) })

/** 503 is an answer here: it says that a part is not well. */
async function reach(
  cli: Cli,
  server: string,
): Promise<{ readonly finding: Finding; readonly state: State | null }> {
  const began = performance.now()
  const check = 'Server'
  try {
    const question = { timeoutMs: 15_000, alsoGood: 503 }
    const { body, headers } = await cli.knock(server).ask('GET', '/health', question)
    const { status, version, checks } = read(health, body)
    const state = { date: headers.date, version }
    const says = `${server} is ${status}, ${Math.round(performance.now() - began)} ms away`
    const unwell = Object.keys(checks).filter((part) => checks[part] !== 'ok')
    if (unwell.length === 0) return { finding: { check, state: 'ok', says }, state }
    const hint = 'look into the log of the server: journalctl -u nodepilot, or what serve prints'
    const finding = {
      check,
      state: 'warning',
      says: `${says}; not well: ${unwell.join(', ')}`,
      hint,
    } as const
    return { finding, state }
  } catch (error) {
    return { finding: failed(check, error), state: null }
  }
}

/** Sessions and tokens end by the clock. */
function clock(cli: Cli, date: string | undefined): Finding {
  const apart = Math.abs(Date.parse(date ?? '') - cli.clock())
  if (!(apart > 120_000)) return { check: 'Clock', state: 'ok', says: 'the same here and there' }
  const says = `${Math.round(apart / 1000)} s apart from the server's`
  return { check: 'Clock', state: 'warning', says, hint: 'set the clock by NTP, here or there' }
}

function skew(there: string | null): Finding {
  const check = 'Version'
  if (there === version) return { check, state: 'ok', says: `${version} here and there` }
  const says = `${version} here, ${there ?? 'an older one'} on the server`
  return {
    check,
    state: 'warning',
    says,
    hint: there === null ? 'upgrade the server' : `npx nodepilot@${there} doctor`,
  }
}

function way({ server, from }: Target): Finding {
  const { protocol, hostname } = new URL(server)
  const says = `${protocol.slice(0, -1)}; the address is from the ${from}`
  if (protocol === 'https:' || !isPublic(hostname)) return { check: 'Way', state: 'ok', says }
  const hint = 'put Caddy in front of the server: Caddyfile'
  return {
    check: 'Way',
    state: 'warning',
    says: 'plain HTTP: passwords and tokens can be read on the way',
    hint,
  }
}

async function signIn(cli: Cli, target: Target): Promise<Finding> {
  try {
    tokenFor(await cli.settings.read(), target, cli.environment)
    const { user } = read(signedIn, await (await cli.connect()).get('/api/auth/verify'))
    return { check: 'Account', state: 'ok', says: `${user.username} (${user.role})` }
  } catch (error) {
    return failed('Account', error)
  }
}

async function project(cli: Cli): Promise<Finding[]> {
  const check = 'Project'
  const name = await cli.projectIfAny()
  if (name === null) return []
  try {
    const { project } = read(oneProject, await (await cli.connect()).get(address`/api/project/${name}`))
    const state = project.sleeping && project.status === 'running' ? 'asleep' : project.status
    const says = `${project.name} is ${state}${project.release === null ? '' : ` with v${project.release}`}`
    if (project.status !== 'error') return [{ check, state: 'ok', says }]
    return [{ check, state: 'failed', says, hint: `nodepilot logs -p ${project.name}` }]
  } catch (error) {
    return [failed(check, error)]
  }
}
