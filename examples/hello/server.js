const http = require('node:http')

const release = process.env.NODEPILOT_RELEASE || 'local'
const project = process.env.NODEPILOT_PROJECT || 'hello'

const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(project)} is live</title>
<style>
  :root { --paper: #fbfaf7; --ink: #1d1f24; --soft: #5f636d; --accent: #0a7d5a }
  @media (prefers-color-scheme: dark) {
    :root { --paper: #14161a; --ink: #eceae4; --soft: #a0a4ad; --accent: #4fd1a5 }
  }
  body {
    margin: 0; min-height: 100vh; display: grid; place-content: center; gap: .6rem; padding: 2rem;
    box-sizing: border-box; background: var(--paper); color: var(--ink); font: 1.05rem/1.6 system-ui, sans-serif;
  }
  h1 { margin: 0; font-size: clamp(2rem, 7vw, 3.5rem); line-height: 1.1; letter-spacing: -.02em }
  p { margin: 0; color: var(--soft); max-width: 34rem }
  b { color: var(--accent) }
</style>
<h1>Hello from ${escapeHtml(project)}</h1>
<p>You are looking at release <b>${escapeHtml(release)}</b>. Change a line, commit, push: the next release takes over
without losing a request.</p>
</html>
`

const server = http.createServer((_request, response) => {
  response.setHeader('content-type', 'text/html; charset=utf-8')
  response.setHeader('cache-control', 'no-store')
  response.end(page)
})

server.listen(Number(process.env.PORT || 3000), () => {
  console.log(`hello, release ${release}, listens on port ${server.address().port}`)
})

// The new release serves already when this signal comes: finish what is under way, then go.
process.on('SIGTERM', () => {
  server.close(() => process.exit(0))
  server.closeIdleConnections()
})

function escapeHtml(text) {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
}
