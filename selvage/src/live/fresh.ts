/**
 * Which notes from other processes still mean something. They come on another way than the journal, so a note may come when
 * its step is told already; and a process that has lost a run may go on with a step that another one makes again.
 */
import type { Entry, LiveNote } from '@selvage/core'

export class Fresh {
  /** The last attempt that is over, by key. */
  readonly #over = new Map<string, number>()
  /** Who began a step last. */
  readonly #beganBy = new Map<string, string>()

  /** To be called with each entry of the journal, in order. */
  read(entry: Entry): void {
    if (entry.type === 'step' || entry.type === 'retry') this.#over.set(entry.key, entry.attempt)
    if (entry.type === 'reopen') for (const key of entry.voided) this.#over.delete(key)
  }

  /** The run has another worker, or a process has left: whoever emits now is heard. */
  forget(source?: string): void {
    for (const [key, by] of this.#beganBy) if (source === undefined || by === source) this.#beganBy.delete(key)
  }

  isFresh(note: LiveNote, source: string): boolean {
    const key = note.type === 'started' ? note.op.key : note.key
    const isOver = note.attempt <= (this.#over.get(key) ?? 0)
    if (note.type === 'started') this.#beganBy.set(key, source)
    return !isOver && source === (this.#beganBy.get(key) ?? source)
  }
}
