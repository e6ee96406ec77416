const VERSION = 'v0' // one-line edit marker
console.log(`neverlisten ${VERSION}: alive, never listens`)
setInterval(() => {}, 1000)
process.on('SIGTERM', () => process.exit(0))
