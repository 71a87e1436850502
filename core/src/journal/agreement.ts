/**
 * Whether code still follows its journal (rule 7). Only replaying programs are held to it: a recorded step whose kind,
 * name or check differs stops the run, and so does a new step, a rest or an end where recorded steps were not asked for.
 * Folding programs note a difference themselves.
 */
import { NonDeterminismError } from '../errors.ts'
import type { Fiber } from '../fibers/fiber.ts'
import type { EntryOf, Op } from './entry.ts'

export class Agreement {
  private readonly fiber: Fiber
  /** Entries below this were there when the fiber began. */
  private readonly replayEnd: number
  disagreement: NonDeterminismError | undefined

  constructor(fiber: Fiber, replayEnd: number) {
    this.fiber = fiber
    this.replayEnd = fiber.program.resume === 'replay' ? replayEnd : 0
  }

  /** Whether the recorded step is the one that code asks for now. */
  matches(op: Op, entry: EntryOf<'step'>): boolean {
    if (entry.seq >= this.replayEnd) return true
    const expected = entry.op
    if (expected.kind === op.kind && expected.name === op.name && (expected.check ?? '') === (op.check ?? ''))
      return true
    this.disagree(entry.seq, describe(expected), describe(op))
    return false
  }

  /** Once replay is over, code that goes on without having asked for a recorded step has changed. */
  checkNothingPassedBy(got: Op | 'the end of the program' | `nothing but ${string}`): boolean {
    const passed = this.leavesOut ? this.passedBy() : undefined
    if (passed === undefined) return true
    const asked = typeof got === 'string' ? got : `${got.kind} step "${got.key}"`
    this.disagree(passed.seq, describe(passed.op), asked)
    return false
  }

  /** Code has not asked for a recorded step, as it must where its run is not stopped. */
  get leavesOut(): boolean {
    return !this.fiber.isStopped && this.passedBy() !== undefined
  }

  /** The first recorded step that code has not asked for. They are known in the order of the journal: one look is enough. */
  passedBy(): EntryOf<'step'> | undefined {
    const first: EntryOf<'step'> | undefined = this.fiber.known.steps.values().next().value
    return first !== undefined && first.seq < this.replayEnd ? first : undefined
  }

  private disagree(seq: number, expected: string, got: string): void {
    const { runId, start } = this.fiber
    this.disagreement ??= new NonDeterminismError(
      'NON_DETERMINISM',
      `Run ${runId} does not follow its journal: entry ${seq} records ${expected}, code asks for ${got}.`,
      {
        hint: `Register the old code under its version (${start.version ?? 'none'}), or guard the edit with ctx.changed(name), then retry the run.`,
        details: { runId, seq, expected, got },
      },
    )
    this.fiber.onEvent()
  }
}

function describe(op: Op): string {
  return `${op.kind} step "${op.key}" (name ${op.name}${op.check === undefined ? '' : `, check ${op.check}`})`
}
