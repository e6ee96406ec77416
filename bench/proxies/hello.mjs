// The app that all of them stand in front of.
import { createServer } from 'node:http'

createServer((_request, response) => {
  response.setHeader('content-type', 'text/plain')
  response.end('hello v0\n')
}).listen(Number(process.env.PORT), '127.0.0.1')
