/**
 * A worker: the process in which DBOS drives runs. DBOS itself gives the workflows of a process that died only to one that
 * comes back under its name (`executorID`); here nobody comes back, so the workers watch each other:
 *
 *   beat     each writes into its row that it lives, ten times a lease
 *   watch    each looks for workers that are dead: silent for a lease; or silent for a quarter of it, and the lock that their
 *            connection held is free. Their rows go. Who has lost a connection of its own believes no lock for a lease: what
 *            took it may have taken those of others who live
 *   recover  whatever is going on (PENDING) under the name of a worker that has no row is given back to its queue by DBOS's
 *            own recovery, which makes the dead worker's claim void. It does not matter who does it, nor how often
 *
 * Who was only standing still finds that its row is gone: it gives everything back itself, and begins anew. Who has beaten late
 * begins no step before it knows, and takes nobody for dead for a while (core's renewals.ts).
 */
import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { setTimeout } from 'node:timers/promises'
import { type Host, Renewals } from '@selvage/core'
import { Places } from '@selvage/core/engines'
import type { Application } from './application.ts'
import type { Bell } from './bell.ts'
import { type Driver, Generation } from './drive-run.ts'
import { type Begin, queueOf } from './names.ts'
import type { RunRow } from './runs.ts'
import { recover, Sdk } from './sdk.ts'

export interface WorkerOptions {
  readonly app: Application
  readonly host: Host
  readonly concurrency: number
  readonly touched: Driver['touched']
  /** A run whose workflow was cancelled in DBOS's console. */
  readonly cancelled: (run: RunRow) => Promise<void>
  /** A run whose workflow DBOS has ended with an error: nothing drives it any more. */
  readonly failed: (run: RunRow, message: string) => Promise<void>
}

const BEATS = 10
/** Who is silent for this part of a lease may be dead. */
const SILENCE = 1 / 4
const LOOKS_MS = 500

export class Worker implements Driver {
  readonly app: Application
  readonly host: Host
  readonly places: Places
  sdk!: Sdk
  private readonly options: WorkerOptions
  private readonly executor = `${hostname()}:${process.pid}:${randomBytes(4).toString('hex')}`
  private readonly lock = randomBytes(8).readBigInt64BE()
  /** Of each run the one that drives it in this process; an older one may still stand there, without a claim. */
  private readonly generations = new Map<string, Generation>()
  private readonly all = new Set<Generation>()
  private readonly loops: Promise<void>[] = []
  private readonly over = new AbortController()
  private bell!: Bell
  private stopping: Promise<void> | undefined
  private readonly beats: Renewals
  private beating: Promise<void> | undefined

  static async open(options: WorkerOptions): Promise<Worker> {
    const worker = new Worker(options)
    try {
      await worker.begin()
      return worker
    } catch (error) {
      await worker.end()
      throw error
    }
  }

  private constructor(options: WorkerOptions) {
    const { app, host, concurrency } = options
    this.options = options
    this.app = app
    this.host = host
    this.places = new Places(concurrency, app.platform)
    const { leaseMs } = app.settings
    this.beats = new Renewals({ leaseMs, late: SILENCE, now: app.platform.now, real: () => performance.now() })
  }

  private async begin(): Promise<void> {
    const { app, executor, lock } = this
    const { leaseMs } = app.settings
    const { concurrency } = this.options
    this.bell = await app.listen((runId) => this.rang(runId), lock)
    // From the first run on it must be seen to live, be it that the launch takes longer than a lease.
    await this.beat()
    this.loops.push(this.every(leaseMs / BEATS, () => this.beatOn()))
    const drive = (begin: Begin): Promise<string> => this.drive(begin)
    this.sdk = await Sdk.launch({ app, executor, concurrency, drive }, this.queues)
    await this.watch()
    this.loops.push(this.every(Math.min(LOOKS_MS, leaseMs / 2), () => this.watch()))
  }

  /** Nothing more begins; what is in flight has its grace, and whatever is left is for other workers. */
  stop(): Promise<void> {
    this.stopping ??= this.end()
    for (const generation of this.all) generation.stop()
    return this.stopping
  }

  private async end(): Promise<void> {
    const { db, settings, platform } = this.app
    const { report } = platform
    await this.sdk?.shutdown(settings.stopGraceMs).catch(report)
    this.over.abort()
    await Promise.all(this.loops)
    for (const generation of this.all) this.lose(generation, false)
    await db.rows(`delete from ${db.schema}.worker where executor = $1`, [this.executor]).catch(report)
    await this.bell?.close()
  }

