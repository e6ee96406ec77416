import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'

/** What of the operator's environment reaches other processes, and what is left of it here. */

/** Empties the environment down to what a process needs to run at all. Call once, after `readConfig`. */
export function emptyEnvironment(environment: NodeJS.ProcessEnv): void {
  for (const key of Object.keys(environment)) if (!allowed.has(key)) delete environment[key]
}

const allowed: ReadonlySet<string> = new Set(['PATH', 'HOME', 'LANG', 'TZ', 'TMPDIR'])
const proxies = /^(https?_proxy|no_proxy|HTTPS?_PROXY|NO_PROXY|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR))$/

/** What every child process may see. */
export function childEnvironment(environment: NodeJS.ProcessEnv): Record<string, string> {
  return {
    PATH: systemPath(environment),
    LANG: environment.LANG || 'C.UTF-8',
    ...pick(environment, /^TZ$/),
  }
}

/**
 * npm's settings of the operator: registry, certificates, headers of node. What npm itself exports to the
 * scripts it runs (`npm start`) is not among them: it would point builds at our own package.
 */
export function npmEnvironment(environment: NodeJS.ProcessEnv): Record<string, string> {
  const runByNpm = environment.npm_lifecycle_event !== undefined
  const userConfig = path.join(environment.HOME || homedir(), '.npmrc')
  return {
    // said in any case: npm would look into HOME, where builds can write
    npm_config_userconfig: existsSync(userConfig) ? userConfig : '/dev/null',
    ...pick(environment, proxies),
    ...(runByNpm ? {} : pick(environment, /^npm_config_/i)),
    ...pick(environment, /^npm_config_(registry|cafile|nodedir)$/i),
  }
}

/** The node that runs the server comes first, so that apps and builds run with the same one. */
function systemPath(environment: NodeJS.ProcessEnv): string {
  const rest = environment.PATH || '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
  const own = path.dirname(process.execPath)
  return rest.split(':').includes(own) ? rest : `${own}:${rest}`
}

function pick(environment: NodeJS.ProcessEnv, pattern: RegExp): Record<string, string> {
  const picked: Record<string, string> = {}
  for (const [key, value] of Object.entries(environment)) {
    if (value !== undefined && pattern.test(key)) picked[key] = value
  }
  return picked
}
