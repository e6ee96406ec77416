import assert from 'node:assert/strict'
import { test } from 'node:test'
import { heapLimitMib, withHeapLimit } from './memory.ts'

test('the heap may have three quarters of the limit, and leaves 48 MB for the rest of a small one', () => {
  assert.equal(heapLimitMib(1000), 715)
  assert.equal(heapLimitMib(160), 106)
  assert.equal(heapLimitMib(128), 76)
  assert.equal(heapLimitMib(32), 16)
})

test("an app's own options stay, and its own heap limit wins", () => {
  assert.equal(withHeapLimit(undefined, 1000), '--max-old-space-size=715')
  assert.equal(withHeapLimit('--enable-source-maps', 1000), '--enable-source-maps --max-old-space-size=715')
  assert.equal(withHeapLimit('--max_old_space_size=99', 1000), '--max_old_space_size=99')
})
