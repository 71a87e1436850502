import type { Entry, LiveNote, Op } from '@selvage/core'
import { expect, test } from 'vitest'
import { Fresh } from './fresh.ts'

const op: Op = { key: 'a', kind: 'code', name: 'a' }
const started = (attempt: number): LiveNote => ({ type: 'started', runId: 'r', op, attempt, at: 0 })
const chunk = (attempt: number): LiveNote => ({ type: 'chunk', runId: 'r', key: 'a', attempt, chunk: 1, at: 0 })
const step = (attempt: number): Entry => ({
  ...{ seq: 0, at: 0, type: 'step', key: 'a', op, attempt },
  startedAt: 0,
  outcome: { ok: null },
})

test('nothing is fresh of an attempt that is recorded', () => {
  const fresh = new Fresh()
  expect(fresh.isFresh(chunk(1), 'one')).toBe(true)
  fresh.read({ seq: 0, at: 0, type: 'retry', key: 'a', op, attempt: 1, error: { name: 'E', message: '' }, retryAt: 0 })
  expect(fresh.isFresh(chunk(1), 'one')).toBe(false)
  expect(fresh.isFresh(chunk(2), 'one')).toBe(true)
  fresh.read(step(2))
  expect(fresh.isFresh(started(2), 'one')).toBe(false)
  fresh.read({ seq: 1, at: 0, type: 'reopen', voided: ['a'] })
  expect(fresh.isFresh(started(1), 'one')).toBe(true)
})

test('of two processes that make one step, the one that began last is heard', () => {
  const fresh = new Fresh()
  fresh.isFresh(started(1), 'one')
  expect(fresh.isFresh(chunk(1), 'one')).toBe(true)
  fresh.isFresh(started(1), 'two')
  expect(fresh.isFresh(chunk(1), 'one')).toBe(false)
  expect(fresh.isFresh(chunk(1), 'two')).toBe(true)
  fresh.forget('one')
  expect(fresh.isFresh(chunk(1), 'three')).toBe(false)
  fresh.forget('two')
  expect(fresh.isFresh(chunk(1), 'three')).toBe(true)
})
