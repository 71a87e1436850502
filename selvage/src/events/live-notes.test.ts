import type { LiveNote, Op } from '@selvage/core'
import { expect, test } from 'vitest'
import type { RunEvent } from './event.ts'
import { LiveNotes } from './live-notes.ts'

const BEHIND = { entries: 1 }
const op = (key: string): Op => ({ key, kind: 'model', name: 'model' })
const started = (key: string, attempt = 1): LiveNote => ({ type: 'started', runId: 'r', op: op(key), attempt, at: 1 })
const chunk = (key: string, text: string, attempt = 1): LiveNote => {
  return { type: 'chunk', runId: 'r', key, attempt, chunk: text, at: 1 }
}
const told = (events: Iterable<RunEvent>): unknown[] =>
  [...events].map((event) => (event.type === 'chunk' ? event.chunk : event.type))

test('of very many that nobody reads the older chunks are dropped, and no start is', () => {
  const notes = new LiveNotes()
  notes.push(started('a'))
  for (let n = 0; n < 250_000; n++) notes.push(chunk('a', String(n)))
  const all = told(notes.through('a', 1, BEHIND))
  expect(all[0]).toBe('stepStarted')
  expect(all.at(-1)).toBe('249999')
  const first = Number(all[1])
  expect(all.slice(1)).toEqual(Array.from({ length: 250_000 - first }, (_, n) => String(first + n)))
  expect(all.length).toBeGreaterThan(50_000)
  expect(all.length).toBeLessThan(100_002)
})

test('chunks of a later attempt are told of the same step, also where the one before is read late', () => {
  const notes = new LiveNotes()
  for (const note of [started('a'), chunk('a', 'one'), started('a', 2), chunk('a', 'two', 2)]) notes.push(note)
  expect(told(notes.through('a', 1, BEHIND))).toEqual(['stepStarted', 'one'])
  const [restarted, second] = [...notes.through('a', 2, BEHIND)]
  expect(restarted?.type).toBe('stepRestarted')
  expect(second).toMatchObject({ chunk: 'two', name: 'model' })
})
