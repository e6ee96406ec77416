import { isIP } from 'node:net'
import { domainToASCII, domainToUnicode } from 'node:url'
import { getPublicSuffix } from 'tldts'
import { Refusal } from './refusal.ts'

/** RFC 1035 with the letters of RFC 952: what a certificate can be had for. */
const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/
/** Signs by which a whole address, a pattern or something else was given in place of a name. */
const foreign = /[\s\p{Cc}%/:@?#\\[\]*_]/u
/** Scripts whose letters look alike. */
const alike = [/\p{Script=Latin}/u, /\p{Script=Cyrillic}/u, /\p{Script=Greek}/u, /\p{Script=Armenian}/u]

/**
 * A host name from a person in its one form: lower case, punycode, without the dot at its end. `*.shop.example`
 * stands for every name directly below. Refuses with `invalid` what no certificate authority and no resolver would
 * take, and what nobody owns as a whole (https://publicsuffix.org: `co.uk`, `github.io`).
 */
export function hostName(input: string): string {
  const text = input.trim()
  const wildcard = text.startsWith('*.') || text.startsWith('*。')
  const host = plainName(wildcard ? text.slice(2) : text)
  const suffix = getPublicSuffix(host, { allowPrivateDomains: true })
  if (suffix === host) {
    throw refused(
      `${host} belongs to nobody alone`,
      `names are registered below it: give one of yours, as in shop.${host}`,
    )
  }
  return wildcard ? `*.${host}` : host
}

function plainName(text: string): string {
  if (text.length > 1_000 || foreign.test(text)) {
    throw refused(
      'that is not a host name',
      'give only the name, as in shop.example.com, without https://, port and path',
    )
  }
  const host = domainToASCII(text).replace(/\.$/, '')
  if (isIP(host) !== 0) {
    throw refused(
      'an address is not a name',
      'the panel answers at addresses; give a name that leads to this server',
    )
  }
  const labels = host.split('.')
  if (host.length > 251 || !labels.every((part) => label.test(part))) {
    throw refused('that is not a host name', 'a name looks like shop.example.com')
  }
  if (labels.length < 2 || /^\d+$/.test(labels.at(-1) ?? '')) {
    throw refused('the name is not complete', 'give the whole name, as in shop.example.com')
  }
  return host
}

/**
 * As people read it: `münchen.example`. A label that mixes scripts whose letters look alike stays in punycode, so
 * that `pаypal` with a foreign letter is not taken for another name.
 */
export function shownName(host: string): string {
  return host
    .split('.')
    .map((part) => {
      if (!part.startsWith('xn--')) return part
      const shown = domainToUnicode(part)
      return alike.filter((script) => script.test(shown)).length > 1 ? part : shown || part
    })
    .join('.')
}

/** Whether a host is the domain itself or a name below it. */
export function isWithin(host: string, domain: string): boolean {
  return host === domain || host.endsWith(`.${domain}`)
}

export function isWildcard(domain: string): boolean {
  return domain.startsWith('*.')
}

/** `*.shop.example` for `a.shop.example`: the only wildcard that a host can belong to. */
export function wildcardOf(host: string): string {
  return `*${host.slice(host.indexOf('.'))}`
}

function refused(message: string, hint: string): Refusal {
  return new Refusal('invalid', `domain: ${message}`, { hint, fields: [{ field: 'domain', message }] })
}
