/** Where to go next, when a form says so: a path on this very host, anything else becomes `/`. */
export function localPath(next: string | undefined): string {
  if (next === undefined || !/^\/(?![/\\])[\x21-\x7e]*$/.test(next)) return '/'
  return next
}
