import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { writeAppLog } from '../testing/lab-apps.ts'
import { removeDirectory, temporaryDirectory } from '../testing/temporary.ts'
import { nothingHidden } from './domain/redact.ts'
import { exitSentence, reasonOf, rememberExits } from './last-exits.ts'
import type { InstanceExit } from './ports.ts'

const ref = { project: 'shop', type: 'web', generation: 4, index: 1 }

function listening(clock: () => number, directory = '/nowhere') {
  let tell: (exit: InstanceExit) => void = () => {}
  const onExit = (listener: typeof tell) => {
    tell = listener
    return () => {}
  }
  const exits = rememberExits(
    { onExit },
    { clock, appLog: () => ({ directory, hiding: () => nothingHidden }) },
  )
  return { exits, end: (code: number) => tell({ ...ref, release: 1, code, signal: null }) }
}

test('ends in a row are counted until the instance has lived for long', () => {
  let now = 1_000_000
  const { exits, end } = listening(() => now)
  assert.equal(exits.of(ref), null)
  end(1)
  now += 20_000
  end(1)
  assert.equal(exits.of(ref)?.streak, 2)
  now += 46_000
  end(2)
  assert.deepEqual(exits.of(ref), { code: 2, signal: null, at: now, memory: null, streak: 1 })
})

test('an end that was announced is out of memory, the one after it is not', () => {
  const { exits, end } = listening(() => 1)
  exits.expect(ref, { usedBytes: 143_400_000, limitBytes: 128_000_000 })
  end(143)
  const first = exits.of(ref)
  assert.equal(first && reasonOf(first, []), 'out_of_memory')
  assert.equal(first && exitSentence(first, []), 'used 143 MB and was ended: its memory limit is 128 MB')
  end(1)
  const second = exits.of(ref)
  assert.equal(second && reasonOf(second, []), 'crashed')
  assert.deepEqual([...exits.outOfMemory()], [['shop', 1]])
})

test('SIGKILL by nobody we know is most likely the kernel, a full heap is certain', () => {
  assert.match(
    exitSentence({ code: null, signal: 'SIGKILL' }, []),
    /most likely because it ran out of memory$/,
  )
  const heap = ['FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory']
  assert.equal(
    exitSentence({ code: null, signal: 'SIGABRT' }, heap),
    'was killed by SIGABRT: it ran out of memory',
  )
  assert.equal(exitSentence({ code: 1, signal: null }, []), 'exited with code 1')
})

test('the last lines are those before the end, of this instance and generation', async (t) => {
  const directory = await temporaryDirectory('exits')
  t.after(() => removeDirectory(directory))
  const group = {
    ...ref,
    release: 1,
    cwd: directory,
    command: '',
    graceMs: 1,
    logDirectory: path.join(directory, 'l'),
  }
  const lines = (generation: number, says: readonly string[]) =>
    writeAppLog({ ...group, generation, instances: [] }, 1, says)
  await lines(3, ['of an older generation'])
  await lines(4, ['Error: boom', '    at node:internal/main:1:1', ''])
  const { exits, end } = listening(Date.now, group.logDirectory)
  end(1)
  assert.deepEqual(await exits.lines(ref), ['Error: boom'])
  await lines(4, ['started again'])
  assert.deepEqual(await exits.lines(ref), ['Error: boom'])
})
