import express from 'express'
import { notes } from './notes.js'

const app = express()
app.disable('x-powered-by')
app.use(express.json({ limit: '16kb' }))

app.get('/', (_request, response) => {
  response.json({
    app: process.env.NODEPILOT_PROJECT ?? 'express',
    release: process.env.NODEPILOT_RELEASE ?? 'local',
    try: ['GET /notes', 'POST /notes {"text":"…"}', 'GET /healthz'],
  })
})

app.get('/healthz', (_request, response) => {
  response.json({ status: 'ok' })
})

app.get('/notes', async (_request, response) => {
  response.json({ notes: await notes.list() })
})

app.post('/notes', async (request, response) => {
  const text: unknown = request.body?.text
  if (typeof text !== 'string' || text.trim() === '' || text.length > 500) {
    response.status(422).json({ error: 'text: 1 to 500 characters' })
    return
  }
  response.status(201).json(await notes.add(text.trim()))
})

const server = app.listen(Number(process.env.PORT ?? 3000), (error?: Error) => {
  if (error) throw error
  console.log('express example is ready')
})

process.on('SIGTERM', () => {
  server.close(() => process.exit(0))
  server.closeIdleConnections()
})
