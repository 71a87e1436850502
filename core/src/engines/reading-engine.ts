/**
 * An engine that has no index: what it lists, it reads, all of it, and filters. For systems that show their runs one by one,
 * or whole.
 */
import type { Entry, Signal, Start } from '../journal/entry.ts'
import type { Page, QuestionQuery, QuestionRecord, RunDescription, RunQuery, RunSummary } from '../records.ts'
import type { Reopen } from './advanced.ts'
import { pageOfQuestions, pageOfRuns } from './described.ts'
import { type ListingEngine, OutsideEngine } from './outside-engine.ts'
import { noQuestionIn, noRun } from './refusals.ts'

/** Which questions: those of a run, or that one. */
export type Asked = { readonly runId?: string | undefined } | { readonly id: string }

/** A run as it was found; an adapter's own has more. */
export interface Found {
  readonly runId: string
  readonly start: Start
  /** Its system has ended it, and it could tell nobody. */
  readonly isLost: boolean
}

export abstract class ReadingEngine<Run extends Found = Found> extends OutsideEngine implements ListingEngine {
  /** Undefined: there is no such run. */
  protected abstract find(runId: string): Promise<Run | undefined>
  /** Makes a run that was not found durable; false if somebody else was faster, whose run can be found. */
  protected abstract make(runId: string, start: Start, at: number, startAt?: number): Promise<boolean>
  /** All runs that the query may mean: those that it does not are left out here. */
  protected abstract readRuns(query: RunQuery): AsyncIterable<Run>
  /** How it stands: see `described`. */
  protected abstract picture(run: Run): RunDescription | Promise<RunDescription>
  /** Entries from `from` on, at most `limit`. */
  protected abstract entriesOf(run: Run, from: number, limit: number): Promise<readonly Entry[]>
  /** How often it was retried. */
  protected abstract reopeningsOf(run: Run): number
  /** As the entries tell of them, those that are not asked for may be among them. */
  protected abstract readQuestions(asked: Asked): Promise<readonly QuestionRecord[]>
  /** The signals that were accepted as answers of these, by the questions' ids: no entry may tell of them yet. */
  protected abstract readAnswers(records: readonly QuestionRecord[]): Promise<ReadonlyMap<string, Signal>>
  /** Makes an ended run go on; false if somebody else was faster. */
  protected abstract reopen(runId: string, reopen: Reopen): Promise<boolean>

  /** How a run was started, for who is about to make it: one that `make` would not make need not be found here. */
  protected async startOf(runId: string): Promise<Start | undefined> {
    return (await this.find(runId))?.start
  }

  /** NOT_FOUND. */
  protected async known(runId: string): Promise<Run> {
    const run = await this.find(runId)
    if (run === undefined) throw noRun(this.place, runId)
    return run
  }

  protected async begin(runId: string, start: Start, at: number, startAt?: number): Promise<Start | undefined> {
    const there = await this.startOf(runId)
    if (there !== undefined) return there
    return (await this.make(runId, start, at, startAt)) ? undefined : (await this.known(runId)).start
  }

  protected async look(runId: string): Promise<RunDescription> {
    return await this.lookAt(await this.known(runId))
  }

  protected async read(runId: string, from: number, limit: number): Promise<readonly Entry[]> {
    return await this.entriesOf(await this.known(runId), from, limit)
  }

  protected override async reopenings(runId: string): Promise<number> {
    return this.reopeningsOf(await this.known(runId))
  }

  async retry(runId: string): Promise<void> {
    await this.retryBy(runId, (id, reopen) => this.reopen(id, reopen))
  }

  async list(query: RunQuery): Promise<Page<RunSummary>> {
    this.checkOpen()
    const runs: RunDescription[] = []
    for await (const run of this.readRuns(query)) runs.push(await this.lookAt(run))
    return pageOfRuns(runs, query)
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

  private async lookAt(run: Run): Promise<RunDescription> {
    const picture = await this.picture(run)
    if (run.isLost) await this.tellOfEnd(picture, this.reopeningsOf(run))
    return picture
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
