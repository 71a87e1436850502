import type {
  DiscardOptions,
  Host,
  MessageQuery,
  Page,
  Program,
  RunQuery,
  RunSummary,
  ServeOptions,
  TransactionDatabase,
} from '@selvage/core'
import {
  decode,
  encode,
  hasEnded,
  noTransactions,
  refuseNoObject,
  refuseNoText,
  refuseNumber,
  refuseUnknown,
  UsageError,
  withDefaults,
} from '@selvage/core'
import {
  type Context,
  createPipeline,
  createWorkflow,
  type Limits,
  type PipelineInput,
  type PipelineOptions,
  type PipelineResult,
  type PipelineStage,
  type PriceTable,
  refuseNoSchema,
  validateInput,
  type WorkflowOptions,
} from '@selvage/programs'
import type { OpenOptions, Parts } from './assemble.ts'
import { Notifier } from './notify/notifier.ts'
import { Openings } from './openings.ts'
import { RAISE, REFERENCE, RUNS, SERVE } from './option-names.ts'
import { type Message, type MessageHandler, type OutboxOptions, Topics } from './outbox.ts'
import { type Approval, type ApprovalQuery, Inbox, keepsNo } from './people/inbox.ts'
import { type ApprovalLink, type LinkAnswer, type LinkClaims, type LinkOptions, Links } from './people/links.ts'
import { ProgramHandle, type ProgramShape } from './program-handle.ts'
import { Registry } from './registry.ts'
import { notBuilt } from './reserved.ts'
import { type BulkPage, type BulkQuery, discardAll, retryAll } from './runs/bulk.ts'
import type { EffectRecord } from './runs/effect-ledger.ts'
import { type EffectQuery, Effects } from './runs/effects.ts'
import { checkFilters } from './runs/query.ts'
import { createRecords, type Records } from './runs/records.ts'
import { presentPlain, type RaiseOptions, Run, type RunPorts } from './runs/run.ts'
import { amountsOf, type PotState, stateOf } from './runs/run-money.ts'
import type { SessionProgram } from './runs/session.ts'
import { Unanswered } from './runs/unanswered.ts'
import type { TenantOptions } from './treasury.ts'
import { Worker } from './worker.ts'

export interface ReferenceOptions<Input> extends Pick<WorkflowOptions<Input>, 'input'> {
  /** That of the runs to be started. Default: none, as for a program registered without one. */
  readonly version?: string
}

/** What an opened Selvage is told beside its parts. */
export interface Settings extends Pick<OpenOptions, 'work' | 'concurrency'> {
  readonly conversation: RunPorts['conversation']
  /** Sessions of an agent of that name and version, wherever it is registered. */
  readonly sessions?: (name: string, version: string | undefined) => SessionProgram<unknown>
}

/** A worker that was asked for. */
export interface Working {
  /** Takes no more runs and resolves when nothing is in flight here. */
  stop(): Promise<void>
}

/** An opened Selvage without agents: runs, their questions and their workers. */
export class CoreSelvage {
  readonly #parts: Parts
  readonly #registry = new Registry()
  readonly #host: Host
  readonly #worker: Worker
  readonly #mayWork: boolean
  readonly #records: Records
  readonly #topics: Topics
  readonly #effects: Effects
  readonly #runPorts: RunPorts
  readonly #sessions: Settings['sessions']
  readonly #inbox: Inbox
  readonly #links: Links
  readonly #notifier: Notifier
  readonly #openings: Openings
  #closed: Promise<void> | undefined

