import { expect, it } from 'vitest'
import type { Outcome, Signal } from '../entry.ts'
import type { Manifest } from '../ports.ts'
import type { QuestionRecord, RunDescription } from '../records.ts'
import { described, standingBy } from './described.ts'
import { type Asked, ReadingEngine } from './reading-engine.ts'

const PLATFORM = { now: () => 0, timer: () => () => {}, waitingTimer: () => () => {}, mayLive: () => true, report() {} }

const RUNS = ['a', 'b', 'c'].map((id, createdAt) => {
  const start = { program: 'p', input: null, tags: { of: id } }
  const recorded = { last: undefined, isAdvancing: false, isNew: true }
  const outcome: Outcome | undefined = id === 'a' ? { ok: 1 } : undefined
  const counts = { entries: 1, steps: 0, crashes: 0 }
  return described(id, { start, createdAt, updatedAt: createdAt, ...counts, ...standingBy({ ...recorded, outcome }) })
})
const asked = (runId: string, status: QuestionRecord['status']): QuestionRecord =>
  ({ id: `q-${runId}`, kind: 'approval', name: 'send', runId, key: 'k', openedAt: 1, status }) as QuestionRecord
const answer = (id: string): Signal => ({ id, name: id, payload: { approved: true } })

class Reading extends ReadingEngine {
  readonly manifest = { name: 'reading' } as Manifest
  readonly seen: Asked[] = []

  protected async readRuns(): Promise<readonly RunDescription[]> {
    return RUNS
  }
  protected async readQuestions(which: Asked): Promise<readonly QuestionRecord[]> {
    this.seen.push(which)
    return [asked('a', 'closed'), asked('b', 'open'), asked('c', 'open')]
  }
  protected async readAnswers(records: readonly QuestionRecord[]): Promise<ReadonlyMap<string, Signal>> {
    // A closed question may have been answered too late.
    expect(records.map(({ status }) => status)).toEqual(['open', 'open'])
    return new Map(['q-a', 'q-b'].map((id) => [id, answer(id)]))
  }
  protected async reopen(): Promise<boolean> {
    return false
  }
  protected async begin(): Promise<undefined> {}
  protected async send(): Promise<{ readonly accepted: true }> {
    return { accepted: true }
  }
  protected async look(runId: string): Promise<RunDescription> {
    return RUNS.find(({ id }) => id === runId) as RunDescription
  }
  protected async read(): Promise<readonly never[]> {
    return []
  }
  protected async work(): Promise<() => Promise<void>> {
    return async () => {}
  }
}

it('lists what it has read, filtered, newest first, a page at a time', async () => {
  const engine = new Reading('nowhere', PLATFORM)
  const first = await engine.list({ status: 'pending', limit: 1 })
  expect(first.items).toMatchObject([{ id: 'c', status: 'pending' }])
  expect(await engine.list({ status: 'pending', limit: 1, after: first.next ?? '' })).toEqual({
    items: [expect.objectContaining({ id: 'b' })],
  })
})

it('a question is answered by what was accepted, unless it is closed', async () => {
  const engine = new Reading('nowhere', PLATFORM)
  expect((await engine.questions({})).items.map(({ id, status }) => `${id} ${status}`).toSorted()).toEqual([
    'q-a closed',
    'q-b answered',
    'q-c open',
  ])
  expect((await engine.questions({ tag: { key: 'of', value: 'c' } })).items).toMatchObject([{ id: 'q-c' }])
  expect(await engine.question('q-b')).toMatchObject({ status: 'answered', answer: { id: 'q-b' } })
  expect(engine.seen.at(-1)).toEqual({ id: 'q-b' })
  await expect(engine.question('none')).rejects.toMatchObject({ code: 'NOT_FOUND' })
})

it('is closed as any engine is', async () => {
  const engine = new Reading('nowhere', PLATFORM)
  await engine.close()
  await expect(engine.list({})).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  await expect(engine.questions({})).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  await expect(engine.retry('a')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
})
