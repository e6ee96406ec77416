import type { Refusal } from '../domain/refusal.ts'
import type { EntryKind, SourceEntry, SourceKind } from '../ports.ts'
import { badName, gitFolder } from './unpack-path.ts'

export type Verdict =
  | { readonly keep: true }
  /** `note` is the path to tell people about, null for the litter of operating systems. */
  | { readonly keep: false; readonly note: string | null }

const keep: Verdict = { keep: true }
const litter: Verdict = { keep: false, note: null }

/**
 * Which entries become files. Uploads often carry what a commit never would: `.git` and what macOS adds are
 * left out there. `root` is how many leading components are the wrapping folder: `node_modules` is
 * left out at the top only, since it is installed from the lockfile.
 * Refuses with `rejected_tree` a `.git` in disguise anywhere, and any `.git` in a commit.
 */
export function judge(parts: readonly string[], kind: EntryKind, source: SourceKind, root: number): Verdict {
  const upload = source === 'zip' || source === 'tar'
  for (const [index, part] of parts.entries()) {
    const git = gitFolder(part)
    if (!git) continue
    const harmless = index < parts.length - 1 || kind === 'file' || kind === 'directory'
    if (git === 'disguised' || !upload || !harmless) {
      throw badName(parts.join('/'), "would be taken for git's own folder")
    }
    return { keep: false, note: parts.slice(0, index + 1).join('/') }
  }
  if (upload && isLitter(parts, kind)) return litter
  const module = parts[0] === 'node_modules' ? 0 : root
  if (parts[module] === 'node_modules') return { keep: false, note: parts.slice(0, module + 1).join('/') }
  return keep
}

/** `._name` holds the attributes that macOS could not put elsewhere. */
function isLitter(parts: readonly string[], kind: EntryKind): boolean {
  const name = parts.at(-1) ?? ''
  if (parts[0] === '__MACOSX') return true
  return kind === 'file' && (name === '.DS_Store' || name.startsWith('._'))
}

/** Why an `other` entry is refused: it carries the type bits of `st_mode`, 160000 for a git submodule. */
export function refuseOther(entry: SourceEntry): Refusal {
  switch (entry.mode & 0o170000) {
    case 0o160000:
      return badName(
        entry.path,
        'is a git submodule, whose files are not part of the commit',
        'commit the files themselves (git rm --cached, remove its .git, git add), or use a package for them',
      )
    case 0o100000:
      return badName(entry.path, 'is a hard link')
    case 0o010000:
      return badName(entry.path, 'is a named pipe')
    case 0o020000:
    case 0o060000:
      return badName(entry.path, 'is a device')
    case 0o140000:
      return badName(entry.path, 'is a socket')
    default:
      return badName(entry.path, 'is neither a file nor a folder nor a symbolic link')
  }
}
