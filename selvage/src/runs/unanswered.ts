/**
 * Tells who waits for a run that a person is asked whether a step happened. No program asks that: Selvage does, when an effect
 * `once` was cut short and nobody can tell (docs/effects.md). A script that awaits the result would stand still without a
 * word, most likely right after its first crash.
 *
 * Nothing announces a question to another process, and who waits must not cost anything per step: so one look is made for
 * all who wait, a second after somebody began to and then at ever longer intervals. It reads the index of unknown
 * outcomes, which is empty where nothing went wrong.
 */
import type { Clock, Engine, QuestionRecord } from '@selvage/core'

/** Milliseconds. */
const FIRST_LOOK = 1_000
const LONGEST_PAUSE = 60_000
/** The newest unknown outcomes, answered ones among them. */
const EXAMINED = 200
/** Runs whose parents are remembered. */
const REMEMBERED = 1_000

export class Unanswered {
  readonly #engine: Engine
  readonly #clock: Clock
  readonly #warn: (line: string) => void
  /** How many wait for each run. */
  readonly #waiters = new Map<string, number>()
  /** The questions that were told of, by id: each once, however many wait. */
  readonly #told = new Set<string>()
  /** Of runs with an unknown outcome: themselves and all above them. */
  readonly #lineages = new Map<string, readonly string[]>()
  #pause = FIRST_LOOK
  #isLooking = false
  #stopTimer: (() => void) | undefined

  constructor(engine: Engine, clock: Clock, warn: (line: string) => void) {
    this.#engine = engine
    this.#clock = clock
    this.#warn = warn
  }

  /** Looks until the returned function is called. */
  watch(runId: string): () => void {
    if (this.#engine.unknownSteps === undefined) return () => {}
    this.#waiters.set(runId, (this.#waiters.get(runId) ?? 0) + 1)
    if (this.#pause > FIRST_LOOK) this.#stop()
    this.#pause = FIRST_LOOK
    this.#plan()
    return () => {
      const others = (this.#waiters.get(runId) ?? 1) - 1
      if (others > 0) this.#waiters.set(runId, others)
      else this.#waiters.delete(runId)
      if (this.#waiters.size === 0) this.#stop()
    }
  }

  #plan(): void {
    if (this.#isLooking || this.#waiters.size === 0) return
    this.#stopTimer ??= this.#clock.timer(this.#pause, () => {
      this.#stopTimer = undefined
      this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE)
      this.#isLooking = true
      // What a look fails of, the waiters meet as well.
      void this.#look()
        .catch(() => {})
        .then(() => {
          this.#isLooking = false
          this.#plan()
        })
    })
  }

  #stop(): void {
    this.#stopTimer?.()
    this.#stopTimer = undefined
  }

  async #look(): Promise<void> {
    const { items = [] } = (await this.#engine.unknownSteps?.({ limit: EXAMINED })) ?? {}
    for (const runId of new Set(items.map((step) => step.runId))) {
      const lineage = await this.#lineage(runId)
      if (!lineage.some((id) => this.#waiters.has(id))) continue
      const asked = await this.#engine.questions?.({ runId, kind: 'unknown', status: 'open' })
      for (const question of asked?.items ?? []) this.#tell(question)
    }
  }

  async #lineage(runId: string): Promise<readonly string[]> {
    const known = this.#lineages.get(runId)
    if (known !== undefined) return known
    const lineage: string[] = []
    for (let id: string | undefined = runId; id !== undefined; id = (await this.#engine.describe(id)).parent) {
      lineage.push(id)
    }
    if (this.#lineages.size >= REMEMBERED) this.#lineages.clear()
    this.#lineages.set(runId, lineage)
    return lineage
  }

  #tell({ id, runId, name }: QuestionRecord): void {
    if (this.#told.has(id)) return
    this.#told.add(id)
    this.#warn(
      `Run ${runId} waits for a person: nobody can tell whether "${name}" happened. ` +
        `Look, then answer: selvage approve ${id} --input '<its result>' if it did, ` +
        `selvage reject ${id} --reason retry to make it now, or with any other reason to give it up.`,
    )
  }
}
