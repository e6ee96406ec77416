/**
 * The last `count` lines worth reading of what an app wrote: without the frames of Node's and V8's own code,
 * which would push the sentence above them out of sight.
 */
export function tellingLines(lines: readonly string[], count: number): string[] {
  const telling = lines.filter((line) => line.trim() !== '' && !isInnerFrame(line))
  return telling.slice(-count)
}

/** `    at Module._load (node:internal/modules/…:1091:12)`, ` 4: 0x10fb205  [node]` */
function isInnerFrame(line: string): boolean {
  return /^\s+at .*\(?node:[\w/]+:\d+:\d+\)?(?: \{)?$/.test(line) || /^\s*\d+: 0x[0-9a-f]+ /.test(line)
}
