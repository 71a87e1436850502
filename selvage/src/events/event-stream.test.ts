import type { DescribeOptions, Engine, Entry, EntryBody, Host, LiveNote, Op, RunClaim } from '@selvage/core'
import { expect, test } from 'vitest'
import type { RunEvent } from './event.ts'
import { type EventsOptions, follow } from './event-stream.ts'

const op = (key: string): Op => ({ key, kind: 'code', name: key })

/** A run whose journal another hand writes, on an engine that tells of changes only when it is told to. */
class Remote {
  readonly entries: Entry[] = []
  readonly claims: RunClaim[] = []
  isSuspended = false
  /** How often somebody asked who had the run. */
  looks = 0
  tell: () => void = () => {}
  note: (note: LiveNote) => void = () => {}
  watchers = 0
  /** What whoever waits last has seen. */
  since: Parameters<Engine['changed']>[1] | undefined

  append(body: EntryBody): void {
    this.entries.push({ ...body, seq: this.entries.length, at: 0 })
  }

  /** Makes a change while somebody waits for one, and tells of it. */
  async change(make: () => void): Promise<void> {
    while (this.watchers === 0) await new Promise((resolve) => setImmediate(resolve))
    make()
    this.tell()
  }

  /** A worker has it; the one before has died. */
  claim(): void {
    const before = this.claims.at(-1)
    const fence = this.claims.length + 1
    const recoveredFrom = before === undefined ? {} : { recoveredFrom: before.worker }
    this.claims.push({
      fence,
      worker: `w${fence}`,
      pid: fence,
      host: 'h',
      at: 0,
      from: this.entries.length,
      ...recoveredFrom,
    })
  }

  step(key: string): void {
    this.append({ type: 'step', key, op: op(key), attempt: 1, startedAt: 0, outcome: { ok: null } })
  }

  events(options: EventsOptions = {}): AsyncGenerator<RunEvent, void> {
    const engine = {
      describe: async (_id: string, { claims = false }: DescribeOptions = {}) => {
        if (claims) this.looks += 1
        return {
          status: this.isSuspended ? 'suspended' : this.entries.at(-1)?.type === 'end' ? 'completed' : 'running',
          ...(this.isSuspended ? { waitsFor: { signals: ['go'] } } : {}),
          updatedAt: 0,
          entries: this.entries.length,
          ...(this.claims.length === 0 ? {} : { owner: this.claims.at(-1) }),
          ...(claims ? { claims: [...this.claims] } : {}),
        }
      },
      changed: (_id: string, since: Parameters<Engine['changed']>[1], abortSignal: AbortSignal) => {
        this.watchers += 1
        this.since = since
        return new Promise<void>((resolve) => {
          this.tell = resolve
          abortSignal.addEventListener('abort', () => resolve())
        }).finally(() => {
          this.watchers -= 1
        })
      },
    } as unknown as Engine
    const host = {
      subscribe: (_id: string, listener: (note: LiveNote) => void) => {
        this.note = listener
        return () => {
          this.note = () => {}
        }
      },
    } as unknown as Host
    const load = async (from: number, limit: number) => this.entries.slice(from, from + limit)
    return follow({ engine, host, load }, 'r', options)
  }
}

async function next(events: AsyncGenerator<RunEvent, void>): Promise<string> {
  const { value } = await events.next()
  return value === undefined ? 'end' : `${value.type} ${'step' in value ? value.step : ''}`.trim()
}