  // ── runs ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  private async drive(begin: Begin): Promise<string> {
    const generation = new Generation(begin, this)
    this.all.add(generation)
    this.generations.set(begin.runId, generation)
    try {
      return await generation.live()
    } catch (error) {
      // DBOS has refused a checkpoint: the run goes on elsewhere, or anew in this process.
      if (this.generations.get(begin.runId) === generation) this.lose(generation, true)
      throw error
    } finally {
      this.all.delete(generation)
      if (this.generations.get(begin.runId) === generation) this.generations.delete(begin.runId)
    }
  }

  private lose(generation: Generation, isTaken: boolean): void {
    generation.lose(isTaken)
    this.host.evict(generation.runId)
  }

  private rang(runId: string | undefined): void {
    if (runId !== undefined) this.generations.get(runId)?.ring()
    else for (const generation of this.all) generation.ring()
  }

  get isStopping(): boolean {
    return this.stopping !== undefined
  }

  /** Where many are at work, who waits makes room. */
  get lingerMs(): number {
    return this.all.size > this.options.concurrency ? 0 : this.app.settings.lingerMs
  }

  touched(...change: Parameters<Driver['touched']>): void {
    this.options.touched(...change)
  }

  /** Of what is registered by now. */
  private get queues(): readonly string[] {
    return this.host
      .registered()
      .map(({ name, version }) => queueOf(this.app.name, { program: name, ...(version !== undefined && { version }) }))
  }

  // ── workers ───────────────────────────────────────────────────────────────────────────────────────────────────────

  private async beat(): Promise<void> {
    const { db, platform } = this.app
    const now = platform.now()
    await db.rows(`insert into ${db.schema}.worker values ($1, $2, now())`, [this.executor, this.lock.toString()])
    this.beats.renewed(now)
  }

  private beatOn(): Promise<void> {
    this.beating ??= this.beatOrBegin().finally(() => {
      this.beating = undefined
    })
    return this.beating
  }

  private async beatOrBegin(): Promise<void> {
    const { db, platform } = this.app
    const now = platform.now()
    const mine = [this.executor]
    const beaten = await db.rows(
      `update ${db.schema}.worker set seen_at = now() where executor = $1 returning executor`,
      mine,
    )
    if (beaten.length > 0) return this.beats.renewed(now)
    await recover(mine)
    for (const generation of this.all) this.lose(generation, true)
    await this.beat()
  }

  untilSure(): Promise<void> | undefined {
    return this.beats.untilSure(() => void this.beatOn().catch(this.app.platform.report))
  }

  private async bury(): Promise<void> {
    const { db, settings } = this.app
    const { leaseMs } = settings
    await db.rows(
      `delete from ${db.schema}.worker where seen_at < now() - $1 * interval '1 ms'
         or ($2 and seen_at < now() - $3 * interval '1 ms' and pg_try_advisory_xact_lock(lock))`,
      [leaseMs, this.bell.isUnbroken(leaseMs), leaseMs * SILENCE],
    )
  }

  private async watch(): Promise<void> {
    const { db, name } = this.app
    for (const queue of this.queues) await this.sdk.listen(queue)
    if (this.beats.mayJudge) await this.bury()
    const orphans = await db.rows<{ executor_id: string }>(
      `select distinct executor_id from dbos.workflow_status
         where status = 'PENDING' and application_name = $1
         and not exists (select from ${db.schema}.worker where executor = executor_id)`,
      [name],
    )
    if (orphans.length > 0) await recover(orphans.map(({ executor_id }) => executor_id))
    const ended = await db.rows<RunRow & { readonly ended_as: string; readonly error: string | null }>(
      `select run.*, workflow_status.status as ended_as, error from dbos.workflow_status
         join ${db.schema}.run on workflow = workflow_uuid
         where workflow_status.status in ('CANCELLED', 'ERROR', 'MAX_RECOVERY_ATTEMPTS_EXCEEDED')
         and application_name = $1 and run.outcome is null`,
      [name],
    )
    for (const { ended_as: how, error, ...run } of ended) {
      const { cancelled, failed } = this.options
      const told = how === 'CANCELLED' ? cancelled(run) : failed(run, error === null ? how : messageOf(error))
      // One that cannot be read keeps no other waiting.
      await told.catch(this.app.platform.report)
    }
  }

  private async every(ms: number, body: () => Promise<void>): Promise<void> {
    const { signal } = this.over
    while (!signal.aborted) {
      await setTimeout(ms, undefined, { signal }).catch(() => {})
      if (!signal.aborted) await body().catch(this.app.platform.report)
    }
  }
}

/** As DBOS keeps it. */
function messageOf(error: string): string {
  try {
    const { message } = JSON.parse(error) as { readonly message?: unknown }
    return typeof message === 'string' ? message : error
  } catch {
    return error
  }
}
