/**
 * Why a ref name is refused, or null where it is fine. Git's own rules (`git check-ref-format`), which it
 * applies only after pre-receive has run, and stricter where a name could mislead a command or a person:
 * no part begins with `-` (it would be read as an option), none is `HEAD`, no invisible characters.
 */
export function refNameProblem(ref: string): string | null {
  if (ref.length > longestRef) return `it is longer than ${longestRef} characters`
  const [root, kind, ...rest] = ref.split('/')
  if (root !== 'refs' || !kind || rest.length === 0) return 'it must look like refs/heads/<branch>'
  if (invisible.test(ref)) return 'it contains control or invisible characters'
  if (/[ ~^:?*[\\]/.test(ref)) return 'it contains a space or one of ~ ^ : ? * [ \\'
  if (ref.includes('..') || ref.includes('@{')) return 'it contains ".." or "@{"'
  for (const part of [kind, ...rest]) {
    const problem = partProblem(part)
    if (problem) return problem
  }
  return null
}

/** A file name under `refs/` may have 255 bytes; `.lock` is put behind it. */
const longestRef = 240

/** Control, format (zero width, direction) and unassigned characters, lone surrogates, odd line ends. */
const invisible = /[\p{Cc}\p{Cf}\p{Cs}\p{Cn}\p{Zl}\p{Zp}\uFFFD]/u

function partProblem(part: string): string | null {
  if (part === '') return 'it has an empty part'
  if (part === 'HEAD') return 'a part of it is "HEAD"'
  if (part.startsWith('-')) return 'a part of it begins with "-"'
  if (part.startsWith('.') || part.endsWith('.')) return 'a part of it begins or ends with "."'
  if (part.endsWith('.lock')) return 'a part of it ends with ".lock"'
  if (Buffer.byteLength(part) > longestRef) return `a part of it is longer than ${longestRef} bytes`
  return null
}
