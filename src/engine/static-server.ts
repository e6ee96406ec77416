import { serve } from '@hono/node-server'
import { serveStatic } from '@hono/node-server/serve-static'
import { Hono } from 'hono'

/**
 * The process of a project that is only files: `node static-server.js <folder>`, on 127.0.0.1 and `PORT`.
 */
const app = new Hono()
app.use('*', serveStatic({ root: process.argv[2] ?? '.', precompressed: true }))
app.notFound((c) => c.text('not found\n', 404))

const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(process.env.PORT) })
process.once('SIGTERM', () => server.close(() => process.exit(0)))
