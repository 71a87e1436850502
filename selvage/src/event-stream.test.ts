import type { Engine, Entry, EntryBody, Host, LiveNote, Op } from '@selvage/core'
import { expect, test } from 'vitest'
import type { RunEvent } from './event.ts'
import { follow } from './event-stream.ts'

const op = (key: string): Op => ({ key, kind: 'code', name: key })

/** A run whose journal another hand writes, on an engine that tells of changes only when it is told to. */
class Remote {
  readonly entries: Entry[] = []
  tell: () => void = () => {}
  note: (note: LiveNote) => void = () => {}
  watchers = 0

  append(body: EntryBody): void {
    this.entries.push({ ...body, seq: this.entries.length, at: 0 })
  }

  events(): AsyncGenerator<RunEvent, void> {
    const engine = {
      describe: async () => ({ status: 'running', entries: this.entries.length }),
      changed: (_id: string, _since: unknown, abortSignal: AbortSignal) => {
        this.watchers += 1
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
    return follow({ engine, host, load }, 'r', {})
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
