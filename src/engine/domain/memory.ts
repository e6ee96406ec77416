/** A project's memory limit: what the JavaScript heap may have of it. MB are 1,000,000 bytes, as in the API. */

const [mebibyte, megabyte] = [1_048_576, 1_000_000]
/** What Node needs beside the heap of a small app: code, stacks, buffers, the runtime itself. */
const besideHeapMb = 48
const leastHeapMib = 16

/**
 * For `--max-old-space-size`, in MiB: three quarters of the limit, and at least 48 MB less than it. So a heap
 * that grows is collected harder as it comes near the limit, and a leak ends with V8's own words and stack.
 */
export function heapLimitMib(limitMb: number): number {
  const heapBytes = Math.min(limitMb * 0.75, limitMb - besideHeapMb) * megabyte
  return Math.max(Math.floor(heapBytes / mebibyte), leastHeapMib)
}

/** `NODE_OPTIONS` with the heap's limit, unless the app says one itself. */
export function withHeapLimit(nodeOptions: string | undefined, limitMb: number): string {
  const own = nodeOptions?.trim() ?? ''
  if (/--max[-_]old[-_]space[-_]size/.test(own)) return own
  return `${own} --max-old-space-size=${heapLimitMib(limitMb)}`.trim()
}
