import { Refusal } from '../../domain/refusal.ts'
import { describeExit, type Exit, wasKilled } from '../../shell.ts'

/** The words of pnpm, yarn and bun in, one sentence and a next step out. */

type Kind = 'pnpm' | 'yarn' | 'berry' | 'bun'

const commands: Readonly<Record<Kind, string>> = {
  pnpm: 'pnpm install',
  yarn: 'yarn install',
  berry: 'yarn install',
  bun: 'bun install',
}
export const lockfileNames: Readonly<Record<Kind, string>> = {
  pnpm: 'pnpm-lock.yaml',
  yarn: 'yarn.lock',
  berry: 'yarn.lock',
  bun: 'bun.lock',
}

export function explainOther(
  kind: Kind,
  exit: Pick<Exit, 'code' | 'signal'>,
  heard: readonly string[],
): Refusal {
  const command = commands[kind]
  if (wasKilled(exit)) {
    return new Refusal('out_of_memory', `${command} was killed, most likely for want of memory`, {
      hint: 'give the server more memory or swap, then push again',
    })
  }
  // pnpm 12 breaks its lines for a terminal, in the middle of words too
  const plain = heard.map((line) => line.replace(/^[\s│├╰─▶×➤]+/, '')).join('\n')
  const text = kind === 'pnpm' ? plain.replace(/(\w-)\n(?=\w)/g, '$1') : plain
  for (const { when, say } of explanations) {
    const match = when.exec(text)
    if (match) return say(match, { kind, command, lockfile: lockfileNames[kind], text })
  }
  const first = heard.find((line) => /\b(ERR_|error\b|Error:)/i.test(line))?.trim()
  const what = `${command} ${describeExit(exit)}`
  return new Refusal('install_failed', first ? `${what}: ${first}` : what, {
    hint: `run "${command}" locally, correct what it says, commit, push again`,
  })
}

interface Facts {
  readonly kind: Kind
  readonly command: string
  readonly lockfile: string
  readonly text: string
}

interface Explanation {
  readonly when: RegExp
  readonly say: (match: RegExpExecArray, facts: Facts) => Refusal
}

