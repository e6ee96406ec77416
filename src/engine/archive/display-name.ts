const longest = 80

/** A name from a stranger, safe to print: no control, formatting or bidirectional characters, 80 at most. */
export function displayName(name: string): string {
  const clean = name.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, '?').replaceAll('"', "'")
  const characters = Array.from(clean)
  return characters.length <= longest ? clean : `${characters.slice(0, longest - 1).join('')}…`
}
