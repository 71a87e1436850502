/**
 * An engine that has no index: what it lists, it reads, all of it, and filters. For systems that show their runs one by one,
 * or whole.
 */
import type { Signal } from '../entry.ts'
import type { Page, QuestionQuery, QuestionRecord, RunDescription, RunQuery, RunSummary } from '../records.ts'
import type { Reopen } from './advanced.ts'
import { pageOfQuestions, pageOfRuns } from './described.ts'
import { type ListingEngine, OutsideEngine } from './outside-engine.ts'
import { noQuestionIn } from './refusals.ts'

/** Which questions: those of a run, or that one. */
export type Asked = { readonly runId?: string | undefined } | { readonly id: string }

export abstract class ReadingEngine extends OutsideEngine implements ListingEngine {
  /** All runs that the query may mean: those that it does not are left out here. */
  protected abstract readRuns(query: RunQuery): Promise<readonly RunDescription[]>
  /** As the entries tell of them, those that are not asked for may be among them. */
  protected abstract readQuestions(asked: Asked): Promise<readonly QuestionRecord[]>
  /** The signals that were accepted as answers of these, by the questions' ids: no entry may tell of them yet. */
  protected abstract readAnswers(records: readonly QuestionRecord[]): Promise<ReadonlyMap<string, Signal>>
  /** Makes an ended run go on; false if somebody else was faster. */
  protected abstract reopen(runId: string, reopen: Reopen): Promise<boolean>

  async retry(runId: string): Promise<void> {
    await this.retryBy(runId, (id, reopen) => this.reopen(id, reopen))
  }

  async list(query: RunQuery): Promise<Page<RunSummary>> {
    this.checkOpen()
    return pageOfRuns(await this.readRuns(query), query)
  }

  async questions(query: QuestionQuery): Promise<Page<QuestionRecord>> {
    const records = await this.asked({ runId: query.runId })
    const runs = query.tag === undefined ? [] : [...new Set(records.map(({ runId }) => runId))]
    const asking = await Promise.all(runs.map((runId) => this.look(runId)))
    const tags = new Map(asking.map((run) => [run.id, run.tags]))
    return pageOfQuestions(records, query, (runId) => tags.get(runId))
  }

  async question(id: string): Promise<QuestionRecord> {
    const record = (await this.asked({ id })).find((each) => each.id === id)
    if (record === undefined) throw noQuestionIn(this.place, id)
    return record
  }

  /** A question is answered as soon as its answer is accepted, be it that nobody has taken it up yet. */
  private async asked(asked: Asked): Promise<readonly QuestionRecord[]> {
    this.checkOpen()
    const records = await this.readQuestions(asked)
    const answers = await this.readAnswers(records.filter(mayBeAnswered))
    return records.map((record): QuestionRecord => {
      const answer = mayBeAnswered(record) ? answers.get(record.id) : undefined
      return answer === undefined ? record : { ...record, status: 'answered', answer }
    })
  }
}

function mayBeAnswered({ status }: QuestionRecord): boolean {
  return status === 'open' || status === 'answered'
}
