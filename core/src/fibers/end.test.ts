/** What comes while the parent of a run hears of its end: the end says all that a replay of the journal would. */
import { expect, test } from 'vitest'
import { advancing } from '../../test/in-memory.ts'
import type { Durable, Entry, Outbound, Program } from '../index.ts'
import { voidedByRetry } from '../journal/known.ts'

const op = (key: string) => ({ key, kind: 'code', name: key }) as const
const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => void setImmediate(resolve))
}

/** A child run, to its end; its parent is told slowly, and `meanwhile` happens. */
async function ended(run: Program['run'], meanwhile: () => void): Promise<readonly Entry[]> {
  const entries: Entry[] = []
  const outbound: Outbound = {
    start: () => Promise.reject(new Error('not used here')),
    cancel: () => Promise.reject(new Error('not used here')),
    signal: async () => {
      meanwhile()
      await turns(10)
      return { accepted: true }
    },
  }
  const start = { program: 'p', input: null, parent: { runId: 'parent', key: 'child' } }
  const advance = advancing(run, entries, { host: { outbound }, request: { start } })
  while ((await advance()).kind !== 'done');
  return entries
}

test('a branch that fails as well leaves no failure behind that a retry of the run would end with at once', async () => {
  const late = Promise.withResolvers<never>()
  const entries = await ended(
    (durable: Durable) =>
      Promise.all([
        durable.step(op('late'), () => late.promise),
        durable.step(op('first'), () => Promise.reject(new Error('no'))),
      ]),
    () => late.reject(new Error('no either')),
  )
  const failed = entries.flatMap((entry) => (entry.type === 'step' && 'error' in entry.outcome ? [entry.key] : []))
  expect(failed).toContain('first')
  expect(voidedByRetry(entries)).toEqual(failed)
})

test('an effect that another branch asks for is neither intended nor begun', async () => {
  const late = Promise.withResolvers<void>()
  let begun = 0
  const entries = await ended(
    async (durable: Durable) => {
      const charging = late.promise.then(() => durable.step({ ...op('charge'), effect: 'once' }, () => void begun++))
      await Promise.race([charging, durable.step(op('first'), () => 1)])
    },
    () => late.resolve(),
  )
  expect(begun).toBe(0)
  expect(entries.filter(({ type }) => type === 'intent')).toEqual([])
  expect(entries.at(-1)?.type).toBe('end')
})