test('what was recorded before a step began is told before its start, however late the engine tells of it', async () => {
  const remote = new Remote()
  remote.append({ type: 'start', start: { program: 'p', input: null }, salt: '' })
  const events = remote.events()
  expect(await next(events)).toBe('runStarted')
  const first = next(events)
  remote.note({ type: 'started', runId: 'r', op: op('a'), attempt: 1, at: 0 })
  expect(await first).toBe('stepStarted a')
  remote.append({ type: 'step', key: 'a', op: op('a'), attempt: 1, startedAt: 0, outcome: { ok: null } })
  remote.note({ type: 'started', runId: 'r', op: op('b'), attempt: 1, at: 0 })
  remote.note({ type: 'chunk', runId: 'r', key: 'b', attempt: 1, chunk: 'x', at: 0 })
  expect([await next(events), await next(events), await next(events)]).toEqual([
    'stepCompleted a',
    'stepStarted b',
    'chunk b',
  ])
  await events.return()
  expect(remote.watchers).toBe(0)
})

test('chunks are told while they come, without a look at the journal', async () => {
  const remote = new Remote()
  remote.append({ type: 'start', start: { program: 'p', input: null }, salt: '' })
  const events = remote.events()
  await next(events)
  for (const chunk of ['x', 'y']) {
    const told = next(events)
    remote.note({ type: 'chunk', runId: 'r', key: 'a', attempt: 1, chunk, at: 0 })
    expect(await told).toBe('chunk a')
  }
  expect(remote.watchers).toBe(1)
  await events.return()
})

test('a takeover is told between what was recorded before it and after it, live and later, and a cursor knows it', async () => {
  const remote = new Remote()
  remote.append({ type: 'start', start: { program: 'p', input: null }, salt: '' })
  remote.claim()
  remote.step('a')
  const live = remote.events()
  expect([await next(live), await next(live)]).toEqual(['runStarted', 'stepCompleted a'])
  const told = next(live)
  await remote.change(() => {
    // A takeover need not change anything else.
    expect(remote.since).toEqual({ status: 'running', entries: 2, worker: 'w1' })
    remote.claim()
    remote.claim()
    remote.step('b')
  })
  expect([await told, await next(live), await next(live)]).toEqual(['runRecovered', 'runRecovered', 'stepCompleted b'])
  const last = next(live)
  await remote.change(() => {
    remote.claim()
    remote.append({ type: 'end', outcome: { ok: null } })
  })
  expect([await last, await next(live), await next(live)]).toEqual(['runRecovered', 'runCompleted', 'end'])

  const events: RunEvent[] = []
  for await (const event of remote.events()) events.push(event)
  expect(events.map(({ type }) => type)).toEqual([
    'runStarted',
    'stepCompleted',
    'runRecovered',
    'runRecovered',
    'stepCompleted',
    'runRecovered',
    'runCompleted',
  ])
  expect(events[2]).toMatchObject({ worker: 'w2', pid: 2, recoveredFrom: 'w1', replayed: true })
  for (const [index, { cursor }] of events.entries()) {
    const rest: RunEvent[] = []
    for await (const event of remote.events({ after: cursor })) rest.push(event)
    expect(rest).toEqual(events.slice(index + 1))
  }
})

test('who had the run is not asked again while the same worker has it', async () => {
  const remote = new Remote()
  remote.append({ type: 'start', start: { program: 'p', input: null }, salt: '' })
  remote.claim()
  const events = remote.events()
  await next(events)
  const looks = remote.looks
  for (const key of ['a', 'b', 'c']) {
    const told = next(events)
    await remote.change(() => remote.step(key))
    expect(await told).toBe(`stepCompleted ${key}`)
  }
  expect(remote.looks).toBe(looks)
  await events.return()
})

test('a run that was suspended is told to go on even if all that followed comes at once', async () => {
  const remote = new Remote()
  remote.append({ type: 'start', start: { program: 'p', input: null }, salt: '' })
  remote.isSuspended = true
  const events = remote.events()
  expect([await next(events), await next(events)]).toEqual(['runStarted', 'runSuspended'])
  const told = next(events)
  await remote.change(() => {
    remote.isSuspended = false
    remote.append({ type: 'end', outcome: { ok: null } })
  })
  expect([await told, await next(events), await next(events)]).toEqual(['runResumed', 'runCompleted', 'end'])
})
