import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Frames, restartFrame } from './frames.ts'

function frame(opcode: number, size: number, masked = false): Buffer {
  const mask = masked ? 0x80 : 0
  const head =
    size < 126
      ? [0x80 | opcode, mask | size]
      : size < 65_536
        ? [0x80 | opcode, mask | 126, size >> 8, size & 0xff]
        : [
            0x80 | opcode,
            mask | 127,
            0,
            0,
            0,
            0,
            (size >>> 24) & 0xff,
            (size >> 16) & 0xff,
            (size >> 8) & 0xff,
            size & 0xff,
          ]
  return Buffer.concat([Buffer.from(head), Buffer.alloc(masked ? size + 4 : size, 0x88)])
}

const sizes = [0, 1, 125, 126, 300, 65_535, 65_536, 70_000]
const stream = sizes.map((size, n) => frame(n % 2 === 0 ? 1 : 2, size, n % 3 === 0))

test('every end of a frame is found, in whatever pieces the bytes come', () => {
  const bytes = Buffer.concat(stream)
  const ends = [0]
  for (const one of stream) ends.push((ends.at(-1) ?? 0) + one.length)
  for (const piece of [1, 2, 3, 7, 1_000, 65_536]) {
    const frames = new Frames()
    const found = [0]
    for (let at = 0; at < bytes.length; at++) {
      if (piece === 1) {
        frames.read(bytes, at, at + 1)
        if (frames.between) found.push(at + 1)
      } else if (at % piece === 0) {
        frames.read(bytes, at, Math.min(at + piece, bytes.length))
        const end = Math.min(at + piece, bytes.length)
        assert.equal(frames.between, ends.includes(end), `${piece}: ${end}`)
      }
    }
    if (piece === 1) assert.deepEqual(found, ends)
    assert.equal(frames.between, true)
    assert.equal(frames.closed, false)
  }
})

test('a closing frame is seen, and ours is one', () => {
  const frames = new Frames()
  frames.read(frame(1, 5), 0, 7)
  assert.equal(frames.closed, false)
  frames.read(restartFrame, 0, restartFrame.length)
  assert.deepEqual([frames.closed, frames.between], [true, true])
  assert.equal(restartFrame.readUInt16BE(2), 1012)
})
