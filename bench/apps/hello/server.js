const http = require('node:http')
const VERSION = 'v0' // one-line edit marker
const server = http.createServer((_req, res) => {
  res.setHeader('content-type', 'text/plain')
  res.end(`hello ${VERSION}\n`)
})
server.listen(Number(process.env.PORT || 3000), process.env.HOST || '127.0.0.1')
process.on('SIGTERM', () => {
  server.close(() => process.exit(0))
  server.closeIdleConnections()
  setTimeout(() => process.exit(0), 5000).unref()
})
