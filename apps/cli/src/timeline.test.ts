import type { Entry, EntryBody, Json, Op, RunClaim, StepOutcome } from '@selvage/core'
import { describe, expect, test } from 'vitest'
import { summary } from './summary.ts'
import { timeline } from './timeline.ts'

const op: Op = { key: 'charge', kind: 'tool', name: 'charge', effect: 'once' }

/** Entries as a journal numbers them, ten milliseconds apart. */
function journal(...bodies: readonly EntryBody[]): Entry[] {
  return bodies.map((body, seq) => ({ ...body, seq, at: 1_000 + seq * 10 }))
}

const intent = (host: string, attempt = 1): EntryBody => ({ type: 'intent', key: op.key, op, attempt, host })
const step = (outcome: StepOutcome, attempt = 1): EntryBody => ({
  type: 'step',
  key: op.key,
  op,
  attempt,
  startedAt: 1_000,
  outcome,
})

describe('a step is one row', () => {
  test.each<[string, readonly EntryBody[], object]>([
    [
      'done where it was meant to be',
      [intent('a:1'), step({ ok: 'paid' })],
      { state: 'executed', detail: 'paid', tookMs: 10 },
    ],
    [
      'done by another process than the one that meant to',
      [intent('a:1'), intent('b:2', 2), step({ ok: 'paid' }, 2)],
      { state: 'executed', attempts: 2, hosts: ['a:1', 'b:2'] },
    ],
    ['under way, or its process died', [intent('a:1')], { state: 'intended', detail: 'on a:1' }],
    [
      'nobody knows',
      [intent('a:1'), step({ unknown: 'the process died' })],
      { state: 'unknown', detail: 'the process died' },
    ],
    [
      'failed and made again',
      [
        { type: 'retry', key: op.key, op, attempt: 1, error: { name: 'Error', message: 'busy' }, retryAt: 2_000 },
        step({ ok: 1 }, 2),
      ],
      { state: 'executed', attempts: 2, seq: 0 },
    ],
    ['failed for good', [step({ error: { name: 'Error', message: 'no' } })], { state: 'failed', detail: 'no' }],
    ['stopped to ask', [step({ interrupts: [{ id: 'i' }] })], { state: 'asked' }],
  ])('%s', (_what, bodies, expected) => {
    const rows = timeline(journal(...bodies))
    expect(rows).toHaveLength(1)
    expect(rows[0]).toMatchObject({ what: 'step', key: 'charge', name: 'charge', kind: 'tool', ...expected })
  })
})

test('a question and its answer are one row, and the signal that answers is none', () => {
  const question = { id: 'ap_1', kind: 'approval', name: 'publish' } as const
  const rows = timeline(
    journal(
      { type: 'open', key: 'approval:publish', question },
      { type: 'signal', signal: { id: 'other', name: 'go', payload: 1, by: 'bob' } },
      { type: 'signal', signal: { id: 'ap_1', name: 'ap_1', payload: { approved: true }, by: 'ann' } },
      { type: 'wait', key: 'approval:publish', signalId: 'ap_1' },
    ),
  )
  expect(rows).toMatchObject([
    { what: 'wait', name: 'publish', state: 'answered', tookMs: 30, detail: '{"approved":true} by ann' },
    { what: 'signal', key: 'go', state: 'received', detail: '1 by bob' },
  ])
})

test('a retry of the run shows where it was made, and the step is the one that stands', () => {
  const rows = timeline(
    journal(
      step({ error: { name: 'Error', message: 'no' } }),
      { type: 'end', outcome: { error: { name: 'Error', message: 'no' }, step: 'charge' } },
      { type: 'reopen', voided: ['charge'], by: 'ann' },
      step({ ok: 'paid' }),
      { type: 'end', outcome: { ok: 'paid' } },
    ),
  )
  expect(rows.map((row) => [row.key, row.state])).toEqual([
    ['charge', 'executed'],
    ['end', 'failed'],
    ['retry', 'retried'],
    ['end', 'completed'],
  ])
})

test.each([
  ['text', 'text'],
  [undefined, ''],
  [{ a: 1n, b: new Set([2]), c: new Uint8Array(3) }, '{"a":"1n","b":[2],"c":"<3 bytes>"}'],
  [{ text: 'Done.', stopReason: 'endTurn', usage: {} }, 'Done.'],
  [{ content: [{ text: 'I charge' }, { toolUse: { name: 'charge', input: { n: 1 } } }] }, 'I charge → charge({"n":1})'],
  [{ content: [{ json: { n: 1 } }, { image: {} }] }, '{"n":1} <image>'],
])('what value %# says', (value, words) => {
  expect(summary(value)).toBe(words)
})

