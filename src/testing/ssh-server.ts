import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import net, { type AddressInfo } from 'node:net'
import { userInfo } from 'node:os'
import path from 'node:path'
import { makeDeployKey } from '../engine/domain/deploy-key.ts'
import { removeDirectory, temporaryDirectory } from './temporary.ts'
import { until } from './until.ts'

/** A real OpenSSH server on a port of its own, which lets one key in. */
export interface SshServer {
  readonly port: number
  /** `ssh://user@127.0.0.1:port`; a path follows. */
  readonly url: string
  stop(): Promise<void>
}

export async function startSshServer({ authorized }: { readonly authorized: string }): Promise<SshServer> {
  const directory = await temporaryDirectory('sshd')
  const at = (name: string) => path.join(directory, name)
  await writeFile(at('host'), makeDeployKey('host').privateKey, { mode: 0o600 })
  await writeFile(at('authorized'), `${authorized}\n`, { mode: 0o600 })
  const port = await freePort()
  const lines = [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${at('host')}`,
    `AuthorizedKeysFile ${at('authorized')}`,
    'PidFile none',
    'StrictModes no',
    'UsePAM no',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'PermitRootLogin prohibit-password',
  ]
  await writeFile(at('config'), `${lines.join('\n')}\n`)
  // of the server that runs as root
  if (process.getuid?.() === 0) await mkdir('/run/sshd', { recursive: true, mode: 0o755 })
  const child = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', at('config')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (chunk) => {
    said += chunk
  })
  const ended = once(child, 'exit')
  await until('the ssh server listens', () => {
    if (child.exitCode !== null) throw new Error(`sshd ended: ${said}`)
    return said.includes('Server listening')
  })
  return {
    port,
    url: `ssh://${userInfo().username}@127.0.0.1:${port}`,
    async stop() {
      child.kill('SIGTERM')
      await ended
      await removeDirectory(directory)
    },
  }
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
