import type { Config } from './config.ts'
import type { Addresses } from './engine/context.ts'

/**
 * Where people find things. Behind a trusted proxy everything is https at the base domain; else the port of
 * the front door is part of every address.
 */
export function createAddresses(
  config: Pick<Config, 'host' | 'baseDomain' | 'trustedProxy'>,
  port: () => number,
): Addresses {
  const { baseDomain } = config
  const origin = (host: string) => {
    if (config.trustedProxy !== null) return `https://${host}`
    return port() === 80 ? `http://${host}` : `http://${host}:${port()}`
  }
  const panel = () =>
    origin(baseDomain === 'localhost' && config.trustedProxy === null ? localHost(config.host) : baseDomain)
  return {
    baseDomain,
    panel,
    app: (project) => origin(`${project}.${baseDomain}`),
    git: (project) => `${panel()}/git/${project}.git`,
  }
}

/** The host of an address that works on this machine, whatever the front door listens on. */
export function localHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return host.includes(':') ? `[${host}]` : host
}
