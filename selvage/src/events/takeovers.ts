/**
 * The takeovers of a run, for a reader of its journal: each is told before the first entry that was written after it.
 *
 * Claims are read after the entries among which they are to be told, so that none is missed, and not again while the
 * worker that had the run still has it: a run at work costs its readers nothing.
 */
import type { Engine, RunDescription } from '@selvage/core'
import { type Position, type RunEvent, type Takeover, takeoverEvent } from './event.ts'

export class Takeovers {
  readonly #engine: Engine
  readonly #runId: string
  readonly #from: number
  #known: readonly Takeover[] = []
  #owner: string | undefined
  /** Fences grow: those up to here were told. */
  #told: number
  /** Those up to here were there before this reader. */
  #before: number | undefined

  /** Of a reader that goes on behind `after`. */
  constructor(engine: Engine, runId: string, after: Position) {
    this.#engine = engine
    this.#runId = runId
    this.#from = after.entries
    this.#told = after.fence ?? 0
  }

  /** To be called when entries were read, with what the run is then. */
  async look({ owner }: RunDescription): Promise<void> {
    if (owner !== undefined && owner.worker === this.#owner) return
    this.#owner = owner?.worker
    const { claims = [] } = await this.#engine.describe(this.#runId, { claims: true })
    this.#known = claims.filter((claim): claim is Takeover => claim.recoveredFrom !== undefined)
    this.#before ??= claims.at(-1)?.fence ?? 0
  }

  /** Those that come before entry `seq` and were not told yet. */
  *before(seq: number): Generator<RunEvent & { readonly type: 'runRecovered' }> {
    for (const claim of this.#known) {
      if (claim.fence <= this.#told || claim.from > seq || claim.from < this.#from) continue
      this.#told = claim.fence
      yield takeoverEvent(claim, seq, claim.fence <= (this.#before ?? 0))
    }
  }
}
