import { createHash, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:tls'
import { type Browser, chromium } from 'playwright-core'
import type { Caddy } from './caddy.ts'

/**
 * Debian's Chromium, made to speak HTTP/3 to these names from the first byte: by itself it learns of it from an
 * answer, and takes no certificate of an authority that only this Caddy knows.
 */
export async function startHttp3Browser(
  { httpsPort, authority }: Caddy,
  names: readonly string[],
): Promise<Browser> {
  const keys = await Promise.all(names.map((name) => keyHash(httpsPort, name, authority)))
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      '--disable-dev-shm-usage',
      '--enable-quic',
      `--origin-to-force-quic-on=${names.map((name) => `${name}:${httpsPort}`).join(',')}`,
      `--ignore-certificate-errors-spki-list=${keys.join(',')}`,
    ],
  })
}

/** SHA-256 of the key in the certificate for a name, base64. */
async function keyHash(port: number, servername: string, ca: string): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, servername, ca })
  try {
    await once(socket, 'secureConnect')
    const { publicKey } = new X509Certificate(socket.getPeerCertificate().raw)
    return createHash('sha256')
      .update(publicKey.export({ type: 'spki', format: 'der' }))
      .digest('base64')
  } finally {
    socket.destroy()
  }
}