const explanations: readonly Explanation[] = [
  {
    when: /\b(ENOSPC|EDQUOT)\b|no space left on device/i,
    say: () =>
      new Refusal('disk_full', 'the disk is full', {
        hint: 'free some space on the server, then push again',
      }),
  },
  {
    when: /ERR_PNPM_(OUTDATED_LOCKFILE|LOCKFILE_CONFIG_MISMATCH|NO_LOCKFILE)|lockfile needs to be updated|YN0028|lockfile had changes, but lockfile is frozen/,
    say: (_, { command, lockfile, text }) =>
      refuse(`package.json and ${lockfile} do not match`, `run "${command}" and commit ${lockfile}`, text, [
        /^\*? ?\d+ dependenc(y|ies) (was|were) .*/gm,
        /^YN0028: │ [-+] .*/gm,
        /^note: dependencies in .*/gm,
      ]),
  },
  {
    when: /ERR_PNPM_(BROKEN_LOCKFILE|LOCKFILE_BREAKING_CHANGE|LOCKFILE_MISSING_DEPENDENCY)|merge conflict|Invalid value type|InvalidLockfile|ParserError|Failed to parse lockfile|YN0038/i,
    say: (_, { command, lockfile }) =>
      refuse(`${lockfile} is broken, or of another version`, `run "${command}" and commit ${lockfile}`),
  },
  {
    when: /No matching version found for (\S+?)\.?(?:\s|$)|Couldn't find any versions for "([^"]+)" that matches "([^"]+)"|(\S+)@npm:(\S+): No candidates found|No version matching "([^"]+)" found for specifier "([^"]+)"/,
    say: (match, { command, lockfile }) => {
      const [, pnpm, yarn, yarnRange, berry, berryRange, bunRange, bun] = match
      const what =
        pnpm ?? (yarn ? `${yarn}@${yarnRange}` : berry ? `${berry}@${berryRange}` : `${bun}@${bunRange}`)
      return refuse(
        `no matching version found for ${what}`,
        `correct its version in package.json, run "${command}" and commit ${lockfile}`,
      )
    },
  },
  {
    when: /ERR_PNPM_FETCH_404[\s\S]*?GET \S*?\/((?:@|%40)[^/\s]+(?:\/|%2f)[^/\s:]+|[^/\s:]+):|Couldn't find package "([^"]+)"|(\S+)@npm:\S+: Package not found|GET \S+?\/((?:@[^/\s]+\/)?[^/\s]+) - 404/i,
    say: (match) => {
      const name = match.slice(1).find((group) => group !== undefined) ?? 'of that name'
      return refuse(
        `the npm registry has no package ${decodeURIComponent(name)}`,
        'correct its name, or give .npmrc the registry and token it needs',
      )
    },
  },
  {
    when: /ERR_PNPM_FETCH_40[13]|\b40[13] (Unauthorized|Forbidden)|Request failed "40[13]|YN0041|- 40[13]\b/i,
    say: () =>
      refuse(
        'the npm registry refused the credentials',
        'set the token that .npmrc or .yarnrc.yml names as a config var',
      ),
  },
  {
    when: /\b(ENOTFOUND|ECONNREFUSED|ECONNRESET|EAI_AGAIN|ETIMEDOUT|ESOCKETTIMEDOUT|ENETUNREACH|EHOSTUNREACH)\b|\b(ConnectionRefused|ConnectionClosed|FailedToOpenSocket|DNSResolveFailed|Timeout) downloading|trouble with your network connection|error sending request|(Connection refused|dns error)/,
    say: (match, { text }) =>
      refuse(
        `the npm registry cannot be reached (${match[1] ?? match[2] ?? match[3] ?? 'no connection'})`,
        'check the network of the server, then push again',
        text,
        [/request to \S+ failed/g, /Failed to fetch \S+:/g],
      ),
  },
  {
    when: /ERR_PNPM_TARBALL_INTEGRITY|Integrity check failed|YN0018/i,
    say: (_, { command, lockfile }) =>
      refuse(
        `a package is not the one that ${lockfile} names`,
        `push again with "-o no-cache"; if it stays, remove ${lockfile}, run "${command}" and commit it`,
      ),
  },
  {
    when: /ERR_PNPM_IGNORED_BUILDS/,
    say: (_, { text }) =>
      refuse(
        'pnpm wants to know which packages may run install scripts',
        'run "pnpm approve-builds" and commit',
        text,
        [/^Ignored build scripts: .*/gm],
      ),
  },
  {
    when: /ERR_PNPM_UNSUPPORTED_ENGINE|The engine "node" is incompatible|Found incompatible module/,
    say: (_, { text }) =>
      refuse(
        'a package does not work with this version of Node',
        'set "engines.node" in package.json to a version that it works with',
        text,
        [/^error (\S+): The engine .*/gm, /^(Your Node version is|Expected version:|Got:).*/gm],
      ),
  },
  {
    when: /node_modules\/((?:@[^/\s]+\/)?[^/\s:]+) (?:pre|post)?install: Failed|^error \S*node_modules\/((?:@[^/\s]+\/)?[^/\s:]+): Command failed|YN0009: │ (\S+)@npm:\S+ couldn't be built|script from "([^"]+)" exited|script from "([^"]+)" terminated/m,
    say: (match, { command, text }) => {
      const name = match.slice(1).find((group) => group !== undefined)
      const hint = /gyp/.test(text)
        ? 'it must be compiled: install build tools on the server (python3, make, g++)'
        : `read its output above; run "${command}" locally on the same version of Node`
      return refuse(`the install script of ${name} failed`, hint)
    },
  },
]

function refuse(sentence: string, hint: string, text = '', patterns: readonly RegExp[] = []): Refusal {
  const found = patterns.flatMap((pattern) => [...text.matchAll(pattern)].map(([line]) => line.trim()))
  const lines = [...new Set(found)].slice(0, 5)
  return new Refusal('install_failed', sentence, { hint, ...(lines.length ? { lines } : {}) })
}
