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
import { createHash, randomBytes } from 'node:crypto'
import { DBOSClient } from '@dbos-inc/dbos-sdk'
import {
  type Blobs,
  type Clock,
  type Engine,
  type Entry,
  type Fork,
  forkedRun,
  type Host,
  type Page,
  probe,
  type QuestionQuery,
  type QuestionRecord,
  type RunDescription,
  type RunQuery,
  type RunSummary,
  reopenRun,
  type ServeOptions,
  type Signal,
  type SignalReceipt,
  type Start,
  sendCancel,
  UsageError,
} from '@selvage/core'
import { Bell } from './bell.ts'
import { postgresBlobs } from './blobs.ts'
import { Changes } from './changes.ts'
import { Database } from './database.ts'
import { closed, toSelvage } from './errors.ts'
import { findQuestion, listQuestions, listRuns } from './lists.ts'
import { MANIFEST } from './manifest.ts'
import { type Begin, type Names, namesOf, queueOf, workflowOf } from './names.ts'
import { Runs, stepsIn } from './runs.ts'
import { loggerOf } from './sdk.ts'
import { checkConcurrency, Worker } from './worker.ts'

export interface DbosOptions {
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
  /** Default: the system's. DBOS's own delays go by that. */
  readonly clock?: Pick<Clock, 'now'>
  /** Told of failures that are tried again. Default: a warning on the console, once per message. */
  readonly onError?: (error: unknown) => void
}

export interface DbosEngine extends Engine {
  /** Values in the same database. */
  readonly blobs: Blobs
  list(query: RunQuery): Promise<Page<RunSummary>>
  questions(query: QuestionQuery): Promise<Page<QuestionRecord>>
  question(id: string): Promise<QuestionRecord>
  fork(runId: string, fork: Fork): Promise<void>
  retry(runId: string): Promise<void>
}

const CHANCE = {
  sha256: (text: string): Uint8Array => createHash('sha256').update(text).digest(),
  random: (bytes: number): string => randomBytes(bytes).toString('hex'),
}
const DEFAULT_CONCURRENCY = 100
/** Runs of one program that a worker takes up, for each advance that it makes at once. */
const HELD = 2
const JOURNAL_PAGE = 1_000

export function dbosEngine(options: DbosOptions): DbosEngine {
  return new OnDbos(options)
}

class OnDbos implements DbosEngine {
  readonly manifest = MANIFEST
  readonly blobs: Blobs
  private readonly options: DbosOptions
  private readonly names: Names
  private readonly db: Database
  private readonly runs: Runs
  private readonly changes: Changes
  private readonly report: (error: unknown) => void
  private client: Promise<DBOSClient> | undefined
  private bell: Promise<Bell> | undefined
  private worker: Worker | undefined
  private isClosed = false

  constructor(options: DbosOptions) {
    const { url, name = 'selvage', poolSize = 10 } = options
    this.options = options
    this.names = namesOf(checkedName(name))
    this.report = options.onError ?? warnOnce()
    const { report, leaseMs } = this
    this.db = new Database({ url, schema: name, poolSize, idleInTransactionMs: leaseMs, report })
    this.runs = new Runs(this.db, this.names)
    this.changes = new Changes((runId) => this.runs.describe(runId))
    this.blobs = postgresBlobs(this.db)
  }

  // ── commands ──────────────────────────────────────────────────────────────────────────────────────────────────────

  async start(runId: string, start: Start, options: { readonly startAt?: number } = {}): Promise<{ created: boolean }> {
    this.checkOpen()
    const at = this.now()
    const workflow = workflowOf(this.names, runId, 0)
    const begin: Begin = { runId, generation: 0, entries: 0, steps: 0, heard: 0, at }
    const delayMs = Math.max(0, (options.startAt ?? at) - at)
    return await this.runs.start(runId, start, at, { workflow, parked: delayMs > 0 }, async (client) => {
      await this.enqueue(client, begin, start, delayMs)
    })
  }

  async fork(runId: string, fork: Fork): Promise<void> {
    this.checkOpen()
    const { start } = await this.describe(runId)
    const all = await this.runs.entries(runId, 0, Number.MAX_SAFE_INTEGER)
    const made = forkedRun(CHANCE, { runId, start, entries: all }, fork)
    const at = this.now()
    const first: Entry = { seq: 0, at, type: 'start', start: made.start, salt: made.salt }
    const entries = [first, ...made.entries]
    const [id, workflow] = [fork.runId, workflowOf(this.names, fork.runId, 0)]
    const counts = { entries: entries.length, steps: stepsIn(entries) }
    const begin: Begin = { runId: id, generation: 0, ...counts, heard: 0, at }
    await this.runs.start(id, made.start, at, { workflow, entries }, (client) =>
      this.enqueue(client, begin, made.start, 0),
    )
    await this.runs.asked(id, entries)
  }

