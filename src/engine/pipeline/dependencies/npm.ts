import { Refusal } from '../../domain/refusal.ts'
import { type Command, describeExit, type Exit, wasKilled } from '../../shell.ts'
import { type BuildTools, baseEnvironment } from '../scripts.ts'
import type { InstallRun } from './run-install.ts'

/** npm's command line, and in one sentence why it failed. */

/** npm's own would keep people waiting for over a minute when the registry is away. What the operator sets wins. */
export const patience = {
  npm_config_fetch_retries: '2',
  npm_config_fetch_retry_mintimeout: '500',
  npm_config_fetch_retry_factor: '3',
}

/** Development dependencies come along: the build needs them. */
export function npmCommand(
  { frozen, cwd, noCache, variables, home }: InstallRun,
  tools: BuildTools,
): Command {
  const command = frozen ? 'ci' : 'install'
  const args = [
    command,
    '--include=dev',
    ...(command === 'install' ? ['--no-package-lock'] : []),
    '--no-audit',
    '--no-fund',
    '--no-update-notifier',
    '--no-progress',
    '--loglevel=error',
    '--logs-max=0',
    `--cache=${tools.npmCache}`,
    // What a lockfile names never changes, so the cache needs no second opinion; a range may have moved on.
    ...(noCache ? ['--prefer-online'] : command === 'ci' ? ['--prefer-offline'] : []),
  ]
  return { file: 'npm', args, cwd, env: { ...patience, ...variables, ...baseEnvironment(tools, home) } }
}

/** Exported for its tests: npm's own words in, one sentence and a next step out. */
export function explainNpm(
  { command }: { readonly command: 'ci' | 'install' },
  exit: Pick<Exit, 'code' | 'signal'>,
  errors: readonly string[],
): Refusal {
  if (wasKilled(exit)) {
    return new Refusal('out_of_memory', `npm ${command} was killed, most likely for want of memory`, {
      hint: 'give the server more memory or swap, then push again',
    })
  }
  const text = errors.join('\n')
  const code = /^code (\S+)/m.exec(text)?.[1] ?? ''
  const known = explanations.find(({ when }) => when.test(code))?.say(text)
  if (known) return known
  const failed = failedScript(text)
  if (failed) return failed
  const first = errors.find(
    (line) => line.trim() !== '' && !/^(code|errno|syscall|path|A complete log)\b/.test(line),
  )
  const what = `npm ${command} ${describeExit(exit)}`
  return new Refusal('install_failed', first ? `${what}: ${first.trim()}` : what, { hint: locally(command) })
}

interface Explanation {
  readonly when: RegExp
  readonly say: (text: string) => Refusal | null
}

const explanations: readonly Explanation[] = [
  {
    when: /^EUSAGE$/,
    say: (text) =>
      refuse(
        'package.json and package-lock.json do not match',
        'run "npm install" and commit package-lock.json',
        {
          lines: lines(text, /^(Missing|Invalid): .*/gm),
        },
      ),
  },
  {
    when: /^ETARGET$/,
    say: (text) =>
      refuse(
        `no matching version found for ${/No matching version found for (\S+?)(?: with a date.*)?\.?$/im.exec(text)?.[1] ?? 'a package'}`,
        'correct its version in package.json, run "npm install" and commit package-lock.json',
      ),
  },
  {
    when: /^E404$/,
    say: (text) =>
      refuse(
        `the npm registry has no package ${missingPackage(text)}`,
        'correct its name, or give .npmrc the registry and token it needs',
      ),
  },
  {
    when: /^E40[13]$|^ENEEDAUTH$/,
    say: () =>
      refuse('the npm registry refused the credentials', 'set the token that .npmrc names as a config var'),
  },
  {
    when: /^(ENOTFOUND|ECONNREFUSED|ECONNRESET|EAI_AGAIN|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT|E5\d\d|ENOTCACHED)$/,
    say: (text) =>
      refuse(
        `the npm registry cannot be reached (${/^code (\S+)/m.exec(text)?.[1]})`,
        'check the network of the server, then push again',
        {
          lines: lines(text, /request to \S+ failed/g),
        },
      ),
  },
  {
    when: /^EINTEGRITY$/,
    say: (text) =>
      refuse(
        `a package is not the one that the lockfile names${/\/-?([^/\s]+\.tgz)/.exec(text)?.[1] ? `: ${/([^/\s]+\.tgz)/.exec(text)?.[1]}` : ''}`,
        'push again with "-o no-cache"; if it stays, remove package-lock.json, run "npm install" and commit it',
      ),
  },
  {
    when: /^ERESOLVE$/,
    say: (text) =>
      refuse(
        'the versions that packages ask for exclude each other',
        'run "npm install" and follow what it says',
        {
          lines: lines(text, /^(While resolving|Found|Could not resolve dependency|peer ).*/gm),
        },
      ),
  },
  {
    when: /^EBADENGINE$/,
    say: (text) =>
      refuse(
        `${/^notsup Not compatible with your version of node\/npm: (\S+)/m.exec(text)?.[1] ?? 'a package'} does not work with this version of Node`,
        'set "engines.node" in package.json to a version that it works with',
        { lines: lines(text, /^notsup (Required|Actual):.*/gm) },
      ),
  },
  {
    when: /^EBADPLATFORM$/,
    say: (text) =>
      refuse(
        `${/Unsupported platform for ([^\s:]+)/.exec(text)?.[1] ?? 'a package'} does not work on this system`,
        'make it an optional dependency',
      ),
  },
  {
    when: /^(ENOSPC|EDQUOT)$/,
    say: () =>
      new Refusal('disk_full', 'the disk is full', {
        hint: 'free some space on the server, then push again',
      }),
  },
]

/** `npm error path /…/node_modules/bad` and `npm error command sh -c node-gyp rebuild`. */
function failedScript(text: string): Refusal | null {
  if (!/^command failed/m.test(text)) return null
  const name = /^path .*\/node_modules\/((?:@[^/\s]+\/)?[^/\s]+)$/m.exec(text)?.[1]
  const script = /^command (?:sh|\/bin\/sh) -c (.*)$/m.exec(text)?.[1]
  const which = name ? `the install script of ${name} failed` : 'an install script failed'
  const hint = /gyp/.test(text)
    ? 'it must be compiled: install build tools on the server (python3, make, g++)'
    : 'read its output above; run "npm ci" locally on the same version of Node'
  return refuse(script ? `${which}: ${script}` : which, hint)
}

function missingPackage(text: string): string {
  const requested = /'([^']+)' (?:is not in this registry|could not be found)/.exec(text)?.[1]
  const address = /Not Found - GET \S*?\/((?:@|%40)[^/\s]+(?:\/|%2f)[^/\s]+|[^/\s]+) - /i.exec(text)?.[1]
  return requested ?? (address ? decodeURIComponent(address) : 'of that name')
}

function refuse(sentence: string, hint: string, { lines = [] }: { lines?: readonly string[] } = {}): Refusal {
  return new Refusal('install_failed', sentence, { hint, ...(lines.length ? { lines } : {}) })
}

function lines(text: string, pattern: RegExp): string[] {
  return [...new Set([...text.matchAll(pattern)].map(([line]) => line))].slice(0, 5)
}

function locally(command: string): string {
  return `run "npm ${command}" locally, correct what it says, commit, push again`
}

/** npm points at logs that are not written, and advertises itself. */
export function isNoise(line: string): boolean {
  return (
    /^npm (error|ERR!) (A complete log of this run|Log files were not written|You can rerun)/.test(line) ||
    /^npm notice/.test(line)
  )
}
