import type { Command, Option } from 'commander'
import { address } from '../client/api.ts'
import type { Cli } from '../client/session.ts'
import { listOf, object, read, text } from '../client/shape.ts'
import { configVars, cronJobs, projects, releases, tokens } from '../client/shapes.ts'
import { fetchSettings } from './settings.ts'

/** What may stand in the place of the last word, one a line. Never an error: nobody wants one at a Tab. */
export async function complete(cli: Cli, program: Command, words: readonly string[]): Promise<void> {
  const begun = words.at(-1) ?? ''
  const found = await candidates(cli, program, words.slice(0, -1), begun).catch(() => [])
  for (const word of found) {
    // a shell reads these words: names are checked by the server, but it need not be a good one
    if (word.startsWith(begun) && /^[\w.@%+=:,/-]+$/.test(word)) cli.out.line(word)
  }
}

async function candidates(
  cli: Cli,
  program: Command,
  before: readonly string[],
  begun: string,
): Promise<readonly string[]> {
  if (before.includes('--')) return []
  const { command, waiting, operands } = walk(program, before)
  if (waiting) return valuesOf(cli, waiting)
  if (begun.startsWith('-')) return flagsOf([program, command])
  const verbs = command.commands.filter(isShown).map((one) => one.name())
  const argument = command.registeredArguments[operands] ?? variadic(command)
  return [...verbs, ...(argument === undefined ? [] : await argumentsOf(cli, command, argument.name()))]
}

/** Which command the words before have led to, and whether the last of them waits for its value. */
function walk(program: Command, before: readonly string[]) {
  let command = program
  let waiting: Option | undefined
  let operands = 0
  for (const word of before) {
    if (waiting) waiting = undefined
    else if (word.startsWith('-')) waiting = takesValue(word, [program, command])
    else {
      const next = command.commands.find((one) => one.name() === word || one.aliases().includes(word))
      if (next) command = next
      else operands++
    }
  }
  return { command, waiting, operands }
}

function takesValue(word: string, commands: readonly Command[]): Option | undefined {
  return commands
    .flatMap((command) => command.options)
    .find((option) => (option.short === word || option.long === word) && (option.required || option.optional))
}

function flagsOf(commands: readonly Command[]): string[] {
  const flags = commands.flatMap((command) => command.options.filter((option) => !option.hidden))
  return [...new Set([...flags.map((option) => option.long ?? ''), '--help'])].sort()
}

function isShown(command: Command): boolean {
  return !(command as Command & { readonly _hidden?: boolean })._hidden
}

function variadic(command: Command) {
  const last = command.registeredArguments.at(-1)
  return last?.variadic ? last : undefined
}

const choices: Readonly<Record<string, readonly string[]>> = {
  '--scope': ['push', 'read', 'admin'],
  '--stream': ['out', 'err'],
  '--range': ['1h', '24h', '7d'],
  '--type': ['web', 'worker'],
}

async function valuesOf(cli: Cli, option: Option): Promise<readonly string[]> {
  if (option.long === '--project') return projectNames(cli)
  if (option.long === '--server') return Object.keys((await cli.settings.read()).servers)
  if (option.long === '--role') return ['viewer', 'deployer', 'owner', 'member', 'admin']
  return choices[option.long ?? ''] ?? []
}

async function argumentsOf(cli: Cli, command: Command, argument: string): Promise<readonly string[]> {
  const where = `${command.parent?.name()} ${command.name()}`
  if (argument === 'project') return projectNames(cli)
  if (argument === 'shell') return ['bash', 'zsh', 'fish']
  if (argument === 'release') return releaseNames(cli)
  if (argument === 'key') return configNames(cli)
  if (argument === 'setting' || argument === 'name=value') {
    const names = Object.keys(await fetchSettings(await cli.connect()))
    return argument === 'setting' ? names : names.map((name) => `${name}=`)
  }
  if (argument === 'url') return Object.keys((await cli.settings.read()).servers)
  if (where === 'domains rm' || where === 'domains check') return domainNames(cli)
  if (where === 'tokens rm') return tokenIds(cli)
  if (where === 'cron run' || where === 'cron logs' || where === 'cron runs') return jobNames(cli)
  if (where === 'nodepilot scale') return ['web=', 'worker=']
  return []
}

async function projectNames(cli: Cli): Promise<readonly string[]> {
  const body = await (await cli.connect()).get('/api/project/list')
  return read(projects, body).projects.map(({ name }) => name)
}

async function releaseNames(cli: Cli): Promise<readonly string[]> {
  const body = await (await cli.connect()).get(address`/api/project/${await cli.project()}/releases`)
  const kept = read(releases, body).releases.filter(({ available, current }) => available && !current)
  return kept.map(({ number }) => `v${number}`)
}

async function configNames(cli: Cli): Promise<readonly string[]> {
  const body = await (await cli.connect()).get(address`/api/project/${await cli.project()}/env`)
  return Object.keys(read(configVars, body).envVars)
}

async function domainNames(cli: Cli): Promise<readonly string[]> {
  const body = await (await cli.connect()).get(address`/api/project/${await cli.project()}/domains`)
  return read(object({ domains: listOf(object({ domain: text })) }), body).domains.map(({ domain }) => domain)
}

async function jobNames(cli: Cli): Promise<readonly string[]> {
  const body = await (await cli.connect()).get(address`/api/project/${await cli.project()}/cron`)
  return read(cronJobs, body).jobs.map(({ name }) => name)
}

async function tokenIds(cli: Cli): Promise<readonly string[]> {
  const body = await (await cli.connect()).get('/api/auth/tokens')
  return read(tokens, body).tokens.map(({ id }) => `${id}`)
}