  async signal(runId: string, signal: Signal): Promise<SignalReceipt> {
    this.checkOpen()
    probe('engine.before-signal')
    const stamped = { ...signal, at: this.now() }
    const receipt = await this.runs.signal(runId, stamped, async ({ workflow, program, version }) => {
      await this.wake(workflow, program, version ?? undefined)
    })
    probe('engine.after-signal')
    return receipt
  }

  async cancel(runId: string, reason: string, by?: string): Promise<void> {
    const runs = {
      describe: (id: string) => this.describe(id),
      reopenings: async (id: string) => (await this.runs.row(id)).reopenings,
      signal: (id: string, signal: Signal) => this.signal(id, signal),
    }
    await sendCancel(runs, runId, reason, by)
  }

  async retry(runId: string): Promise<void> {
    this.checkOpen()
    const load = (id: string): Promise<readonly Entry[]> => this.runs.kept(id, 0, Number.MAX_SAFE_INTEGER)
    const runs = { describe: (id: string) => this.describe(id), load, reopen: this.reopen.bind(this) }
    await reopenRun(runs, runId, this.now())
  }

  private async reopen(runId: string, entries: number, voided: readonly string[], at: number): Promise<void> {
    await this.runs.reopen(runId, entries, voided, at, async (client, row, heard) => {
      const generation = row.generation + 1
      const begin: Begin = { runId, generation, entries: entries + 1, steps: row.steps, heard, at }
      await this.enqueue(client, begin, JSON.parse(row.start) as Start, 0)
      return workflowOf(this.names, runId, generation)
    })
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

  async describe(runId: string): Promise<RunDescription> {
    this.checkOpen()
    return await this.runs.describe(runId)
  }

  async journal(runId: string, from: number, limit: number = JOURNAL_PAGE): Promise<readonly Entry[]> {
    this.checkOpen()
    return await this.runs.entries(runId, from, limit)
  }

  async changed(...[runId, since, abortSignal]: Parameters<Engine['changed']>): Promise<void> {
    this.checkOpen()
    await this.listen()
    await this.changes.wait(runId, since, abortSignal)
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

  async serve(
    host: Host,
    { concurrency = DEFAULT_CONCURRENCY }: ServeOptions = {},
  ): Promise<{ stop(): Promise<void> }> {
    this.checkOpen()
    checkConcurrency(concurrency)
    const { names, db, runs, report, leaseMs } = this
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
      now: () => this.now(),
      report,
      touched: (runId) => this.changes.touched(runId),
      wake: (workflow, { program, version }) => this.wake(workflow, program, version),
      cancelled: async ({ id, workflow, program, version }) => {
        await this.cancel(id, 'cancelled in DBOS')
        await this.wake(workflow, program, version ?? undefined)
      },
    })
    this.worker = worker
    return { stop: () => worker.stop() }
  }

  async close(): Promise<void> {
    if (this.isClosed) return
    await this.worker?.stop()
    if (this.isClosed) return
    this.isClosed = true
    this.changes.close()
    await (await this.bell?.catch(() => undefined))?.close()
    await (await this.client?.catch(() => undefined))?.destroy()
    await this.db.close()
  }

  /** Tells who waits for changes. */
  private async listen(): Promise<void> {
    const { url } = this.options
    const { report, names } = this
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
      logger: loggerOf(this.report),
    })
    return await this.client
  }

  private get leaseMs(): number {
    return this.options.leaseMs ?? 5_000
  }

  private now(): number {
    return (this.options.clock ?? Date).now()
  }

  private checkOpen(): void {
    if (this.isClosed) throw closed()
  }
}

function checkedName(name: string): string {
  if (/^[a-z][a-z0-9_]{0,40}$/.test(name) && name !== 'dbos') return name
  throw new UsageError('BAD_INPUT', `The engine on DBOS cannot name its application and schema '${name}'.`, {
    hint: "Give lower-case letters, digits and underscores, beginning with a letter; not 'dbos'.",
  })
}

function warnOnce(): (error: unknown) => void {
  const seen = new Set<string>()
  return (error) => {
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    if (seen.has(message) || seen.size === 1_000) return
    seen.add(message)
    console.warn(`[selvage] ${message}`)
  }
}
