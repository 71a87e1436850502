/**
 * The queue of a run, as the run reads it. Signals are numbered by the names of executions (post.ts): who has number n came
 * after who has n - 1, and that is the order in which they are taken, whatever order they are heard of in.
 *
 *   … 4 5 6 7 8 9
 *       ▲ taken ▲ end: as many as are known to be there
 *
 * A bell brings a signal with its number; those before it that rang nowhere are read by their names. What is in between and
 * cannot be seen yet is waited for, never passed over.
 */
import { EngineError, type Signal } from '@selvage/core'
import type { Large } from './large.ts'
import type { Letter } from './wire.ts'

/** Signals in one advance. */
const AT_ONCE = 500

export class Queue {
  taken: number
  end: number
  private readonly runId: string
  private readonly fetch: (number: number) => Promise<Letter | undefined>
  private readonly large: Large
  private readonly letters = new Map<number, Letter>()
  private readonly signals = new Map<number, Signal>()

  /** `fetch`: undefined where there is none of that number, or it is not shown yet. */
  constructor(
    runId: string,
    { taken, queued }: { readonly taken: number; readonly queued: number },
    fetch: (number: number) => Promise<Letter | undefined>,
    large: Large,
  ) {
    this.runId = runId
    this.taken = taken
    this.end = queued
    this.fetch = fetch
    this.large = large
  }

  hear(number: number, letter: Letter): void {
    if (number < this.taken) return
    this.letters.set(number, letter)
    this.end = Math.max(this.end, number + 1)
  }

  /** Those that nobody has rung for, as many as there are. */
  async look(): Promise<void> {
    for (;;) {
      // Bells ring meanwhile: what is fetched is of this number, wherever the end is by then.
      const number = this.end
      const letter = await this.fetch(number)
      if (letter === undefined) return
      this.hear(number, letter)
    }
  }

  /**
   * Those that are not taken, in their order: as many as one advance may take, of so many bytes and never none.
   * UNAVAILABLE where one cannot be seen yet.
   */
  async read(bytes: number): Promise<readonly Signal[]> {
    const found: Signal[] = []
    for (let number = this.taken, left = bytes; number < Math.min(this.end, this.taken + AT_ONCE); number++) {
      const signal = await this.signal(number)
      left -= JSON.stringify(signal).length
      if (left < 0 && found.length > 0) break
      found.push(signal)
    }
    return found
  }

  /** How far all have been received. */
  takenWith(received: (id: string) => boolean): number {
    let taken = this.taken
    for (let next = this.signals.get(taken); next !== undefined && received(next.id); next = this.signals.get(taken)) {
      taken++
    }
    return taken
  }

  take(taken: number): void {
    for (; this.taken < taken; this.taken++) {
      this.letters.delete(this.taken)
      this.signals.delete(this.taken)
    }
    this.end = Math.max(this.end, taken)
  }

  /** Whether somebody wants the run cancelled, as far as bells have said. */
  get isCancelled(): boolean {
    return [...this.letters.values()].some((letter) => (letter as Partial<Signal>).name === '$cancel')
  }

  private async signal(number: number): Promise<Signal> {
    const known = this.signals.get(number)
    if (known !== undefined) return known
    const letter = this.letters.get(number) ?? (await this.fetch(number))
    if (letter === undefined) {
      throw new EngineError('UNAVAILABLE', `Signal ${number} to run ${this.runId} is not shown by Lambda yet.`, {
        hint: 'It is looked for again: the signals behind it wait for it.',
      })
    }
    const signal = await this.large.unpack<Signal>(letter)
    if (number >= this.taken) this.signals.set(number, signal)
    return signal
  }
}
