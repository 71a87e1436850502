/** Random plans for fast-check, small first. */
import type { Program } from '@selvage/core'
import fc from 'fast-check'
import type { Plan, StepPlan } from './plan.ts'

const few = (max: number): fc.Arbitrary<number> => fc.nat({ max })

const stepPlan: fc.Arbitrary<StepPlan> = fc.record({
  do: fc.constant('step' as const),
  name: fc.constantFrom('a', 'b', 'c'),
  before: few(8),
  after: few(8),
  effect: fc.constantFrom('idempotent', 'once', 'read'),
  reconcile: fc.boolean(),
  fails: fc.constantFrom(0, 0, 0, 0, 1, 2),
  flaky: fc.constantFrom(false, false, false, true),
  retries: few(2),
  retryMs: fc.constantFrom(0, 1, 20),
  heeds: fc.boolean(),
  nested: fc.constantFrom(false, false, false, true),
})

const signalName = fc.constantFrom('red', 'blue')
const ms = fc.constantFrom(0, 1, 5, 20, 60)

/**
 * One thing after another, with pauses in between that are the author's own: order alone says what comes next. For
 * folding programs nothing that they must find in their history by themselves.
 */
export function sequentialPlan(resume: Program['resume']): fc.Arbitrary<Plan> {
  const { plan } = fc.letrec<{ plan: Plan; leaf: Plan; branch: Plan }>((tie) => {
    const part = tie('plan')
    return {
      leaf: fc.oneof(
        { weight: 6, arbitrary: stepPlan },
        { weight: 2, arbitrary: fc.record({ do: fc.constant('pause' as const), turns: few(5) }) },
        {
          weight: 2,
          arbitrary: fc.record(
            { do: fc.constant('wait' as const), name: signalName, ms },
            { requiredKeys: ['do', 'name'] },
          ),
        },
        { weight: 1, arbitrary: fc.record({ do: fc.constant('sleep' as const), ms }) },
        { weight: 1, arbitrary: fc.record({ do: fc.constant('ask' as const), ms }, { requiredKeys: ['do'] }) },
        ...(resume === 'replay'
          ? [
              { weight: 1, arbitrary: fc.record({ do: fc.constant('note' as const), awaited: fc.constant(true) }) },
              { weight: 1, arbitrary: fc.record({ do: fc.constant('draw' as const) }) },
            ]
          : []),
      ),
      branch: fc.oneof(
        {
          weight: 4,
          arbitrary: fc.record({ do: fc.constant('seq' as const), of: fc.array(part, { minLength: 1, maxLength: 4 }) }),
        },
        { weight: 1, arbitrary: fc.record({ do: fc.constant('attempt' as const), of: part, otherwise: part }) },
        { weight: 1, arbitrary: fc.record({ do: fc.constant('choose' as const), even: part, odd: part }) },
        { weight: 1, arbitrary: fc.record({ do: fc.constant('finally' as const), of: part, last: part }) },
      ),
      plan: fc.oneof({ maxDepth: 4, depthSize: 'small', withCrossShrink: true }, tie('leaf'), tie('branch')),
    }
  })
  return plan
}

/** `children`: with runs of their own. */
export function anyPlan(options: { readonly children?: boolean } = {}): fc.Arbitrary<Plan> {
  const { plan } = fc.letrec<{ plan: Plan; leaf: Plan; branch: Plan }>((tie) => {
    const part = tie('plan')
    const parts = fc.array(part, { minLength: 1, maxLength: 4 })
    return {
      leaf: fc.oneof(
        { weight: 8, arbitrary: stepPlan },
        { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), name: signalName }) },
        { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), name: signalName, ms }) },
        { weight: 1, arbitrary: fc.record({ do: fc.constant('sleep' as const), ms }) },
        { weight: 1, arbitrary: fc.record({ do: fc.constant('ask' as const), ms }, { requiredKeys: ['do'] }) },
        { weight: 1, arbitrary: fc.record({ do: fc.constant('note' as const), awaited: fc.boolean() }) },
        { weight: 1, arbitrary: fc.record({ do: fc.constant('draw' as const) }) },
      ),
      branch: fc.oneof(
        { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('seq' as const, 'all', 'race'), of: parts }) },
        { weight: 1, arbitrary: fc.record({ do: fc.constant('limit' as const), of: part, ms }) },
        { weight: 1, arbitrary: fc.record({ do: fc.constant('attempt' as const), of: part, otherwise: part }) },
        { weight: 1, arbitrary: fc.record({ do: fc.constant('choose' as const), even: part, odd: part }) },
        { weight: 1, arbitrary: fc.record({ do: fc.constant('finally' as const), of: part, last: part }) },
        ...(options.children === true
          ? [{ weight: 1, arbitrary: fc.record({ do: fc.constant('child' as const), of: part }) }]
          : []),
      ),
      plan: fc.oneof({ maxDepth: 4, depthSize: 'small', withCrossShrink: true }, tie('leaf'), tie('branch')),
    }
  })
  return plan
}
