import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, symlink } from 'node:fs/promises'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { removeDirectory, temporaryDirectory } from '../../testing/temporary.ts'
import { until } from '../../testing/until.ts'
import { processesIn, signalAll } from '../processes.ts'
import { endHidden } from './hidden-processes.ts'

async function rig(t: TestContext) {
  const folder = await temporaryDirectory('hidden')
  const release = path.join(folder, '7')
  const children: ChildProcess[] = []
  t.after(async () => {
    signalAll(processesIn(folder), 'SIGKILL')
    await Promise.all(
      children.map(async (child) => {
        child.kill('SIGKILL')
        if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
      }),
    )
    await removeDirectory(folder)
  })
  const start = (file: string, args: readonly string[], cwd: string) => {
    const child = spawn(file, args, { cwd, stdio: ['pipe', 'ignore', 'ignore'], detached: true })
    children.push(child)
    return child
  }
  const within = () => processesIn(release).map(({ pid }) => pid)
  return { folder, release, start, within }
}

/** The clock by which a directory knows its age is coarser than a process is quick. */
const aWhile = () => new Promise((resolve) => setTimeout(resolve, 1_200))

test('what a release has left behind is ended, also in a session of its own without an environment', async (t) => {
  const { release, start, within } = await rig(t)
  await mkdir(path.join(release, 'deep'), { recursive: true })
  start('/bin/sh', ['-c', '(env -i setsid sleep 600 &) ; exec sleep 600'], path.join(release, 'deep'))
  await until('both run', () => within().length === 2)
  await endHidden(release)
  assert.deepEqual(within(), [])
})

test('somebody at a terminal, and what began before the release, are left alone', async (t) => {
  const { folder, release, start, within } = await rig(t)
  const early = start('/bin/sh', ['-c', `read go; cd '${release}'; exec sleep 600`], folder)
  await aWhile()
  await mkdir(release)
  early.stdin?.write('go\n')
  // gives what runs in it a terminal of its own
  start('script', ['-qc', `cd '${release}'; exec sleep 600`, '/dev/null'], folder)
  await until('both work in it', () => within().length === 2)
  const before = within()
  await endHidden(release)
  assert.deepEqual(within(), before)
})

test('a link to the files of another release ends nothing there', async (t) => {
  const { folder, release, start, within } = await rig(t)
  await mkdir(release)
  start('sleep', ['600'], release)
  await until('it runs', () => within().length === 1)
  await symlink('7', path.join(folder, '8'))
  await endHidden(path.join(folder, '8'))
  assert.equal(within().length, 1)
})
