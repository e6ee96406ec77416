import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'

/** 256 bits, and the name by which sealed values say which key opens them. */
export interface SealingKey {
  readonly id: string
  readonly secret: Uint8Array
}

/** To whom a value belongs: sealed with it, so that it opens nowhere else. */
export interface Owner {
  readonly projectId: number
  readonly name: string
}

const algorithm = 'aes-256-gcm'
const nonceBytes = 12
const tagBytes = 16

/**
 * `<key id>.<base64url of nonce, ciphertext and tag>`. AES-256-GCM with a random nonce of 96 bits (NIST SP
 * 800-38D, 8.2.2: good for 2^32 values a key); project, name and key id are authenticated with it.
 */
export function seal(key: SealingKey, owner: Owner, value: string): string {
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv(algorithm, key.secret, nonce, { authTagLength: tagBytes })
  cipher.setAAD(additionalData(key, owner))
  const sealed = Buffer.concat([nonce, cipher.update(value, 'utf8'), cipher.final(), cipher.getAuthTag()])
  return `${key.id}.${sealed.toString('base64url')}`
}

/** Throws where it was changed, moved to another project or name, or sealed with another key. */
export function unseal(key: SealingKey, owner: Owner, sealed: string): string {
  const bytes = Buffer.from(sealed.slice(sealed.indexOf('.') + 1), 'base64url')
  const decipher = createDecipheriv(algorithm, key.secret, bytes.subarray(0, nonceBytes), {
    authTagLength: tagBytes,
  })
  decipher.setAAD(additionalData(key, owner))
  decipher.setAuthTag(bytes.subarray(bytes.length - tagBytes))
  const text = decipher.update(bytes.subarray(nonceBytes, bytes.length - tagBytes))
  return Buffer.concat([text, decipher.final()]).toString('utf8')
}

export function keyIdOf(sealed: string): string {
  return sealed.slice(0, sealed.indexOf('.'))
}

function additionalData({ id }: SealingKey, { projectId, name }: Owner): Buffer {
  return Buffer.from(JSON.stringify(['config-var', projectId, name, id]))
}
