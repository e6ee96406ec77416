export const VERSION = 'v0' // one-line edit marker
