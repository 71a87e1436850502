/**
 * Tells who waits for a run that a person is asked whether a step happened. No program asks that: Selvage does, when an effect
 * `once` was cut short and nobody can tell (docs/effects.md). A script that awaits the result would stand still without a
 * word, most likely right after its first crash.
 *
 * Nothing announces a question to another process, and who waits must not cost anything per step: so it is looked for
 * now and then, at ever longer intervals, for the run and for those below it.
 */
import type { Clock, Engine, QuestionRecord } from '@selvage/core'

/** Milliseconds. What ends sooner is never looked at. */
const FIRST_LOOK = 1_000
const LONGEST_PAUSE = 60_000

export class Unanswered {
  readonly #engine: Engine
  readonly #clock: Clock
  readonly #warn: (line: string) => void
  /** The questions that were told of, by id: each once, however many wait. */
  readonly #told = new Set<string>()

  constructor(engine: Engine, clock: Clock, warn: (line: string) => void) {
    this.#engine = engine
    this.#clock = clock
    this.#warn = warn
  }

  /** Looks until the returned function is called. */
  watch(runId: string): () => void {
    if (this.#engine.questions === undefined) return () => {}
    let stopped = false
    let stopTimer = (): void => {}
    const lookIn = (ms: number): void => {
      stopTimer = this.#clock.timer(ms, () => {
        // What the look fails of, the waiter meets as well.
        void this.#look(runId)
          .catch(() => {})
          .then(() => {
            if (!stopped) lookIn(Math.min(2 * ms, LONGEST_PAUSE))
          })
      })
    }
    lookIn(FIRST_LOOK)
    return () => {
      stopped = true
      stopTimer()
    }
  }

  async #look(runId: string): Promise<void> {
    const open = await this.#engine.questions?.({ kind: 'unknown', status: 'open' })
    for (const question of open?.items ?? []) {
      if (this.#told.has(question.id) || !(await this.#isBelow(question.runId, runId))) continue
      if (this.#told.has(question.id)) continue
      this.#told.add(question.id)
      this.#warn(line(question))
    }
  }

  async #isBelow(runId: string, top: string): Promise<boolean> {
    for (let id: string | undefined = runId; id !== undefined; ) {
      if (id === top) return true
      id = (await this.#engine.describe(id)).parent
    }
    return false
  }
}

function line({ id, runId, name }: QuestionRecord): string {
  return (
    `Run ${runId} waits for a person: nobody can tell whether "${name}" happened. ` +
    `Look, then answer: selvage approve ${id} --input '<its result>' if it did, ` +
    `selvage reject ${id} --reason retry to make it now, or with any other reason to give it up.`
  )
}
