import type { Done } from '@selvage/programs'
import { nodeRuntime } from '@selvage/runtime-node'
import { describe, expect, it } from 'vitest'
import { noting } from '../../test/agents.ts'
import { keysOf, type Played, play, playAllPrefixes, questionsOf, type Scenario } from '../../test/scenario.ts'

const runtime = nodeRuntime()

/** Books and charges at once, charges again, and asks for a ticket, which somebody refuses: the run fails. */
function trip(seen: Done[], more: Partial<Scenario> = {}): Scenario {
  const compensate = (done: Done): void => void seen.push(done)
  return {
    script: [
      { tools: ['book', 'charge'].map((name, n) => ({ name, input: { n } })) },
      { tools: [{ name: 'charge', input: { n: 2 } }] },
      { tools: [{ name: 'look', input: { n: 3 } }] },
      { tools: [{ name: 'ticket', input: { n: 4 } }] },
      'Never said.',
    ],
    config: (ledger) => ({ tools: ['book', 'charge', 'look', 'ticket'].map((name) => noting(ledger, name)) }),
    options: {
      effects: {
        book: { effect: 'idempotent', compensate },
        charge: { effect: 'once', reconcile: () => ({ done: false }), compensate },
        look: 'read',
        ticket: { effect: 'once', compensate },
      },
      approvals: { ticket: { onReject: 'fail' } },
    },
    answer: (question) => ({ approved: false, reason: question.kind === 'approval' ? 'too dear' : 'given up' }),
    ...more,
  }
}

const undone = ({ entries }: Played): string[] => keysOf(entries).filter((key) => key.endsWith('/undo'))

describe('an agent’s run that fails', () => {
  it('undoes the calls that were made, newest first, each told its arguments and what it returned', async () => {
    const seen: Done[] = []
    const { how, ledger } = await play(runtime, trip(seen))
    expect(how).toMatchObject({
      outcome: { error: { code: 'REJECTED', message: expect.stringContaining('by ann: too dear') } },
    })
    expect(ledger.tools).toEqual(['book:0', 'charge:1', 'charge:2', 'look:3'])
    expect(seen.map(({ name, input, result }) => ({ name, input, result }))).toEqual([
      { name: 'charge', input: { n: 2 }, result: 'charge 2' },
      { name: 'charge', input: { n: 1 }, result: 'charge 1' },
      { name: 'book', input: { n: 0 }, result: 'book 0' },
    ])
    expect(seen[0]).toMatchObject({
      step: 'tool:call_2_1@2',
      outcome: 'done',
      reason: expect.stringContaining('too dear'),
    })
  })

  it('undoes each of them once from every entry of its journal, and asks no model and no tool again', async () => {
    const seen: Done[] = []
    const scenario = trip(seen)
    let isFirst = true
    const whole = await playAllPrefixes(runtime, scenario, (again, whole, prefix) => {
      // Those of the whole run.
      if (isFirst) seen.splice(0, 3)
      isFirst = false
      expect('outcome' in again.how && again.how.outcome).toMatchObject({ error: { code: 'REJECTED' } })
      expect([...new Set(undone(again))].sort()).toEqual(undone(whole).sort())
      const keys = keysOf(again.entries)
      expect(new Set(keys).size).toBe(keys.length)
      const before = keysOf(prefix).filter((key) => key.endsWith('/undo'))
      expect(seen.splice(0).map(({ step }) => `${step}/undo`)).toEqual(
        undone(again).filter((key) => !before.includes(key)),
      )
      if (prefix.some(({ type }) => type === 'undo')) expect(again.agents).toEqual([])
    })
    expect(undone(whole)).toHaveLength(3)
  })

  it('tells the model of a no unless the approval says otherwise, and then undoes nothing', async () => {
    const seen: Done[] = []
    const { options, ...rest } = trip(seen)
    const { how } = await play(runtime, { ...rest, options: { ...options, approvals: { ticket: true } } })
    expect(how).toMatchObject({ outcome: { ok: { text: 'Never said.' } } })
    expect(seen).toEqual([])
  })

  it('leaves to a person what gives up, and what nobody knows', async () => {
    const { options, ...rest } = trip([])
    const effects = {
      ...options?.effects,
      book: {
        effect: 'idempotent' as const,
        compensate: {
          run: () => {
            throw new Error('the hotel is closed')
          },
          retry: { maxAttempts: 1 },
        },
      },
    }
    const played = await play(runtime, { ...rest, options: { ...options, effects } })
    expect(played.how).toMatchObject({ outcome: { error: { code: 'REJECTED' } } })
    const items = questionsOf(played.entries).filter(({ kind }) => kind === 'compensation')
    expect(items).toMatchObject([
      { name: 'book', tool: 'book', input: { n: 0 }, reason: { step: 'tool:call_1_1@1', result: 'book 0' } },
    ])
  })
})

describe('an agent’s run that is cancelled', () => {
  it('undoes what was done, and stays cancelled', async () => {
    const seen: Done[] = []
    const scenario = trip(seen, { answer: () => undefined })
    const { engine, program } = await play(runtime, scenario)
    await engine.signal('r', { id: '$cancel', name: '$cancel', payload: 'enough' })
    expect(await engine.execute('r', program)).toEqual({ outcome: { cancelled: 'enough', undone: true } })
    expect(seen.map(({ name }) => name)).toEqual(['charge', 'charge', 'book'])
  })
})

describe('compensate', () => {
  it('is refused where it makes no sense', async () => {
    const { options, ...rest } = trip([])
    const bad = { ...options, approvals: { ticket: { onReject: 'undo' as never } } }
    await expect(play(runtime, { ...rest, options: bad })).rejects.toMatchObject({ code: 'BAD_INPUT' })
  })
})
