import { describe, expect, it } from 'vitest'
import type { Entry, EntryBody } from '../journal/entry.ts'
import { pageOf, questionsIn } from './queries.ts'

const journal = (...bodies: readonly EntryBody[]): readonly Entry[] =>
  bodies.map((body, seq) => ({ ...body, seq, at: 10 * seq }))

const open = (key: string): EntryBody => ({
  type: 'open',
  key,
  question: { id: `ap_${key}`, kind: 'approval', name: key },
})
const end: EntryBody = { type: 'end', outcome: { cancelled: 'enough' } }

describe('questions of a journal', () => {
  it('stand as the entries leave them', () => {
    const entries = journal(
      open('a'),
      open('b'),
      open('c'),
      { type: 'wait', key: 'a', signalId: 'ap_a' },
      { type: 'wait', key: 'b' },
    )
    expect(questionsIn('r', entries).map(({ id, status }) => [id, status])).toEqual([
      ['ap_a', 'answered'],
      ['ap_b', 'expired'],
      ['ap_c', 'open'],
    ])
    expect(questionsIn('r', entries)[2]).toMatchObject({ runId: 'r', key: 'c', openedAt: 20 })
  })

  it('are closed by the end, and open again where the run goes on, unless they are void', () => {
    const ended = [open('a'), open('b'), end]
    expect(questionsIn('r', journal(...ended)).map(({ status }) => status)).toEqual(['closed', 'closed'])
    const reopened = journal(...ended, { type: 'reopen', voided: ['a'] })
    expect(questionsIn('r', reopened).map(({ id, status }) => [id, status])).toEqual([['ap_b', 'open']])
  })
})

describe('a page', () => {
  const items = [1, 2, 3, 4, 5].map((at) => ({ id: `r${at % 2}${at}`, at: Math.ceil(at / 2) }))
  const place = ({ at, id }: (typeof items)[number]): readonly [number, string] => [at, id]

  it('begins behind the last item of the one before, newest first', () => {
    const seen: string[] = []
    for (let after: string | undefined = ''; after !== undefined; ) {
      const page: ReturnType<typeof pageOf<(typeof items)[number]>> = pageOf(items, place, {
        limit: 2,
        ...(after !== '' && { after }),
      })
      seen.push(...page.items.map(({ id }) => id))
      after = page.next
    }
    expect(seen).toEqual(['r15', 'r13', 'r04', 'r11', 'r02'])
  })

  it.each(['x', '!', 'bnVsbA'])('refuses %s, which is none of this list', (after) => {
    expect(() => pageOf(items, place, { after })).toThrow(expect.objectContaining({ code: 'BAD_INPUT' }))
  })
})
