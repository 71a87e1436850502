import { expect, it } from 'vitest'
import type { Outcome, Signal } from '../journal/entry.ts'
import type { Host, Manifest } from '../ports.ts'
import type { QuestionRecord, RunDescription } from '../records.ts'
import { described, standingBy } from './described.ts'
import { type Asked, type Found, ReadingEngine } from './reading-engine.ts'

const PLATFORM = { now: () => 0, timer: () => () => {}, waitingTimer: () => () => {}, mayLive: () => true, report() {} }

const RUNS = ['a', 'b', 'c'].map((id, createdAt) => {
  const parent = id === 'a' ? { parent: { runId: 'c', key: 'k' } } : {}
  const start = { program: 'p', input: null, tags: { of: id }, ...parent }
  const recorded = { last: undefined, isAdvancing: false, isNew: true }
  const outcome: Outcome | undefined = id === 'a' ? { ok: 1 } : undefined
  const counts = { entries: 1, steps: 0, crashes: 0 }
  return described(id, { start, createdAt, updatedAt: createdAt, ...counts, ...standingBy({ ...recorded, outcome }) })
})
const FOUND = RUNS.map((picture) => ({ runId: picture.id, start: picture.start, isLost: picture.id === 'a', picture }))
const asked = (runId: string, status: QuestionRecord['status']): QuestionRecord =>
  ({ id: `q-${runId}`, kind: 'approval', name: 'send', runId, key: 'k', openedAt: 1, status }) as QuestionRecord
const answer = (id: string): Signal => ({ id, name: id, payload: { approved: true } })

class Reading extends ReadingEngine<Found & { readonly picture: RunDescription }> {
  readonly manifest = { name: 'reading' } as Manifest
  readonly seen: Asked[] = []
  readonly made: string[] = []
  readonly sent: string[] = []

  protected async *readRuns() {
    yield* FOUND
  }
  protected async find(id: string) {
    return FOUND.find(({ runId }) => runId === id)
  }
  protected async make(runId: string): Promise<boolean> {
    this.made.push(runId)
    return true
  }
  protected picture({ picture }: (typeof FOUND)[number]): RunDescription {
    return picture
  }
  protected reopeningsOf(): number {
    return 0
  }
  protected async entriesOf(): Promise<readonly never[]> {
    return []
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
  protected async send(runId: string): Promise<{ readonly accepted: true }> {
    this.sent.push(runId)
    return { accepted: true }
  }
  protected async work(): Promise<() => Promise<void>> {
    await this.beginning
    return async () => void this.ends++
  }
  beginning: Promise<void> | undefined
  ends = 0
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

it('makes what it has not found, and says how the one was started that it has', async () => {
  const engine = new Reading('nowhere', PLATFORM)
  expect(await engine.start('d', { program: 'p', input: null })).toEqual({ created: true })
  expect(await engine.start('b', { program: 'p', input: null })).toEqual({ created: false })
  await expect(engine.start('b', { program: 'q', input: null })).rejects.toMatchObject({ code: 'RUN_CONFLICT' })
  expect(engine.made).toEqual(['d'])
  await expect(engine.describe('d')).rejects.toMatchObject({ code: 'NOT_FOUND' })
})

it('whoever sees first that a run is lost tells its parent, once', async () => {
  const engine = new Reading('nowhere', PLATFORM)
  await engine.describe('b')
  expect(engine.sent).toEqual([])
  await engine.list({})
  await engine.describe('a')
  expect(engine.sent).toEqual(['c'])
})

it('that is closed while a worker begins waits for it, and ends it', async () => {
  const engine = new Reading('nowhere', PLATFORM)
  const begins = Promise.withResolvers<void>()
  engine.beginning = begins.promise
  const serving = engine.serve({} as Host)
  const refused = expect(serving).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  const closed = engine.close()
  expect(engine.ends).toBe(0)
  begins.resolve()
  await closed
  expect(engine.ends).toBe(1)
  await refused
})

it('is closed as any engine is', async () => {
  const engine = new Reading('nowhere', PLATFORM)
  await engine.close()
  await expect(engine.list({})).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  await expect(engine.questions({})).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  await expect(engine.retry('a')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
})
