/**
 * Notes of a host, kept until their reader has caught up with the journal.
 *
 * A note of a step belongs before the step's entry and behind every entry that was durable when the step began. So
 * notes of a step are handed out with its entry at the latest, and a start only after the journal was read.
 *
 * A reader that stands still for hours beside a model that streams must not fill the memory: of very many notes that it has not read the
 * older half of the chunks is dropped. What they were part of is in the step's result.
 */
import type { LiveNote, Op } from '@selvage/core'
import type { Position, RunEvent } from './event.ts'
import { liveEvent } from './event.ts'

/** Some tens of megabytes, by what a model streams at a time. */
const MOST = 100_000

export class LiveNotes {
  #queue: LiveNote[] = []
  /** So many are looked through for chunks to drop: more where what stays are starts, so that each note costs the same. */
  #most = MOST
  /** Of steps that are not recorded yet. */
  readonly #ops = new Map<string, Op>()
  #ring: () => void = () => {}
  #rung: Promise<void> = Promise.resolve()

  constructor() {
    this.#arm()
  }

  push(note: LiveNote): void {
    if (note.type === 'started') {
      this.#ops.set(note.op.key, note.op)
      // The journal tells the start of an effect `once`, by its intent.
      if (note.op.effect === 'once') return
    }
    this.#queue.push(note)
    if (this.#queue.length > this.#most) this.#dropOlder()
    this.wake()
  }

  wake(): void {
    this.#ring()
  }

  /** Resolves with the next note or `wake()`, also one that came before the call and after the last one returned. */
  async next(): Promise<void> {
    await this.#rung
    this.#arm()
  }

  /** Whether a step has begun: what came before it is in the journal by now. */
  hasStart(): boolean {
    return this.#queue.some((note) => note.type === 'started')
  }

  /** Everything up to the last note of this attempt. */
  *through(key: string, attempt: number, behind: Position): Generator<RunEvent> {
    const last = this.#queue.findLastIndex((note) => keyOf(note) === key && note.attempt <= attempt)
    yield* this.#events(this.#queue.splice(0, last + 1), behind)
    if (!this.#queue.some((note) => keyOf(note) === key)) this.#ops.delete(key)
  }

  *all(behind: Position): Generator<RunEvent> {
    yield* this.#events(this.#queue.splice(0), behind)
  }

  *#events(notes: readonly LiveNote[], behind: Position): Generator<RunEvent> {
    for (const note of notes) yield liveEvent(note, this.#ops.get(keyOf(note)), behind)
  }

  #dropOlder(): void {
    const half = this.#queue.length / 2
    this.#queue = this.#queue.filter(({ type }, at) => at > half || type !== 'chunk')
    this.#most = Math.max(MOST, 2 * this.#queue.length)
  }

  #arm(): void {
    this.#rung = new Promise((resolve) => {
      this.#ring = resolve
    })
  }
}

function keyOf(note: LiveNote): string {
  return note.type === 'started' ? note.op.key : note.key
}
