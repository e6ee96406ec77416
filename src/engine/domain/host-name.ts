import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'
import { Refusal } from './refusal.ts'

/** RFC 1035 with the letters of RFC 952: what a certificate can be had for. */
const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/
/** Signs by which a whole address, a pattern or something else was given in place of a name. */
const foreign = /[\s\p{Cc}%/:@?#\\[\]*_]/u

/**
 * A host name from a person in its one form: lower case, punycode, without the dot at its end. Refuses with
 * `invalid` what no certificate authority and no resolver would take.
 */
export function hostName(input: string): string {
  const text = input.trim()
  if (text.startsWith('*.'))
    throw refused('a wildcard cannot be used', 'add each name that is to be answered')
  if (text.length > 1_000 || foreign.test(text)) {
    throw refused(
      'that is not a host name',
      'give only the name, as in shop.example.com, without https:// and path',
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
  if (host.length > 253 || !labels.every((part) => label.test(part))) {
    throw refused('that is not a host name', 'a name looks like shop.example.com')
  }
  if (labels.length < 2 || /^\d+$/.test(labels.at(-1) ?? '')) {
    throw refused('the name is not complete', 'give the whole name, as in shop.example.com')
  }
  return host
}

/** Whether a host is the domain itself or a name below it. */
export function isWithin(host: string, domain: string): boolean {
  return host === domain || host.endsWith(`.${domain}`)
}

function refused(message: string, hint: string): Refusal {
  return new Refusal('invalid', `domain: ${message}`, { hint, fields: [{ field: 'domain', message }] })
}
