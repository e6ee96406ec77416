const VERSION = 'v0' // one-line edit marker
console.error(`crashy ${VERSION}: exiting 1 at boot`)
process.exit(1)
