/** Of single steps, for the results: what `Timed` does, and what contenders do whose framework calls the steps. */
export const TIMED_HOW: string =
  'timed from inside the run: from asked for to acknowledged; with LangGraph and Vercel Workflow, which call the steps ' +
  'themselves, from the beginning of one to that of the next'

/**
 * Steps timed from inside the run: from asked for to acknowledged. Most contenders learn of the end of a run by polling;
 * what is measured ends with the last step, so that nobody is charged for how often it looks.
 */
export class Timed {
  private stepMs: number[] = []
  private open = 0
  private ended: PromiseWithResolvers<void> = Promise.withResolvers()
  private lastAt = 0

  /** Called by each run as its first line. */
  run(): { step<T>(make: () => Promise<T>): Promise<T>; end(): void } {
    return {
      step: async (make) => {
        const began = performance.now()
        const made = await make()
        this.lastAt = performance.now()
        this.stepMs.push(this.lastAt - began)
        return made
      },
      end: () => {
        if (--this.open === 0) this.ended.resolve()
      },
    }
  }

  /** Starts a run for each of `counts` and waits until all of them have come to their ends. */
  async watch(
    counts: readonly number[],
    start: (index: number) => Promise<unknown>,
  ): Promise<{ readonly ms: number; readonly stepMs: readonly number[] }> {
    this.stepMs = []
    this.open = counts.length
    this.ended = Promise.withResolvers()
    const began = performance.now()
    await Promise.all([...counts.keys()].map(start))
    await this.ended.promise
    const wanted = counts.reduce((sum, count) => sum + count, 0)
    if (this.stepMs.length !== wanted)
      throw new Error(`${wanted} steps were asked for, ${this.stepMs.length} were made`)
    return { ms: this.lastAt - began, stepMs: this.stepMs }
  }
}
