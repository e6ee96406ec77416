// The floor: bytes piped between sockets, nothing read of HTTP. PORT and TARGET are ports on 127.0.0.1.
import { connect, createServer } from 'node:net'

createServer({ noDelay: true }, (client) => {
  const app = connect({ port: Number(process.env.TARGET), host: '127.0.0.1', noDelay: true })
  client.pipe(app).pipe(client)
  client.on('error', () => app.destroy())
  app.on('error', () => client.destroy())
}).listen(Number(process.env.PORT), '127.0.0.1')
