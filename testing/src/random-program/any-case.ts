/** Random cases for fast-check: a plan, and an engine that is hostile to it. */
import fc from 'fast-check'
import { anyPlan } from './arbitrary.ts'
import type { Case } from './case.ts'

const chance = fc.constantFrom(0, 0, 0.1, 0.4)

export function anyCase(journal: Case['journal'], affinity: boolean, countsDeliveries: boolean): fc.Arbitrary<Case> {
  return fc.record(
    {
      plan: anyPlan({ children: true }),
      journal: fc.constant(journal),
      affinity: fc.constant(affinity),
      countsDeliveries: fc.constant(countsDeliveries),
      hostility: fc.record<Case['hostility']>(
        {
          losesReplies: chance,
          deliversTwice: chance,
          deliversLate: chance,
          kills: chance,
          drops: chance,
          delaysSignals: chance,
          offers: chance,
          wakesForNothing: chance,
          budgetMs: fc.constantFrom(1, 4),
          ...(journal === 'store' ? { failsAppends: chance } : { rotatesEvery: fc.constant(3) }),
        },
        { requiredKeys: [] },
      ),
      seed: fc.nat(),
      zombies: fc.boolean(),
      signals: fc.array(
        fc.record({ after: fc.nat({ max: 60 }), name: fc.constantFrom('red', 'blue'), again: fc.boolean() }),
        { maxLength: 4 },
      ),
      cancelAfter: fc.nat({ max: 80 }),
    },
    { requiredKeys: ['plan', 'journal', 'affinity', 'countsDeliveries', 'hostility', 'seed', 'zombies', 'signals'] },
  ) as fc.Arbitrary<Case>
}
