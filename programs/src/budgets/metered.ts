/**
 * The gate of a workflow or pipeline on its pots. Its children draw on them too, so they are opened before the first one
 * starts. Its own steps cost nothing but time: where a pot limits that, each is counted.
 *
 * A replaying program must come to the same decisions: that a step was refused and people were asked is marked in the
 * journal, so a replay asks (and finds the answer) before it asks for the step. Where nobody is to be asked the refusal
 * is the outcome of the step, as an error of its body would be.
 */
import {
  type Caps,
  type Durable,
  NOTHING_SPENT,
  type Op,
  ownPotOf,
  SelvageError,
  type Spend,
  type StepBehaviour,
  type StepContext,
  UnrecordedError,
} from '@selvage/core'
import { withParts } from '../with-parts.ts'
import { type Budget, exceeded, factsOf, specOf } from './budget.ts'
import { askForMore } from './budget-question.ts'
import { isRefusal, Meter, type Refusal } from './meter.ts'

type Live<T> = (at: StepContext) => Promise<T> | T

/** The gate itself where no budget concerns the run. */
export function metered(durable: Durable, budget: Budget | undefined): Durable {
  const meter = Meter.of(durable, budget)
  if (meter === undefined) return durable
  const start = { ...durable.start, pots: meter.passedOn }
  return withParts(durable, {
    start,
    shielded: () => withParts(durable.shielded(), { start }),
    step: (op, live, behaviour) => {
      if (durable.current() !== undefined) return durable.step(op, live, behaviour)
      if (op.kind === 'child') return durable.step(op, (at) => meter.limited().then(() => live(at)), behaviour)
      return timed(durable, meter, op, live, behaviour)
    },
  })
}

class Refused extends Error {
  readonly refusal: Refusal

  constructor(refusal: Refusal) {
    super(`Pot ${refusal.pot.id} refused a step.`)
    this.refusal = refusal
  }
}

async function timed<T>(
  durable: Durable,
  meter: Meter,
  op: Op,
  live: Live<T>,
  behaviour: StepBehaviour<T> = {},
): Promise<T> {
  const body: Live<T> = async (at) => {
    if (!(await meter.limits('workMs'))) return live(at)
    const ticket = await meter.reserve(op.key, NOTHING_SPENT)
    if (isRefusal(ticket)) throw refusalOf(durable.runId, op, ticket)
    ticket.begin()
    try {
      return await live(at)
    } finally {
      ticket.settle(NOTHING_SPENT)
    }
  }
  const retryAfterMs: StepBehaviour<T>['retryAfterMs'] = (error, ...given) =>
    SelvageError.is(error, 'BUDGET_EXCEEDED') ? undefined : behaviour.retryAfterMs?.(error, ...given)
  for (let round = 1; ; round++) {
    const key = round === 1 ? `budget:${op.key}` : `budget:${op.key}#${round}`
    let refusal = usedUp(durable, meter.budget)
    if (!durable.marked(key)) {
      try {
        return await durable.step(op, body, { ...behaviour, retryAfterMs })
      } catch (error) {
        if (!(error instanceof Refused)) throw error
        refusal = error.refusal
      }
    }
    void durable.state(key, {})
    await askForMore(durable, key, op.key, refusal)
  }
}

/** Who may be asked is asked outside of the step. */
function refusalOf(runId: string, op: Op, refusal: Refusal): Error {
  const { pot, lacks, amount } = refusal
  if (pot.onExceeded === 'ask') return new UnrecordedError(new Refused(refusal))
  return exceeded(runId, op.key, factsOf(pot, lacks, amount[lacks]))
}

/** What is told where a replay comes to a question before it has been asked. */
function usedUp({ runId, start }: Durable, budget: Budget | undefined): Refusal {
  const spec = specOf(
    ownPotOf(runId, start),
    budget ?? { caps: { workMs: 0 }, onExceeded: 'ask', downgradeAt: 1, ask: {} },
  )
  const spent: Spend & Caps = { ...NOTHING_SPENT, ...spec.caps }
  const pot = { ...spec, raised: {}, spent, reserved: NOTHING_SPENT }
  return { granted: false, pot, lacks: 'workMs', amount: NOTHING_SPENT }
}
