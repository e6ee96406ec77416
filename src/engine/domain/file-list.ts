/**
 * Of the list of a release's static files, bytes: some 400,000 files. The front door reads it as a whole, and is
 * everybody's.
 */
export const largestList = 64_000_000
