/**
 * The engine on DBOS. A run is a workflow of DBOS's, or several, one after the other; a step of it is a step of DBOS's, by its
 * name. DBOS's queues say who drives it, DBOS's delays when a run that waits goes on, DBOS's checkpoints are its journal.
 *
 *   start ──▶ a workflow in the queue of its program ──▶ a worker that has the program
 *   signal ──▶ inbox ──▶ the worker that drives the run, or the workflow that waits
 *   describe, journal, list, questions ◀── SQL
 *
 * Commands and reads need no worker. Whoever never serves is a client: it neither launches DBOS nor listens.
 */
import {
  type Blobs,
  type Engine,
  type Entry,
  errorToJson,
  type Fork,
  forkedRun,
  type Host,
  type Page,
  type QuestionQuery,
  type QuestionRecord,
  type RunDescription,
  type RunQuery,
  type RunSummary,
  type Signal,
  type SignalReceipt,
  type Start,
} from '@selvage/core'
import { begun, type ListingEngine, OutsideEngine, stepsIn, tellParent } from '@selvage/core/engines'
import { nodePlatform, nodeRuntime } from '@selvage/runtime-node'
import { Application } from './application.ts'
import type { Bell } from './bell.ts'
import { postgresBlobs } from './blobs.ts'
import { endedByDbos, PLACE } from './errors.ts'
import { findQuestion, listQuestions, listRuns } from './lists.ts'
import { MANIFEST } from './manifest.ts'
import { type DbosOptions, refuseOptions, settingsOf } from './options.ts'
import type { RunRow, Runs } from './runs.ts'
import { Worker } from './worker.ts'

export interface DbosEngine extends ListingEngine {
  /** Values in the same database. */
  readonly blobs: Blobs
  fork(runId: string, fork: Fork): Promise<void>
}

/** Should the bell be lost, who only follows the status of a run looks so often. */
const STATUS_MS = 2_000

export function dbosEngine(options: DbosOptions): DbosEngine {
  refuseOptions(options)
  return new OnDbos(options)
}

class OnDbos extends OutsideEngine implements DbosEngine {
  readonly manifest = MANIFEST
  readonly blobs: Blobs
  private readonly app: Application
  private readonly runs: Runs
  private bell: Promise<Bell> | undefined

  constructor(options: DbosOptions) {
    super(PLACE, nodePlatform(options), { statusMs: STATUS_MS })
    this.app = new Application(settingsOf(options), this.platform)
    this.runs = this.app.runs
    this.blobs = postgresBlobs(this.app.db)
  }

  // ── commands ──────────────────────────────────────────────────────────────────────────────────────────────────────

  protected async begin(runId: string, start: Start, at: number, startAt: number = at): Promise<Start | undefined> {
    return await this.make(runId, start, at, [], Math.max(0, startAt - at))
  }

  async fork(runId: string, fork: Fork): Promise<void> {
    const { start } = await this.describe(runId)
    const all = await this.runs.entries(runId, 0, Number.MAX_SAFE_INTEGER)
    const made = forkedRun(nodeRuntime(), { runId, start, entries: all }, fork)
    const at = this.platform.now()
    const first: Entry = { seq: 0, at, type: 'start', start: made.start, salt: made.salt }
    const entries = [first, ...made.entries]
    begun(fork.runId, made.start, await this.make(fork.runId, made.start, at, entries))
    await this.runs.asked(fork.runId, entries)
  }

  /** A run whose journal begins with these entries. */
  private async make(runId: string, start: Start, at: number, entries: readonly Entry[], delayMs = 0) {
    const counts = { entries: entries.length, steps: stepsIn(entries) }
    return await this.runs.start(start, { runId, generation: 0, ...counts, heard: 0, at }, entries, delayMs)
  }

  protected async send(runId: string, signal: Signal): Promise<SignalReceipt> {
    return await this.runs.signal(runId, signal)
  }

  protected override async reopenings(runId: string): Promise<number> {
    return (await this.runs.row(runId)).reopenings
  }

  async retry(runId: string): Promise<void> {
    await this.retryBy(runId, (id, reopen) => this.runs.reopen(id, reopen))
  }

  // ── reads ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  protected async look(runId: string): Promise<RunDescription> {
    return await this.runs.describe(runId)
  }

  protected async read(runId: string, from: number, limit: number): Promise<readonly Entry[]> {
    return await this.runs.entries(runId, from, limit)
  }

  override async changed(...since: Parameters<Engine['changed']>): Promise<void> {
    this.checkOpen()
    this.bell ??= this.app.listen((runId) => this.changes.touched(runId))
    await this.bell.catch((error) => {
      this.bell = undefined
      throw error
    })
    await super.changed(...since)
  }

  async list(query: RunQuery): Promise<Page<RunSummary>> {
    this.checkOpen()
    return await listRuns(this.app.db, query)
  }

  async questions(query: QuestionQuery): Promise<Page<QuestionRecord>> {
    this.checkOpen()
    return await listQuestions(this.app.db, query)
  }

  async question(id: string): Promise<QuestionRecord> {
    this.checkOpen()
    return await findQuestion(this.app.db, id)
  }

  // ── work ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  protected async work(host: Host, concurrency: number): Promise<() => Promise<void>> {
    const worker = await Worker.open({
      app: this.app,
      host,
      concurrency,
      touched: (...change) => this.changes.touched(...change),
      cancelled: async (row) => {
        await this.cancel(row.id, 'cancelled in DBOS')
        await this.runs.resume(row)
      },
      failed: (row, message) => this.fail(row, message),
    })
    return () => worker.stop()
  }

  /** Ends a run that has no workflow any more, as it would have ended itself: its parent hears of it before. */
  private async fail(row: RunRow, message: string): Promise<void> {
    const { id, start, reopenings } = row
    const outcome = { error: errorToJson(endedByDbos(id, message)) }
    await tellParent(this, id, JSON.parse(start) as Start, reopenings, outcome)
    await this.runs.fail(row, outcome, this.platform.now())
    this.changes.touched(id)
  }

  protected override async release(): Promise<void> {
    await (await this.bell?.catch(() => undefined))?.close()
    await this.app.close()
  }
}