  constructor(parts: Parts, settings: Settings) {
    const { work = true, concurrency, conversation, sessions } = settings
    this.#links = new Links(parts.engine, parts.runtime, parts.linkSecrets)
    this.#sessions = sessions
    this.#parts = parts
    this.#host = parts.createHost(() => this.#registry.list())
    this.#mayWork = work
    this.#records = createRecords(parts.engine, parts.runtime, parts.blobs)
    this.#effects = new Effects(parts.engine, parts.runtime, this.#records)
    this.#inbox = new Inbox(parts.engine, this.#records)
    this.#notifier = new Notifier(parts, (question) => this.#inbox.shown(question))
    this.#topics = new Topics(parts.engine, parts.runtime, this.#records)
    this.#worker = new Worker(parts.engine, this.#host, parts.runtime.context, {
      outbox: () => [...this.#topics.handlers, ...this.#notifier.handlers],
      ...(concurrency === undefined ? {} : { concurrency }),
    })
    this.#openings = new Openings({ location: parts.location, programs: this.#registry }, (line) =>
      parts.logger.warn(line),
    )
    // Who brings an engine of its own is not told apart by the engine's name.
    if (work && parts.location !== parts.engine.manifest.name) this.#openings.enter()
    const unanswered = new Unanswered(parts.engine, parts.runtime.clock, (line) => parts.logger.warn(line))
    this.#runPorts = {
      engine: parts.engine,
      runtime: parts.runtime,
      host: parts.hosts,
      live: parts.live,
      records: this.#records,
      treasury: parts.treasury,
      conversation,
      workOn: (runId) => this.#workOn(runId),
      watch: (runId) => unanswered.watch(runId),
    }
  }

  /** What another integration runs on: it must not close the engine. */
  get parts(): Parts {
    this.#open()
    return this.#parts
  }

  /** Where runs are kept, for messages. */
  get location(): string {
    return this.#parts.location
  }

  /** The programs registered here. */
  programs(): readonly { readonly name: string; readonly version?: string }[] {
    return this.#host.registered()
  }

  /** Registers any program: what `workflow` and `agent` are made of. ALREADY_REGISTERED for a name and version twice. */
  program<Input, Result>(
    program: Program,
    shape: ProgramShape<Input, Result>,
    sessions?: SessionProgram<Result>,
  ): ProgramHandle<Input, Result> {
    this.#open()
    this.#registry.add(program)
    this.#openings.check(program)
    return this.#handle(program, shape, () => this.#beginWork(), sessions)
  }

  /**
   * A program that other processes register, by its name and version: for a web server that starts runs and answers their
   * questions, and for `ctx.child`. Nobody here can tell whether there is such a program: its runs stay pending until a
   * worker has it. `input`: as for the workflow.
   */
  reference<Input = unknown, Result = unknown>(
    name: string,
    options: ReferenceOptions<Input> = {},
  ): ProgramHandle<Input, Result> {
    this.#open()
    refuseNoText('The name of a program', name)
    refuseUnknown(`reference() to "${name}"`, options, REFERENCE)
    const { version, input } = options
    if (version !== undefined) refuseNoText(`The version of program '${name}'`, version)
    refuseNoSchema(`input of program '${name}'`, input)
    const program = { name, ...(version === undefined ? {} : { version }) }
    const shape = plainShape<Input, Result>(`program '${name}'`, input)
    const beginWork = async (): Promise<void> => {
      if (this.#registry.has(program)) await this.#beginWork()
    }
    return this.#handle(program, shape, beginWork, this.#sessions?.(name, version))
  }

  /**
   * Registers a function that replays: what went through `ctx` is recorded once, and the function itself runs again after
   * a crash, a deploy or a long wait. ALREADY_REGISTERED for a name and version twice.
   */
  workflow<Input = unknown, Result = unknown>(
    name: string,
    fn: (ctx: Context, input: Input) => Promise<Result> | Result,
    options: WorkflowOptions<Input> = {},
  ): ProgramHandle<Input, Result> {
    const { log } = this.#parts
    const told = log === undefined ? options : withDefaults(`Workflow "${name}"`, { log }, options)
    const program = createWorkflow<Input, Result>(name, fn, told)
    return this.program(program, plainShape<Input, Result>(`workflow '${name}'`, options.input))
  }

  /**
   * Registers programs that run one after the other, each on what the one before has made; the result is that of the last.
   * A stage is a program, or one with a name, a timeout, a retry policy or an input of its own, and a run of its own below
   * that of the pipeline: only the stage that failed runs again. BAD_INPUT for stages and options that make no sense,
   * ALREADY_REGISTERED for a name and version twice. See docs/pipelines.md.
   */
  pipeline<
    const Stages extends readonly PipelineStage[],
    Input = PipelineInput<Stages>,
    Result = PipelineResult<Stages>,
  >(name: string, stages: Stages, options: PipelineOptions<Input> = {}): ProgramHandle<Input, Result> {
    const program = createPipeline(name, stages, options)
    return this.program(program, plainShape<Input, Result>(`pipeline '${name}'`, options.input))
  }

  /**
   * Registers what delivers the messages of a topic, those of runs that have ended too. `handler` is called at least once
   * for each message, always with the same `idempotencyKey`, by one worker at a time, and not before it has resolved for
   * (or given up) what the same run sent earlier. ALREADY_REGISTERED for a topic twice. See docs/effects.md.
   */
  outbox<Payload = unknown>(topic: string, handler: MessageHandler<Payload>, options: OutboxOptions = {}): void {
    this.#open()
    this.#topics.add(topic, handler as MessageHandler, options)
  }

  /** Messages that were sent, newest first, with what became of them. */
  async messages(query: MessageQuery = {}): Promise<Page<Message>> {
    return this.#topics.messages(query)
  }

  /** One message. NOT_FOUND. */
  async message(id: string): Promise<Message> {
    return this.#topics.message(id)
  }

  /** A dead message is delivered after all, its attempts counted anew. NOT_FOUND; BAD_INPUT if it is not dead. */
  async resend(id: string): Promise<void> {
    await this.#topics.resend(id)
  }

  /**
   * A commit of its own on your tables (`app_…`), in the database that keeps the runs: to make them, to fill them and to
   * read what `ctx.transaction` wrote. `body` is as there: synchronous, and perhaps run more than once. Resolves to what it
   * returned; rejects with what it threw, and has then written nothing. UNSUPPORTED on engines that cannot.
   */
  async transaction<T>(body: (database: TransactionDatabase) => T): Promise<T> {
    const { engine } = this.#parts
    if (engine.transaction === undefined) throw noTransactions(engine.manifest)
    if (typeof body !== 'function') throw new UsageError('BAD_INPUT', 'transaction() was given no function.')
    return engine.transaction(body)
  }

  /** Reserved. */
  schedule(_name: string, _when: unknown): never {
    throw notBuilt('selvage.schedule()', 'Start runs from cron, with the time in the runId so that each starts once.')
  }

  /** A run by its id, whatever program it runs. Its methods reject with NOT_FOUND if there is none. */
  run(id: string): Run {
    return new Run(id, this.#runPorts, presentPlain)
  }

  /** Runs, newest first. */
  async runs(query: RunQuery = {}): Promise<Page<RunSummary>> {
    refuseUnknown('runs()', query, RUNS)
    checkFilters('runs()', query)
    const { engine } = this.#parts
    if (engine.list === undefined) throw keepsNo(engine, 'list of runs', 'Keep the ids of the runs you start.')
    return engine.list(query)
  }

  /**
   * Retries the failed runs (or cancelled ones) of a query, a page at a time: see bulk.ts. What became of each is told; one
   * that cannot be retried does not keep the others from it.
   */
  async retryAll(query: BulkQuery = {}): Promise<BulkPage> {
    return retryAll(this.#parts.engine, query)
  }

  /**
   * Takes ended runs of a query away for good, a page at a time, failed ones unless told otherwise; `dryRun` first shows
   * which. Of each, as for `run.discard()`.
   */
  async discardAll(query: BulkQuery & DiscardOptions = {}): Promise<BulkPage> {
    return discardAll(this.#parts.engine, query)
  }

  /** What people are asked: approvals and interrupts, the open ones unless told otherwise. */
  async approvals(query: ApprovalQuery = {}): Promise<Page<Approval>> {
    return this.#inbox.page(query)
  }

  /** One question by its id, whatever run asks it. NOT_FOUND. */
  async approval(id: string): Promise<Approval> {
    return this.#inbox.approval(id)
  }

  /**
   * A link that answers question `id`: `{ token, url?, expiresAt }`. Whoever has it may say what `action` allows, once.
   * NOT_FOUND and the errors of a question that is over; NOT_ASKED; BAD_INPUT without a `linkSecret`.
   */
  async approvalLink(id: string, options: LinkOptions): Promise<ApprovalLink> {
    return this.#links.make(await this.#inbox.question(id), options)
  }

  /**
   * The question of a link, and what the link may do. Uses nothing up: call it for GET requests, which mail scanners make.
   * LINK_INVALID, LINK_EXPIRED.
   */
  async peekLink(token: string): Promise<LinkClaims & { readonly approval: Approval }> {
    const claims = this.#links.read(token)
    return { ...claims, approval: await this.#inbox.approval(claims.id) }
  }

  /**
   * Answers the question of a link, and uses the link up. LINK_INVALID, LINK_EXPIRED, LINK_USED; ALREADY_ANSWERED if
   * somebody else was first; BAD_INPUT for what does not fit or what the link does not allow: then both are as before.
   */
  async answerLink(token: string, said: LinkAnswer = {}): Promise<Approval> {
    const claims = this.#links.read(token)
    await this.#links.answer(token, await this.#inbox.question(claims.id), claims, said)
    return this.#inbox.approval(claims.id)
  }

  /**
   * What runs did outside, and what is known of it: over all runs or one of them, those of which nobody knows whether they
   * happened first. NOT_FOUND for a `runId` that is none. See docs/effects.md.
   */
  async effects(query: EffectQuery = {}): Promise<Page<EffectRecord>> {
    return this.#effects.page(query)
  }

  /** Declares or replaces the budget of a tenant, as `openSelvage({ tenants })` does: for modules of `selvage work`. */
  tenant(name: string, options: TenantOptions): void {
    this.#open()
    refuseNoText('The name of a tenant', name)
    refuseNoObject(`Tenant "${name}"`, options ?? null)
    this.#parts.treasury.declareTenants({ [name]: options })
  }

  /** Adds to the price table, as `openSelvage({ prices })` does. */
  prices(table: PriceTable): void {
    this.#open()
    this.#parts.treasury.prices.set(table)
  }

  /** A pot by its id: `run:<run id>`, `tenant:<tenant>` (of the period now, where it is declared here). Undefined: none. */
  async pot(id: string): Promise<PotState | undefined> {
    const [pot] = await this.#parts.treasury.pots.read([this.#potId(id)])
    return pot === undefined ? undefined : stateOf(pot)
  }

  /** As `run.raiseBudget`, for the pot of that id. NOT_FOUND. */
  async raiseBudget(id: string, by: Limits, options: RaiseOptions = {}): Promise<PotState> {
    refuseUnknown('raiseBudget()', options, RAISE)
    const { treasury, runtime } = this.#parts
    return stateOf(await treasury.pots.raise(this.#potId(id), amountsOf(by), options.id ?? runtime.random(11)))
  }

  /** Begins to work, if no `start()` has done so. The process lives until `stop()` or `close()`. */
  async work(options: ServeOptions = {}): Promise<Working> {
    this.#open()
    refuseUnknown('work()', options, SERVE)
    refuseNumber('concurrency of work()', options.concurrency, { least: 1, isWhole: true })
    if (!this.#mayWork) {
      throw new UsageError('BAD_INPUT', 'This Selvage was opened with work: false.', {
        hint: 'Open it without that to work on runs.',
      })
    }
    await this.#begin(options)
    return { stop: () => this.#worker.stop() }
  }

  /** Stops the worker and closes the engine. Runs stay as they are and go on with the next worker. */
  close(): Promise<void> {
    this.#openings.leave()
    this.#closed ??= this.#worker.stop().finally(() => {
      this.#notifier.close()
      this.#parts.live?.close()
      return this.#parts.engine.close()
    })
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #potId(id: string): string {
    const { treasury, runtime } = this.#parts
    const tenant = id.startsWith('tenant:')
      ? treasury.tenantPot(id.slice('tenant:'.length), runtime.clock.now())
      : undefined
    return tenant?.id ?? id
  }

  #handle<Input, Result>(
    program: { readonly name: string; readonly version?: string },
    shape: ProgramShape<Input, Result>,
    beginWork: () => Promise<void>,
    sessions?: SessionProgram<unknown>,
  ): ProgramHandle<Input, Result> {
    const { engine, runtime } = this.#parts
    return new ProgramHandle(program, shape, { engine, runtime, beginWork, runPorts: this.#runPorts, sessions })
  }

  async #beginWork(): Promise<void> {
    if (this.#mayWork) await this.#begin()
  }

  async #workOn(runId: string): Promise<void> {
    if (!this.#mayWork || !this.#worker.isNew || this.#registry.list().length === 0) return
    const { start, status } = await this.#parts.engine.describe(runId)
    if (!hasEnded(status) && this.#registry.has({ name: start.program, version: start.version })) await this.#begin()
  }

  async #begin(options?: ServeOptions): Promise<void> {
    this.#parts.live?.tellOf(this.#host)
    await this.#worker.begin(options)
  }

  #open(): void {
    if (this.#closed === undefined) return
    throw new UsageError('ALREADY_OPEN', 'This Selvage was closed.', { hint: 'Open a new one with openSelvage().' })
  }
}

/** Values as they are, the input checked by its schema if there is one. */
function plainShape<Input, Result>(what: string, schema: WorkflowOptions<Input>['input']): ProgramShape<Input, Result> {
  return {
    ...(schema === undefined ? {} : { schema }),
    input: async (given) =>
      encode(schema === undefined ? given : await validateInput(schema, given), `the input of ${what}`),
    result: (recorded) => decode(recorded) as Result,
  }
}
