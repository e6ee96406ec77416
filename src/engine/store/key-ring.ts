import { randomBytes } from 'node:crypto'
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs'
import path from 'node:path'
import type { SealingKey } from './sealing.ts'

/** The keys of this home's config vars. */
export interface KeyRing {
  find(id: string): SealingKey | null
  /** Seals everything new; null: this ring only opens. */
  current(): SealingKey | null
  /** From now on the current one. */
  add(key: SealingKey): void
}

const file = /^config-vars-([0-9a-z]{12})\.key$/
const idLength = 12

export function keyRing(keys: readonly SealingKey[]): KeyRing {
  const byId = new Map(keys.map((key) => [key.id, key]))
  let current = keys.at(-1) ?? null
  return {
    find: (id) => byId.get(id) ?? null,
    current: () => current,
    add(key) {
      byId.set(key.id, key)
      current = key
    },
  }
}

/**
 * Every `config-vars-<id>.key` of the folder; the one made last is the current one. Files of another home may lie
 * beside them: that is how config vars of a backup without keys are opened again.
 */
export function readKeyRing(directory: string): KeyRing {
  return keyRing(readKeys(directory))
}

/** The same; the first key is made where there is none. */
export function openKeyRing(directory: string, clock: () => number): KeyRing {
  const keys = readKeys(directory)
  return keyRing(keys.length > 0 ? keys : [makeKey(directory, clock)])
}

/** A new key on disk, after all others in order. The file appears whole, and survives a power cut once named. */
export function makeKey(directory: string, clock: () => number): SealingKey {
  const last = readKeys(directory).at(-1)?.id
  // a clock that was set back must not make an older key the current one
  const time = Math.max(clock(), last === undefined ? 0 : Number.parseInt(last.slice(0, 8), 36) + 1)
  const id =
    time.toString(36).padStart(8, '0') +
    randomBytes(4)
      .toString('hex')
      .slice(0, idLength - 8)
  const secret = randomBytes(32)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const target = path.join(directory, `config-vars-${id}.key`)
  const fd = openSync(`${target}.new`, 'wx', 0o600)
  writeSync(fd, `${secret.toString('hex')}\n`)
  fsyncSync(fd)
  closeSync(fd)
  renameSync(`${target}.new`, target)
  const folder = openSync(directory, 'r')
  fsyncSync(folder)
  closeSync(folder)
  return { id, secret }
}

function readKeys(directory: string): SealingKey[] {
  return namesIn(directory)
    .flatMap((name) => {
      const id = file.exec(name)?.[1]
      return id === undefined ? [] : [{ id, secret: readSecret(path.join(directory, name)) }]
    })
    .sort((a, b) => (a.id < b.id ? -1 : 1))
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

function readSecret(from: string): Buffer {
  const text = readFileSync(from, 'utf8').trim()
  if (/^[0-9a-f]{64}$/.test(text)) return Buffer.from(text, 'hex')
  throw new Error(
    `${from} does not hold a key: put back the file that was there, config vars are sealed with it`,
  )
}
