/**
 * The point of no return of a run: the entry `undo`, written by a program that has failed or was cancelled, before it
 * undoes what it did. Live and on replay the program is handed what was recorded first.
 *
 *   asked ──(live: produced)──▶ settled: the fiber is aborted, the grace of a cancel is void ──left──▶ may end
 *
 * What is never true: an unshielded step that begins behind it; an end other than the recorded one.
 */
import type { EntryOf } from '../journal/entry.ts'
import { cancelledOutcome } from '../journal/known.ts'
import type { Undoing } from '../ports.ts'
import type { Fiber } from './fiber.ts'
import { Gate } from './gate.ts'

interface Asked {
  readonly error: unknown
  readonly lost: readonly string[]
  readonly resolve: (undoing: Undoing) => void
}

export class UndoNote {
  /** The program has tried everything: open questions do not keep the run from ending. */
  left = false
  private readonly fiber: Fiber
  private asked: Asked | undefined
  private produced = false

  constructor(fiber: Fiber) {
    this.fiber = fiber
  }

  ask(error: unknown, lost: readonly string[]): Promise<Undoing> {
    const { undo } = this.fiber.known
    if (undo !== undefined) return Promise.resolve(this.undoing(undo))
    return new Promise((resolve) => {
      this.asked = { error, lost, resolve }
      if (this.fiber.live) this.produce()
      this.fiber.asked()
    })
  }

  settle(entry: EntryOf<'undo'>): void {
    this.asked?.resolve(this.undoing(entry))
    this.asked = undefined
  }

  goLive(): void {
    if (this.asked !== undefined) this.produce()
  }

  private produce(): void {
    const { fiber, asked } = this
    if (asked === undefined || this.produced) return
    this.produced = true
    const { cancelled } = fiber.known
    const inFlight = [...fiber.steps.values()].filter(({ phase, shielded }) => phase !== 'asked' && !shielded)
    fiber.produce({
      type: 'undo',
      outcome: cancelled === undefined ? fiber.failureOutcome(asked.error) : cancelledOutcome(cancelled),
      inFlight: inFlight.map(({ op }) => op.key),
      lost: asked.lost,
    })
  }

  private undoing({ at, outcome, inFlight, lost }: EntryOf<'undo'>): Undoing {
    const { fiber } = this
    return {
      outcome,
      inFlight,
      lost,
      graceUntil: at + fiber.env.cancelGraceMs,
      gate: new Gate(fiber, (key) => key),
      read: (json) => fiber.read(json),
      idempotencyKey: (stepKey) => fiber.keyOf(stepKey),
      leave: () => {
        this.left = fiber.env.manifest.abilities.leavesOpen === true
        fiber.asked()
      },
    }
  }
}
