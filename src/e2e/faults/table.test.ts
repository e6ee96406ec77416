import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failpoints } from '../../engine/failpoints.ts'
import { allWalks } from './walks.ts'

test('every failpoint is reached by a walk', () => {
  const reached = new Set<string>(allWalks.flatMap(({ points }) => points))
  assert.deepEqual(
    Object.keys(failpoints).filter((point) => !reached.has(point)),
    [],
  )
})