describe('who did what', () => {
  const claim = (fence: number, worker: string, from: number, recoveredFrom?: string): RunClaim => ({
    fence,
    worker,
    pid: fence * 100,
    host: 'h',
    at: 0,
    from,
    ...(recoveredFrom === undefined ? {} : { recoveredFrom }),
  })
  const start: EntryBody = { type: 'start', start: { program: 'p', input: null }, salt: '' }
  const called = (key: string): EntryBody => ({
    type: 'step',
    key,
    op: { key, kind: 'code', name: key },
    attempt: 1,
    startedAt: 1_000,
    outcome: { ok: null },
  })
  const told = (claims: readonly RunClaim[], ...bodies: readonly EntryBody[]) =>
    timeline(journal(...bodies), claims).map(({ key, state }) => `${key} ${state}`)

  test('what was recorded before the last takeover was recovered, what came after it executed', () => {
    const rows = timeline(journal(start, called('a'), called('b'), called('c')), [
      claim(1, 'one', 1),
      claim(2, 'two', 2, 'one'),
      claim(3, 'three', 3, 'two'),
    ])
    expect(rows.map(({ key, state }) => `${key} ${state}`)).toEqual([
      'start started',
      'one claimed',
      'a recovered',
      'two recovered',
      'b recovered',
      'three recovered',
      'c executed',
    ])
    expect(rows.map(({ worker }) => worker?.id)).toEqual([undefined, 'one', 'one', 'two', 'two', 'three', 'three'])
    expect(rows[3]?.recoveredFrom).toEqual({ id: 'one', pid: 100, host: 'h' })
  })

  test('a worker that gave the run back recovered nothing from itself, and is named again only after another', () => {
    const claims = [claim(1, 'one', 1), claim(2, 'one', 2), claim(3, 'two', 3), claim(4, 'one', 4)]
    expect(told(claims, start, called('a'), called('b'), called('c'), called('d'))).toEqual([
      'start started',
      'one claimed',
      'a executed',
      'b executed',
      'two claimed',
      'c executed',
      'one claimed',
      'd executed',
    ])
  })

  test('an effect that was begun by the dead worker and settled by the next was made again, or reconciled', () => {
    const claims = [claim(1, 'one', 1), claim(2, 'two', 2, 'one')]
    const again = timeline(journal(start, intent('a:1'), intent('b:2', 2), step({ ok: 'paid' }, 2)), claims)
    expect(again[2]).toMatchObject({ key: 'charge', state: 'executed', worker: { id: 'two' }, hosts: ['a:1', 'b:2'] })
    const asked = timeline(journal(start, intent('a:1'), step({ ok: 'paid' })), claims)
    expect(asked[2]).toMatchObject({ key: 'charge', state: 'reconciled', worker: { id: 'two' } })
    // It stands where it was begun.
    expect(again.map(({ key }) => key)).toEqual(['start', 'one', 'charge', 'two'])
  })

  test('a takeover without anything after it is the last line, and forgotten claims tell nothing', () => {
    const claims = [claim(201, 'one', 3), claim(202, 'two', 3, 'one')]
    expect(told(claims, start, called('a'), called('b'))).toEqual([
      'start started',
      'a recovered',
      'b recovered',
      'one claimed',
      'two recovered',
    ])
  })
})

test.each<[string, Json, string]>([
  ['completed', { ok: null }, 'w/part completed'],
  ['completed with what an agent said', { ok: { text: 'Done.', stopReason: 'endTurn' } }, 'w/part completed: Done.'],
  ['failed', { error: { name: 'Error', message: 'no luck' } }, 'w/part failed: no luck'],
  ['cancelled', { cancelled: 'enough' }, 'w/part cancelled: enough'],
])('a child that %s says so, with its run', (_how, payload, detail) => {
  const id = 'child:w/part'
  const rows = timeline(
    journal(
      { type: 'signal', signal: { id, name: id, payload } },
      { type: 'wait', key: 'child:part/done', signalId: id },
    ),
  )
  expect(rows).toMatchObject([{ what: 'wait', state: 'answered', detail }])
})
