const express = require('express')
const VERSION = 'v0' // one-line edit marker
const app = express()
app.get('/', (_req, res) => {
  res.type('text/plain').send(`express ${VERSION}\n`)
})
const server = app.listen(Number(process.env.PORT || 3000), process.env.HOST || '127.0.0.1')
process.on('SIGTERM', () => {
  server.close(() => process.exit(0))
  server.closeIdleConnections()
  setTimeout(() => process.exit(0), 5000).unref()
})
