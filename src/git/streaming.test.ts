import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { GitRig } from '../testing/git-rig.ts'

test('100 MB pushed and cloned leave the memory of the server flat', { timeout: 120_000 }, async () => {
  const script = fileURLToPath(new URL('../testing/git-rig-server.js', import.meta.url))
  const server = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await once(createInterface(server.stdout), 'line')
  const { root, port } = JSON.parse(String(line)) as { root: string; port: number }
  const client = new GitRig()
  try {
    const url = `http://ana:pw@127.0.0.1:${port}/git/shop.git`
    const small = await client.work('small')
    assert.equal((await client.git(['push', url, 'main:small'], small)).code, 0)
    const files = Object.fromEntries(
      Array.from({ length: 10 }, (_, n) => [`${n}.bin`, randomBytes(10_000_000)]),
    )
    const big = await client.work('big', files)
    const push = await client.git(['-c', 'pack.window=0', 'push', url, 'main'], big)
    assert.equal(push.code, 0, push.err)
    const clone = await client.git(['clone', '-q', '--bare', url, join(client.root, 'copy')], client.root)
    assert.equal(clone.code, 0, clone.err)
    // buffered even once, the body alone would be more than the whole server may be
    const peak = peakMegabytes(server.pid)
    assert.ok(peak < 120, `the server took ${peak} MB`)
  } finally {
    server.kill('SIGKILL')
    rmSync(root, { recursive: true, force: true })
    rmSync(client.root, { recursive: true, force: true })
  }
})

function peakMegabytes(pid: number | undefined): number {
  const kilobytes = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kilobytes) / 1000
}
