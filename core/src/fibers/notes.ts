/**
 * What a program writes into its journal without running anything: questions (`open`) and state (`state`). A note that
 * the journal has already is not written again; one of a replaying program is matched with its entry by key and order.
 */
import type { EntryOf } from '../journal/entry.ts'
import type { AskedNote } from './asked.ts'
import type { Fiber } from './fiber.ts'

export class Notes {
  private readonly fiber: Fiber
  private readonly pending: AskedNote[] = []
  /** When the `state` entries were made that replay came to before the program did, by key. */
  private readonly passed = new Map<string, number[]>()
  private readonly marks = new Set<string>()

  constructor(fiber: Fiber) {
    this.fiber = fiber
  }

  /** A key that the journal of a replaying program holds. */
  mark(key: string): void {
    this.marks.add(key)
  }

  marked(key: string): boolean {
    return this.marks.has(key)
  }

  write(body: AskedNote['body']): Promise<number> {
    const { fiber } = this
    const writtenAt = this.writtenAt(body)
    if (writtenAt !== undefined) {
      fiber.settling.given(writtenAt)
      return Promise.resolve(writtenAt)
    }
    return new Promise((resolve) => {
      const note: AskedNote = { body, resolve, produced: false }
      this.pending.push(note)
      if (fiber.live) this.produce(note)
      fiber.asked()
    })
  }

  private writtenAt(body: AskedNote['body']): number | undefined {
    if (body.type === 'open') return this.fiber.known.opened.get(body.key)
    if (this.fiber.program.resume === 'replay') this.marks.add(body.key)
    return this.passed.get(body.key)?.shift()
  }

  get isWriting(): boolean {
    return this.pending.length > 0
  }

  settle(entry: EntryOf<'open'> | EntryOf<'state'>): void {
    const index = this.pending.findIndex((note) => note.body.type === entry.type && note.body.key === entry.key)
    if (index >= 0) {
      this.fiber.settling.given(entry.at)
      this.pending.splice(index, 1)[0]?.resolve(entry.at)
    } else if (entry.type === 'state') {
      const passed = this.passed.get(entry.key)
      if (passed === undefined) this.passed.set(entry.key, [entry.at])
      else passed.push(entry.at)
    }
  }

  goLive(): void {
    for (const note of this.pending) this.produce(note)
  }

  private produce(note: AskedNote): void {
    if (note.produced) return
    note.produced = true
    this.fiber.produce(note.body)
  }
}
