import { Resolver } from 'node:dns/promises'
import { isIP } from 'node:net'
import { hostname, networkInterfaces } from 'node:os'

/** What this machine knows of names and addresses. */
export interface Network {
  /** Its own name. */
  readonly hostname: string
  /** Its addresses that others can reach, those of the internet first. */
  addresses(): readonly string[]
  /** The addresses a name leads to, sorted; empty where it leads nowhere; null when DNS did not answer. */
  resolve(host: string): Promise<readonly string[] | null>
}

export interface NetworkOptions {
  /** Which servers to ask, `address` or `address:port`. Default: those of the machine. */
  readonly servers?: readonly string[]
  /** For a whole look-up, ms. */
  readonly timeoutMs?: number
}

/** Names nobody has: not an answer of a broken resolver, but the answer "no". */
const nowhere: ReadonlySet<string> = new Set(['ENOTFOUND', 'ENODATA'])

export function createNetwork({ servers, timeoutMs = 5_000 }: NetworkOptions = {}): Network {
  return {
    hostname: hostname().toLowerCase(),
    addresses: ownAddresses,
    async resolve(host) {
      // DNS itself is asked, and not /etc/hosts, which nobody else sees
      const resolver = new Resolver({ timeout: Math.ceil(timeoutMs / 3), tries: 2 })
      if (servers) resolver.setServers(servers)
      const late = setTimeout(() => resolver.cancel(), timeoutMs)
      try {
        const answers = await Promise.all([answer(resolver.resolve4(host)), answer(resolver.resolve6(host))])
        const known = answers.filter((found) => found !== null)
        return known.length === 0 ? null : known.flat().sort()
      } finally {
        clearTimeout(late)
      }
    },
  }
}

async function answer(asked: Promise<string[]>): Promise<string[] | null> {
  try {
    return await asked
  } catch (error) {
    return nowhere.has((error as NodeJS.ErrnoException).code ?? '') ? [] : null
  }
}

function ownAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  const outside = all.filter(({ internal, scopeid }) => !internal && !scopeid).map(({ address }) => address)
  return outside.sort((a, b) => rank(a) - rank(b))
}

/** An address of the internet before one of a private network, IPv4 before IPv6. */
function rank(address: string): number {
  const six = isIP(address) === 6
  const inside = six
    ? /^f[cd]/i.test(address)
    : /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|169\.254\.)/.test(
        address,
      )
  return (inside ? 2 : 0) + (six ? 1 : 0)
}
