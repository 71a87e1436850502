/** Random cases for fast-check: a plan, and an engine that is hostile to it. */
import fc from 'fast-check'
import { anyPlan, sequentialPlan } from './arbitrary.ts'
import type { Case } from './case.ts'

export type Mode = Pick<Case, 'journal' | 'affinity' | 'countsDeliveries'>

const chance = fc.constantFrom(0, 0, 0.1, 0.4)

/** Branches, races, time-outs, children and cancels. */
export function anyCase(mode: Mode): fc.Arbitrary<Case> {
  return fc
    .tuple(anyPlan({ children: true }), anyEngine(mode), fc.option(fc.nat({ max: 80 }), { nil: undefined, freq: 3 }))
    .map(([plan, engine, cancelAfter]) => ({ ...engine, plan, ...(cancelAfter !== undefined && { cancelAfter }) }))
}

/** One thing after another, by replay or fold. */
export function sequentialCase(mode: Mode): fc.Arbitrary<Case> {
  const one = (resume: 'fold' | 'replay'): fc.Arbitrary<Case> =>
    fc.tuple(sequentialPlan(resume), anyEngine(mode)).map(([plan, engine]) => ({ ...engine, plan, resume }))
  return fc.oneof(one('replay'), one('fold'))
}

function anyEngine(mode: Mode): fc.Arbitrary<Omit<Case, 'plan'>> {
  const hostility = fc.record<Case['hostility']>(
    {
      losesReplies: chance,
      deliversTwice: chance,
      deliversLate: chance,
      kills: chance,
      drops: chance,
      delaysSignals: chance,
      offers: chance,
      wakesForNothing: chance,
      doubts: chance,
      budgetMs: fc.constantFrom(1, 4),
      ...(mode.journal === 'store' ? { failsAppends: chance } : { rotatesEvery: fc.constant(3) }),
    },
    { requiredKeys: [] },
  )
  const signal = fc.record({ after: fc.nat({ max: 60 }), name: fc.constantFrom('red', 'blue'), again: fc.boolean() })
  return fc
    .record({ hostility, seed: fc.nat(), zombies: fc.boolean(), signals: fc.array(signal, { maxLength: 4 }) })
    .map((engine) => ({ ...mode, ...engine }))
}
