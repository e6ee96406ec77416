import { BlockList, isIP } from 'node:net'
import { Refusal } from './refusal.ts'

/** Where a project may be fetched from. */
export interface RemoteUrl {
  /** As git takes it. */
  readonly url: string
  readonly protocol: 'https' | 'http' | 'ssh'
  readonly host: string
  readonly port: number
}

const example = 'write it like https://github.com/ana/shop.git or git@github.com:ana/shop.git'
const hostPattern = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])$/
const userPattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/
/** Without white space, quotes, backslashes and whatever else could mean something to somebody. */
const pathPattern = /^[A-Za-z0-9._~@+/%-]+$/
const longest = 500

/**
 * Takes https:// and ssh:// addresses and `user@host:path`; with `allowLocal` also http:// and addresses of this
 * machine. Refuses with `invalid`, saying what is wrong: helpers of git that run commands (`ext::`), options, files
 * of this machine, passwords in the address, addresses that lead to the machine itself or to its cloud's metadata.
 */
export function parseRemoteUrl(text: string, allowLocal = false): RemoteUrl {
  const parsed = text.length > longest ? 'it is too long' : read(text, allowLocal)
  const problem = typeof parsed === 'string' ? parsed : problemOf(parsed, allowLocal)
  if (problem === null && typeof parsed !== 'string') return parsed
  const message = problem ?? ''
  throw new Refusal('invalid', `url: ${message}`, { fields: [{ field: 'url', message }], hint: example })
}

/** Addresses that nobody outside has: the machine itself, link-local ones, metadata services of clouds. */
export function leadsInside(address: string): boolean {
  const plain = address.replace(/^\[|\]$/g, '').replace(/^::ffff:(?=\d+\.)/i, '')
  const family = isIP(plain)
  return family === 6 ? inside6.check(plain, 'ipv6') : family === 4 && inside.check(plain)
}

const inside = new BlockList()
inside.addSubnet('0.0.0.0', 8)
inside.addSubnet('127.0.0.0', 8)
inside.addSubnet('169.254.0.0', 16)
inside.addSubnet('224.0.0.0', 3)
inside.addAddress('100.100.100.200')

/** On its own: IPv4 addresses would be looked for among the mapped ones here. */
const inside6 = new BlockList()
inside6.addSubnet('::', 127, 'ipv6')
inside6.addSubnet('::ffff:0:0', 96, 'ipv6')
inside6.addSubnet('fe80::', 10, 'ipv6')
inside6.addSubnet('ff00::', 8, 'ipv6')
inside6.addAddress('fd00:ec2::254', 'ipv6')

function read(text: string, allowLocal: boolean): RemoteUrl | string {
  if (/[\0-\x20\x7f]/.test(text)) return 'it has a space or a control character in it'
  if (text.startsWith('-')) return 'it begins with "-"'
  if (/^[A-Za-z0-9+.-]+::/.test(text)) return 'helpers of git are not run for an address'
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase()
  if (scheme === undefined) return readShort(text)
  if (scheme === 'https' || scheme === 'ssh' || (scheme === 'http' && allowLocal))
    return readUrl(text, scheme)
  return scheme === 'http'
    ? 'http:// can be read and changed on the way; use https://'
    : `${scheme}:// is not fetched from`
}

/** `git@github.com:ana/shop.git` */
function readShort(text: string): RemoteUrl | string {
  const [, user = '', host = '', path = ''] = /^([^@:/]+)@([^:/]+|\[[^\]]+\]):(.+)$/.exec(text) ?? []
  if (path === '') return 'it is no address of a repository'
  if (!userPattern.test(user)) return 'its user name is none'
  if (!pathPattern.test(path) || path.startsWith('-')) return 'its path has characters that are not allowed'
  return { url: text, protocol: 'ssh', host, port: 22 }
}

function readUrl(text: string, protocol: RemoteUrl['protocol']): RemoteUrl | string {
  const [, login, host = '', port, path = ''] =
    /^[a-z]+:\/\/(?:([^@/]*)@)?([^:/@]+|\[[^\]]+\])(?::(\d{1,5}))?\/(.+)$/i.exec(text) ?? []
  if (path === '') return 'it is no address of a repository'
  if (login !== undefined && protocol !== 'ssh')
    return 'no user or password belongs into it; give the token by itself'
  if (login !== undefined && !userPattern.test(login)) return 'its user name is none'
  if (!pathPattern.test(path) || path.startsWith('-')) return 'its path has characters that are not allowed'
  const usual = protocol === 'ssh' ? 22 : protocol === 'https' ? 443 : 80
  return { url: text, protocol, host, port: port === undefined ? usual : Number(port) }
}

function problemOf({ host, port, protocol }: RemoteUrl, allowLocal: boolean): string | null {
  if (!hostPattern.test(host) || host.includes('..')) return 'its host is no name'
  if (port < 1 || port > 65_535) return 'its port is none'
  // 2130706433 and 0x7f.1 are 127.0.0.1 to some programs
  if (/^[\d.]+$|^0x/i.test(host) && isIP(host) !== 4) return 'its host is no name'
  const local = leadsInside(host) || /(^|\.)localhost$/i.test(host)
  if (protocol === 'http' && !local) return 'http:// can be read and changed on the way; use https://'
  return local && !allowLocal ? 'it leads to this machine itself' : null
}
