import { readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import compression from 'compression'
import express from 'express'
import { VERSION } from './version.js'

const here = path.dirname(fileURLToPath(import.meta.url))
const pub = path.join(here, 'public')
const index = readFileSync(path.join(pub, 'index.html'), 'utf8')
const app = express()
app.use(compression())
app.get('/', (_req, res) => {
  res.type('text/plain').send(`heavier ${VERSION} (client index ${index.length} bytes)\n`)
})
app.use('/app', express.static(pub))
const server = app.listen(Number(process.env.PORT || 3000), process.env.HOST || '127.0.0.1')
process.on('SIGTERM', () => {
  server.close(() => process.exit(0))
  server.closeIdleConnections()
  setTimeout(() => process.exit(0), 5000).unref()
})
