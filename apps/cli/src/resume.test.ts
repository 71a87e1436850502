import type { Entry } from '@selvage/core'
import { expect, test } from 'vitest'
import { resumeOf } from './resume.ts'

const state = (key: string): Entry => ({ seq: 1, at: 0, type: 'state', key, patch: {} })
const start: Entry = { seq: 0, at: 0, type: 'start', start: { program: 'p', input: null }, salt: 's' }

test.each([
  ['an agent', [start, state('agent')], 'fold'],
  ['an agent inside of a node of a graph', [start, state('node:a#1/agent')], 'fold'],
  ['a workflow', [start, state('patience'), state('user-agent')], 'replay'],
  ['a run that has done nothing', [start], undefined],
] as const)('%s', (_what, entries, way) => {
  expect(resumeOf(entries)).toBe(way)
})
