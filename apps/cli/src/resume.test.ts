import type { Entry } from '@selvage/core'
import { expect, test } from 'vitest'
import { resumeOf, resumeWords } from './resume.ts'

const state = (key: string): Entry => ({ seq: 1, at: 0, type: 'state', key, patch: {} })
const start: Entry = { seq: 0, at: 0, type: 'start', start: { program: 'p', input: null }, salt: 's' }

test.each([
  ['an agent', [start, state('agent')], 'fold', /^folding its journal/],
  ['an agent with another one as a tool', [start, state('agent'), state('call:t@1/agent')], 'fold', /^folding/],
  ['an agent inside of a node of a graph', [start, state('node:a#1/agent')], 'fold', /^running from the top/],
  ['a workflow', [start, state('patience'), state('user-agent')], 'replay', /^replaying its function/],
] as const)('%s', (_what, entries, way, words) => {
  expect(resumeOf(entries)).toBe(way)
  expect(resumeWords(entries)).toMatch(words)
})

test('a run that has done nothing', () => {
  const signal: Entry = { seq: 1, at: 0, type: 'signal', signal: { id: 's1', name: 'message', payload: null } }
  const end: Entry = { seq: 2, at: 0, type: 'end', outcome: { ok: null } }
  for (const entries of [[start], [start, signal], [start, signal, end]]) {
    expect(resumeOf(entries)).toBeUndefined()
    expect(resumeWords(entries)).toBeUndefined()
  }
})
