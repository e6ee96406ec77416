import type { Files } from './work-tree.ts'

/** The smallest web app. `body` is what it answers; `extra` is JavaScript run at each request (`q`, `s`). */
export function hello(body = 'v1', extra = ''): Files {
  return app(`require('node:http').createServer((q, s) => {
  ${extra}
  s.end(${JSON.stringify(body)})
}).listen(process.env.PORT)
`)
}

/** Answers with its own view of the request and of its environment, as JSON. */
export function mirror(): Files {
  return app(`require('node:http').createServer((q, s) => {
  s.setHeader('content-type', 'application/json')
  s.end(JSON.stringify({ method: q.method, url: q.url, headers: q.headers, env: process.env, cwd: process.cwd() }))
}).listen(process.env.PORT)
`)
}

/** An app without dependencies made of this `server.js`, with more fields for its package.json where needed. */
export function app(server: string, fields: object = {}): Files {
  const manifest = {
    name: 'app',
    version: '1.0.0',
    private: true,
    scripts: { start: 'node server.js' },
    ...fields,
  }
  return { 'package.json': `${JSON.stringify(manifest, null, 2)}\n`, 'server.js': server }
}
