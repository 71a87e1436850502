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
import { DBOSClient } from '@dbos-inc/dbos-sdk'
import {
  type Blobs,
  type Engine,
  type Entry,
  errorToJson,
  type Fork,
  forkedRun,
  type Host,
  type Json,
  type Page,
  type QuestionQuery,
  type QuestionRecord,
  type RunDescription,
  type RunQuery,
  type RunSummary,
  SelvageError,
  type Signal,
  type SignalReceipt,
  type Start,
  UsageError,
} from '@selvage/core'
import { begun, type ListingEngine, OutsideEngine, stepsIn } from '@selvage/core/engines'
import { type NodePlatformOptions, nodePlatform, nodeRuntime } from '@selvage/runtime-node'
import { Bell } from './bell.ts'
import { postgresBlobs } from './blobs.ts'
import { Database } from './database.ts'
import { endedByDbos, PLACE, toSelvage } from './errors.ts'
import { findQuestion, listQuestions, listRuns } from './lists.ts'
import { MANIFEST } from './manifest.ts'
import { type Begin, type Names, namesOf, queueOf, workflowOf } from './names.ts'
import { type RunRow, Runs } from './runs.ts'
import { loggerOf } from './sdk.ts'
import { Worker } from './worker.ts'

/** `clock`: DBOS's own delays go by the system's. */
export interface DbosOptions extends NodePlatformOptions {
  /** Of the database: `postgres://user:password@host:5432/name`. It is made if it is not there. */
  readonly url: string
  /**
   * Of the application in DBOS, and of the schema with our own tables; default `selvage`. One for each application on the
   * database: lower-case letters, digits and underscores.
   */
  readonly name?: string
  /**
   * Whether DBOS's console shows the steps of a run by their names. Each then costs one step of DBOS's more, in which the
   * program asks for it; without, all go by the program's name. Default true.
   */
  readonly namesSteps?: boolean
  /** After so long without a sign of life a worker has lost its runs. Milliseconds; default 5,000. */
  readonly leaseMs?: number
  /** How often a worker looks into each queue of its programs. Milliseconds; default 200. */
  readonly pollMs?: number
  /** How long a run that waits stays with its worker before only DBOS's row of it is left. Milliseconds; default 10,000. */
  readonly lingerMs?: number
  /** When a run begins a new workflow: after so many advances, or bytes of entries. Default 500 and 4 MiB. */
  readonly rotateAfter?: { readonly advances?: number; readonly bytes?: number }
  /** Connections at most; default 10. A worker has two more, on which it listens. */
  readonly poolSize?: number
  /** Milliseconds that a stop waits for what is in flight; default 10,000. */
  readonly stopGraceMs?: number
}

export interface DbosEngine extends ListingEngine {
  /** Values in the same database. */
  readonly blobs: Blobs
  fork(runId: string, fork: Fork): Promise<void>
}

/** Runs of one program that a worker takes up, for each advance that it makes at once. */
const HELD = 2
/** Should the bell be lost, who only follows the status of a run looks so often. */
const STATUS_MS = 2_000

export function dbosEngine(options: DbosOptions): DbosEngine {
  return new OnDbos(options)
}

class OnDbos extends OutsideEngine implements DbosEngine {
  readonly manifest = MANIFEST
  readonly blobs: Blobs
  private readonly options: DbosOptions
  private readonly names: Names
  private readonly db: Database
  private readonly runs: Runs
  private client: Promise<DBOSClient> | undefined
  private bell: Promise<Bell> | undefined

  constructor(options: DbosOptions) {
    super(PLACE, nodePlatform(options), { statusMs: STATUS_MS })
    const { url, name = 'selvage', poolSize = 10 } = options
    this.options = options
    this.names = namesOf(checkedName(name))
    const { report } = this.platform
    this.db = new Database({ url, schema: name, poolSize, idleInTransactionMs: this.leaseMs, report })
    this.runs = new Runs(this.db, this.names)
    this.blobs = postgresBlobs(this.db)
  }

