import { displayName } from '../archive/display-name.ts'
import { Refusal } from '../domain/refusal.ts'
import type { EntryKind } from '../ports.ts'

/** Linux: the longest name of one file; and a bound that leaves room before PATH_MAX. Bytes. */
const maxNameBytes = 255
const maxPathBytes = 2_048

/**
 * The components of an entry's path, or a refusal with `rejected_tree` for a path that no honest program
 * makes. A leading `./` is normal in tar archives; `[]` is the root itself.
 */
export function splitPath(path: string, kind: EntryKind): readonly string[] {
  const fault = faultOf(path)
  if (fault) throw badName(path, fault)
  const parts = (kind === 'directory' && path.endsWith('/') ? path.slice(0, -1) : path).split('/')
  while (parts[0] === '.') parts.shift()
  for (const part of parts) {
    const partFault = faultOfPart(part)
    if (partFault) throw badName(path, partFault)
  }
  if (parts.length === 0 && kind !== 'directory') throw badName(path, 'names no file')
  return parts
}

/** A refusal of one entry by name. */
export function badName(
  path: string,
  fault: string,
  hint = 'rename or remove it, then send the files again',
): Refusal {
  return new Refusal('rejected_tree', `"${displayName(path)}" ${fault}`, { hint })
}

function faultOf(path: string): string | null {
  if (path === '') return 'is an entry without a name'
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\u0000-\u001f\u007f-\u009f]/.test(path)) return 'has a control character in its name'
  if (/[\uFFFD\p{Cs}]/u.test(path)) return 'has a name that is not valid UTF-8'
  if (path.includes('\\')) return 'has a backslash in its name'
  if (path.startsWith('/') || /^[A-Za-z]:/.test(path)) return 'is an absolute path'
  if (Buffer.byteLength(path) > maxPathBytes) return `has a path of more than ${maxPathBytes} bytes`
  return null
}

function faultOfPart(part: string): string | null {
  if (part === '..') return 'points out of its folder'
  if (part === '' || part === '.') return 'has an empty component in its path'
  if (Buffer.byteLength(part) > maxNameBytes) return `has a name of more than ${maxNameBytes} bytes`
  return null
}

/**
 * Two names with the same fold are one file on some file system: after NFC and case folding. Upper case
 * first, because it is where `ß` and `ss` meet.
 */
export function foldName(name: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the range of ASCII
  if (/^[\u0000-\u007f]*$/.test(name)) return name.toLowerCase()
  return name.normalize('NFC').toUpperCase().toLowerCase().normalize('NFC')
}

/**
 * Whether a component is git's own folder: `plain` for `.git` as it is written, `disguised` for every
 * spelling that some file system takes for it (as git's own checks list them: HFS+ ignores some characters,
 * NTFS trailing dots, spaces and streams, and knows the short name `git~1`).
 */
export function gitFolder(part: string): 'plain' | 'disguised' | null {
  if (part === '.git') return 'plain'
  const seen = asFileSystemsSee(part)
  return seen === '.git' || seen === 'git~1' ? 'disguised' : null
}

/** `.gitmodules` as a symbolic link makes git read a file of the sender's choice. */
export function isGitModules(part: string): boolean {
  const seen = asFileSystemsSee(part)
  return seen === '.gitmodules' || /^gitmod~\d$/.test(seen)
}

function asFileSystemsSee(part: string): string {
  return part
    .replace(/[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]/g, '')
    .replace(/:.*$/, '')
    .replace(/[. ]+$/, '')
    .toLowerCase()
}
