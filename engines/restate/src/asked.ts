/** The questions of a run, each in a state of its own (`q:<id>`), so that those of all runs can be listed. */
import type { ObjectContext } from '@restatedev/restate-sdk'
import type { Entry, QuestionRecord } from '@selvage/core'
import { questionKey } from './kept.ts'

/** Without its answer, which is in the inbox as soon as it is accepted. */
export type KeptQuestion = Omit<QuestionRecord, 'answer'>

export class Asked {
  private readonly ctx: ObjectContext
  /** By key: those that are open, and those that were when the run ended. */
  private readonly records: Map<string, KeptQuestion>

  constructor(ctx: ObjectContext, before: readonly KeptQuestion[]) {
    this.ctx = ctx
    this.records = new Map(before.map((record) => [record.key, record]))
  }

  get left(): readonly KeptQuestion[] {
    return [...this.records.values()]
  }

  take(entry: Entry): void {
    if (entry.type === 'open') {
      const { key, question, at } = entry
      this.write({ ...question, runId: this.ctx.key, key, openedAt: at, status: 'open' })
    } else if (entry.type === 'wait') {
      const record = this.records.get(entry.key)
      if (record === undefined) return
      this.write({ ...record, status: entry.signalId === undefined ? 'expired' : 'answered' })
      this.records.delete(entry.key)
    }
  }

  /** The run has ended: nobody waits for what is still open. */
  close(): void {
    for (const record of this.left) if (record.status === 'open') this.write({ ...record, status: 'closed' })
  }

  /** The end of the run is void. */
  reopen(voided: readonly string[]): void {
    for (const record of this.left) {
      if (voided.includes(record.key)) this.records.delete(record.key)
      else this.write({ ...record, status: 'open' })
    }
  }

  private write(record: KeptQuestion): void {
    this.records.set(record.key, record)
    this.ctx.set(questionKey(record.id), record)
  }
}