  // ── commands ──────────────────────────────────────────────────────────────────────────────────────────────────────

  protected async begin(runId: string, start: Start, at: number, startAt: number = at): Promise<Start | undefined> {
    const begin: Begin = { runId, generation: 0, entries: 0, steps: 0, heard: 0, at }
    const delayMs = Math.max(0, startAt - at)
    const place = { workflow: workflowOf(this.names, runId, 0), parked: delayMs > 0 }
    return await this.runs.start(runId, start, at, place, (client) => this.enqueue(client, begin, start, delayMs))
  }

  async fork(runId: string, fork: Fork): Promise<void> {
    const { start } = await this.describe(runId)
    const all = await this.runs.entries(runId, 0, Number.MAX_SAFE_INTEGER)
    const made = forkedRun(nodeRuntime(), { runId, start, entries: all }, fork)
    const at = this.platform.now()
    const first: Entry = { seq: 0, at, type: 'start', start: made.start, salt: made.salt }
    const entries = [first, ...made.entries]
    const [id, workflow] = [fork.runId, workflowOf(this.names, fork.runId, 0)]
    const counts = { entries: entries.length, steps: stepsIn(entries) }
    const begin: Begin = { runId: id, generation: 0, ...counts, heard: 0, at }
    const there = await this.runs.start(id, made.start, at, { workflow, entries }, (client) =>
      this.enqueue(client, begin, made.start, 0),
    )
    begun(id, made.start, there)
    await this.runs.asked(id, entries)
  }

  protected async send(runId: string, signal: Signal): Promise<SignalReceipt> {
    return await this.runs.signal(runId, signal, async ({ workflow, program, version }) => {
      await this.wake(workflow, program, version ?? undefined)
    })
  }

  protected override async reopenings(runId: string): Promise<number> {
    return (await this.runs.row(runId)).reopenings
  }

  async retry(runId: string): Promise<void> {
    await this.retryBy(runId, (id, reopen) =>
      this.runs.reopen(id, reopen, async (client, row) => {
        const [generation, entries] = [row.generation + 1, reopen.entries + 1]
        // What was accepted and not taken is heard now; what was taken, the program knows.
        const begin: Begin = { runId: id, generation, entries, steps: row.steps, heard: 0, at: reopen.at }
        await this.enqueue(client, begin, JSON.parse(row.start) as Start, 0)
        return workflowOf(this.names, id, generation)
      }),
    )
  }

  private async enqueue(
    client: Parameters<DBOSClient['enqueuePortableInTransaction']>[0],
    begin: Begin,
    { program, version }: Start,
    delayMs: number,
  ): Promise<void> {
    const { names } = this
    const options = {
      workflowName: names.workflow,
      workflowID: workflowOf(names, begin.runId, begin.generation),
      queueName: queueOf(names, program, version),
      appVersion: names.applicationVersion,
      ...(delayMs > 0 && { delaySeconds: delayMs / 1_000 }),
    }
    await (await this.dbos()).enqueuePortableInTransaction(client, options, [begin])
  }

  private async wake(workflow: string, program: string, version: string | undefined): Promise<void> {
    await (await this.dbos()).resumeWorkflow(workflow, { queueName: queueOf(this.names, program, version) })
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
    await this.listen()
    await super.changed(...since)
  }

  async list(query: RunQuery): Promise<Page<RunSummary>> {
    this.checkOpen()
    return await listRuns(this.db, query)
  }

  async questions(query: QuestionQuery): Promise<Page<QuestionRecord>> {
    this.checkOpen()
    return await listQuestions(this.db, query)
  }

  async question(id: string): Promise<QuestionRecord> {
    this.checkOpen()
    return await findQuestion(this.db, id)
  }

