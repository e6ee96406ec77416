import { generateKeyPairSync, randomBytes } from 'node:crypto'

/** An ed25519 key pair as OpenSSH reads it, for one project alone. */
export interface DeployKey {
  /** A line for the other side: `ssh-ed25519 AAAA… nodepilot-shop`. */
  readonly publicKey: string
  /** The text of a file that only its owner may read. */
  readonly privateKey: string
}

const kind = 'ssh-ed25519'

/** The format is OpenSSH's own (PROTOCOL.key of its sources), without a passphrase. */
export function makeDeployKey(comment: string): DeployKey {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const point = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url')
  const seed = Buffer.from(privateKey.export({ format: 'jwk' }).d ?? '', 'base64url')
  const blob = Buffer.concat([text(kind), field(point)])
  const check = randomBytes(4)
  const secret = Buffer.concat([check, check, blob, field(Buffer.concat([seed, point])), text(comment)])
  const padding = Buffer.from(Array.from({ length: (8 - (secret.length % 8)) % 8 }, (_, index) => index + 1))
  const file = Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    text('none'),
    text('none'),
    text(''),
    number(1),
    field(blob),
    field(Buffer.concat([secret, padding])),
  ])
  const lines = file.toString('base64').match(/.{1,70}/g) ?? []
  return {
    publicKey: `${kind} ${blob.toString('base64')} ${comment}`,
    privateKey: [
      '-----BEGIN OPENSSH PRIVATE KEY-----',
      ...lines,
      '-----END OPENSSH PRIVATE KEY-----',
      '',
    ].join('\n'),
  }
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function field(bytes: Buffer): Buffer {
  return Buffer.concat([number(bytes.length), bytes])
}

function text(value: string): Buffer {
  return field(Buffer.from(value))
}
