import type { Entry } from 'selvage'
import { describe, expect, it } from 'vitest'
import type { CallNote } from './call-log.ts'
import { type Evidence, figuresOf, problemsOf } from './figures.ts'
import type { LedgerLine } from './ledger.ts'

const RUN = 'report/execute'

function step(key: string, name: string, kind: 'model' | 'tool' | 'code', at: number): Entry {
  return {
    seq: at,
    at,
    type: 'step',
    key,
    op: { key, kind, name },
    attempt: 1,
    startedAt: at - 5,
    outcome: { ok: null },
  }
}

let count = 0

function begin(key: string | undefined, kind: 'model' | 'tool' | 'publish', at: number, pid: number): CallNote {
  const owner = key === undefined ? {} : { runId: RUN, step: key, key: `key of ${key}`, attempt: 1 }
  return { event: 'begin', at, call: { id: ++count, pid, kind, name: kind, detail: '', ...owner } }
}

function line(kind: LedgerLine['kind'], key: string, applied: boolean): LedgerLine {
  return { kind, key: `key of ${key}`, applied, value: null, pid: 1, at: 0 }
}

/** One model call, one finding, one publication; the finding was cut off once by the death of process 1. */
const good = {
  entries: [
    step('model#1', 'model', 'model', 10),
    step('tool:a@1', 'record_finding', 'tool', 30),
    step('publish', 'publish', 'code', 50),
  ],
  calls: [
    begin('model#1', 'model', 5, 1),
    begin('tool:a@1', 'tool', 12, 1),
    begin('tool:a@1', 'tool', 25, 2),
    begin('publish', 'publish', 45, 2),
  ],
  ledger: [line('finding', 'tool:a@1', true), line('finding', 'tool:a@1', false), line('publication', 'publish', true)],
}

function problems(change: Partial<typeof good>, published = true): string[] {
  const { entries, calls, ledger } = { ...good, ...change }
  const evidence: Evidence = { journals: new Map([[RUN, entries]]), calls, ledger }
  return problemsOf(figuresOf(evidence), published)
}

describe('the closing figures', () => {
  it('find nothing wrong with a call that was cut off and made again with its key', () => {
    expect(problems({})).toEqual([])
  })

  it('find a call that was made again although its result was durable', () => {
    const calls = [...good.calls, begin('model#1', 'model', 11, 2)]
    expect(problems({ calls })).toEqual(['1 model calls were made again for no reason.'])
  })

  it('find a call that was made again although nobody died', () => {
    const calls = [begin('model#1', 'model', 4, 1), ...good.calls]
    expect(problems({ calls })).toEqual(['1 model calls were made again for no reason.'])
  })

  it('excuse a second call in one process after a failure', () => {
    const failed = begin('model#1', 'model', 4, 1)
    expect(problems({ calls: [failed, { ...failed, event: 'fail' }, ...good.calls] })).toEqual([])
  })

  it('find a result that nobody called for', () => {
    expect(problems({ entries: [...good.entries, step('model#2', 'model', 'model', 60)] })).toHaveLength(1)
  })

  it('find a call that the journal knows nothing of', () => {
    expect(problems({ calls: [...good.calls, begin('tool:b@2', 'tool', 60, 2)] })).toHaveLength(1)
  })

  it('find a finding that is there twice, and one that is missing', () => {
    expect(problems({ ledger: [...good.ledger, line('finding', 'tool:a@1', true)] })).toHaveLength(1)
    expect(problems({ ledger: good.ledger.slice(2) })).toHaveLength(1)
  })

  it('find a second publication, a missing one, and one that nobody wanted', () => {
    expect(problems({ ledger: [...good.ledger, line('publication', 'publish', false)] })).toHaveLength(1)
    expect(problems({ ledger: good.ledger.slice(0, 2) })).toHaveLength(2)
    expect(problems({}, false)).toHaveLength(2)
  })

  it('find a call past the gate', () => {
    expect(problems({ calls: [...good.calls, begin(undefined, 'model', 60, 2)] })).toHaveLength(1)
  })
})
