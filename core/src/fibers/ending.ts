/**
 * When a run is over, and how it ends.
 *
 *   the program ends · it disagrees with its journal · its grace after a cancel is over · it waits for nobody any more
 *     ──▶ what is in flight as `once` settles, or its grace is over ──▶ the parent hears of it ──▶ `end`
 *
 * What is never true: something begins behind the end.
 */
import type { Outcome } from '../journal/entry.ts'
import { earlier } from '../values/time.ts'
import type { Fiber } from './fiber.ts'
import type { Starter } from './starter.ts'
import { tellParent } from './told-parent.ts'

export class Ending {
  private readonly fiber: Fiber
  private readonly starter: Starter

  constructor(fiber: Fiber, starter: Starter) {
    this.fiber = fiber
    this.starter = starter
  }

  /** Whether the program has ended, or must: where it left recorded steps out, that ends it as well. */
  isOver(): boolean {
    const { fiber } = this
    if (fiber.finished !== undefined) fiber.agreement.checkNothingPassedBy('the end of the program')
    if (fiber.agreement.disagreement !== undefined || this.isGraceOver) return true
    if (fiber.finished === undefined && fiber.isLeft && fiber.mailbox.isUnanswered) return true
    return fiber.finished !== undefined && !(fiber.isSettlingOnce && this.mayStillSettle)
  }

  async outcome(): Promise<Outcome> {
    const { fiber } = this
    const { disagreement } = fiber.agreement
    const outcome = disagreement === undefined ? await fiber.outcome() : fiber.failureOutcome(disagreement)
    return fiber.known.undo !== undefined && !('ok' in outcome) ? { ...outcome, undone: true } : outcome
  }

  async tellParent(outcome: Outcome): Promise<void> {
    const { runId, env, start, reopened, hasToldParent, isEnding } = this.fiber
    if (!hasToldParent && !isEnding) await tellParent(env.outbound, runId, start, reopened, outcome)
  }

  /** Nothing begins any more. What ended while the parent heard of it stands before the end, which then says more. */
  record(outcome: Outcome): void {
    const { fiber } = this
    fiber.isEnding = true
    if (fiber.produced.length > 0) return
    // A retry under the old code goes on with what was intended.
    if (fiber.agreement.disagreement === undefined) this.starter.leaveIntended()
    fiber.produce({ type: 'end', outcome })
  }

  /** A run that undoes what it did ends with its program: each compensation is bounded by a policy of its own. */
  get isGraceOver(): boolean {
    const { cancelled, undo } = this.fiber.known
    return cancelled !== undefined && undo === undefined && this.fiber.clock() >= this.graceFrom(cancelled.at)
  }

  /** When something is due: at `until`, or when a grace or the time of the run is over. The end of a grace by `seen` is not due again. */
  nextDue(until: number | undefined, seen: number = 0): number | undefined {
    const { fiber } = this
    const { cancelled, undo } = fiber.known
    if (undo !== undefined) {
      return fiber.isSettlingOnce && this.mayStillSettle ? earlier(until, this.graceFrom(undo.at)) : until
    }
    if (cancelled === undefined) return earlier(until, fiber.limit?.at)
    const over = this.graceFrom(cancelled.at)
    return over > seen ? earlier(until, over) : until
  }

  /** What was in flight when a run began to be undone has the grace of a cancelled run. */
  private get mayStillSettle(): boolean {
    const { undo } = this.fiber.known
    return undo === undefined || this.fiber.clock() < this.graceFrom(undo.at)
  }

  /** A process that takes the run up much later still has time to ask what became of an effect `once`. */
  private graceFrom(at: number): number {
    const { isSettlingOnce, takenUpAt, env } = this.fiber
    return (isSettlingOnce ? Math.max(at, takenUpAt) : at) + env.cancelGraceMs
  }
}