  // ── work ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  protected async work(host: Host, concurrency: number): Promise<() => Promise<void>> {
    const { names, db, runs, platform, leaseMs } = this
    const { url, namesSteps = true, pollMs = 200, lingerMs = 10_000, stopGraceMs = 10_000 } = this.options
    const { advances = 500, bytes = 4 * 1024 * 1024 } = this.options.rotateAfter ?? {}
    const worker = await Worker.open({
      names,
      url,
      db,
      runs,
      host,
      concurrency,
      namesSteps,
      leaseMs,
      makeQueue: async (name) => {
        const limits = { minPollingIntervalMs: pollMs, workerConcurrency: concurrency * HELD }
        await (await this.dbos()).registerQueue(name, limits)
      },
      lingerMs,
      stopGraceMs,
      rotateAfter: { advances, bytes },
      platform,
      touched: (runId) => this.changes.touched(runId),
      wake: (workflow, { program, version }) => this.wake(workflow, program, version),
      cancelled: async ({ id, workflow, program, version }) => {
        await this.cancel(id, 'cancelled in DBOS')
        await this.wake(workflow, program, version ?? undefined)
      },
      failed: (row, message) => this.fail(row, message),
    })
    return () => worker.stop()
  }

  /** Ends a run that has no workflow any more, as it would have ended itself: its parent hears of it before. */
  private async fail(row: RunRow, message: string): Promise<void> {
    const { id, generation, reopenings } = row
    const outcome = { error: errorToJson(endedByDbos(id, message)) }
    const { parent } = JSON.parse(row.start) as Start
    if (parent !== undefined) {
      const name = `child:${id}`
      const told = { id: reopenings === 0 ? name : `${name}#${reopenings + 1}`, name, payload: outcome as never }
      await this.signal(parent.runId, told).catch((error: unknown) => {
        if (!SelvageError.is(error, 'RUN_ENDED') && !SelvageError.is(error, 'NOT_FOUND')) throw error
      })
    }
    const entries = await this.runs.entries(id, 0, Number.MAX_SAFE_INTEGER)
    const at = this.platform.now()
    const all = [...entries, { seq: entries.length, at, type: 'end', outcome } as const]
    await this.runs.keep(id, all)
    const note = row.note === null ? undefined : (JSON.parse(row.note) as Json)
    await this.runs.end(id, generation, { cursor: all.length, steps: stepsIn(all), at, note }, outcome)
    this.changes.touched(id)
  }

  protected override async release(): Promise<void> {
    await (await this.bell?.catch(() => undefined))?.close()
    await (await this.client?.catch(() => undefined))?.destroy()
    await this.db.close()
  }

  /** Tells who waits for changes. */
  private async listen(): Promise<void> {
    const { url } = this.options
    const { names } = this
    const { report } = this.platform
    const open = async (): Promise<Bell> => {
      await this.db.rows('select 1')
      const bell = await Bell.open({ url, channel: names.channel, report })
      bell.listen((runId) => this.changes.touched(runId))
      return bell
    }
    this.bell ??= open().catch((error) => {
      this.bell = undefined
      throw toSelvage(error, this.db.where)
    })
    await this.bell
  }

  private async dbos(): Promise<DBOSClient> {
    this.client ??= DBOSClient.create({
      systemDatabaseUrl: this.options.url,
      systemDatabasePool: this.db.pool,
      applicationName: this.names.application,
      logger: loggerOf(this.platform.report),
    })
    return await this.client
  }

  private get leaseMs(): number {
    return this.options.leaseMs ?? 5_000
  }
}

function checkedName(name: string): string {
  if (/^[a-z][a-z0-9_]{0,40}$/.test(name) && name !== 'dbos') return name
  throw new UsageError('BAD_INPUT', `The engine on DBOS cannot name its application and schema '${name}'.`, {
    hint: "Give lower-case letters, digits and underscores, beginning with a letter; not 'dbos'.",
  })
}
