/**
 * The questions of a run, from its entries:
 *
 *   open ──answer──▶ answered
 *     │ └──time────▶ expired
 *     └──end of the run──▶ closed ──retry──▶ open, or gone with the step that asked
 *
 * Answers that no entry tells of yet are not in it.
 */
import type { QuestionRecord } from '../records.ts'
import type { Entry } from './entry.ts'

export class AskedQuestions {
  private readonly runId: string
  private readonly records: Map<string, QuestionRecord>

  /** `before`: what was left of the entries before. */
  constructor(runId: string, before: readonly QuestionRecord[] = []) {
    this.runId = runId
    this.records = new Map(before.map((record) => [record.key, record]))
  }

  /** In the order in which they were asked. */
  get all(): readonly QuestionRecord[] {
    return [...this.records.values()]
  }

  /** Those that a later entry may change. */
  get left(): readonly QuestionRecord[] {
    return this.all.filter(({ status }) => status === 'open' || status === 'closed')
  }

  /** The records that the entry makes or changes. */
  take(entry: Entry): readonly QuestionRecord[] {
    switch (entry.type) {
      case 'open': {
        const { key, question, at } = entry
        this.records.delete(key)
        return this.set([{ ...question, runId: this.runId, key, openedAt: at, status: 'open' }])
      }
      case 'wait': {
        const record = this.records.get(entry.key)
        const status = entry.signalId === undefined ? 'expired' : 'answered'
        return record === undefined ? [] : this.set([{ ...record, status }])
      }
      case 'end':
        return this.change('open', 'closed')
      case 'reopen':
        for (const key of entry.voided) this.records.delete(key)
        return this.change('closed', 'open')
      default:
        return []
    }
  }

  private change(from: QuestionRecord['status'], to: QuestionRecord['status']): readonly QuestionRecord[] {
    return this.set(this.all.filter(({ status }) => status === from).map((record) => ({ ...record, status: to })))
  }

  private set(records: readonly QuestionRecord[]): readonly QuestionRecord[] {
    for (const record of records) this.records.set(record.key, record)
    return records
  }
}
