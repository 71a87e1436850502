/**
 * The smallest engine that keeps a journal: runs in memory, on time that only the test moves, with a process that can
 * die. What dies with it are its fibers; journals, inboxes and what steps did outside stay. For the tests of programs:
 * the protocol itself is tested in testing/.
 */
import type {
  Clock,
  Entry,
  Host,
  HostOptions,
  Json,
  Manifest,
  Outcome,
  Program,
  Question,
  Runtime,
  Signal,
  SignalReceipt,
  Start,
} from '@selvage/core'
import {
  ConflictError,
  canonical,
  childrenToRetry,
  createHost,
  decode,
  EngineError,
  encode,
  LeaseLostError,
  RunError,
  refuseUndone,
  UsageError,
  voidedByRetry,
} from '@selvage/core'

export interface MovableClock extends Clock {
  advance(ms: number): Promise<void>
  readonly nextTimerAt: number | undefined
}

const MANIFEST: Manifest = {
  name: 'world',
  limits: {},
  journal: 'store',
  affinity: true,
  countsDeliveries: true,
  survives: 'process',
  abilities: { list: false, approvals: false, attach: false, rotate: false, leavesOpen: true },
}

class Run {
  readonly id: string
  readonly start: Start
  readonly entries: Entry[] = []
  readonly inbox: Signal[] = []
  readonly signals = new Map<string, Signal>()
  status: Json | undefined
  outcome: Outcome | undefined
  waits: { readonly signals: readonly string[]; readonly until?: number } | undefined
  startAt: number
  busy = false

  constructor(id: string, start: Start, startAt: number) {
    this.id = id
    this.start = start
    this.startAt = startAt
  }
}

export class World {
  readonly clock: MovableClock
  programs: readonly Program[]
  /** How often each run was given to a new process. */
  deaths = 0
  /** The engine refuses everything from outside while true. */
  away = false
  /** What a start by a program waits for. */
  beforeStart: () => Promise<void> = async () => {}
  /** What a cancel by a program waits for. */
  beforeCancel: (id: string) => Promise<void> = async () => {}
  readonly #runtime: Runtime
  readonly #runs = new Map<string, Run>()
  readonly #blobs: Uint8Array[] = []
  readonly #retries: boolean
  #host: Host
  #process: AbortController

  /** `retries`: programs may retry runs here, as on the embedded engine. */
  constructor(
    runtime: Runtime,
    clock: MovableClock,
    programs: readonly Program[],
    { retries = false }: { readonly retries?: boolean } = {},
  ) {
    this.#runtime = runtime
    this.#retries = retries
    this.clock = clock
    this.programs = programs
    this.#process = new AbortController()
    this.#host = this.#newHost()
  }

  // ── what a caller does ────────────────────────────────────────────────────────────────────────────────────────────

  async start(
    id: string,
    program: string,
    input: unknown = null,
    more: Partial<Start> & { startAt?: number } = {},
  ): Promise<void> {
    const { startAt, ...start } = more
    await this.#create(id, { program, input: encode(input, 'input'), ...start }, startAt)
  }

  async signal(id: string, signal: Signal): Promise<SignalReceipt> {
    if (this.away) throw new EngineError('UNAVAILABLE', 'The world is away.')
    const run = this.#run(id)
    const first = run.signals.get(signal.id)
    if (first !== undefined) return { accepted: false, first }
    const isLate = run.outcome !== undefined && this.#isOpenItem(run, signal.id)
    if (run.outcome !== undefined && !isLate && !signal.name.startsWith('child:'))
      throw new RunError('RUN_ENDED', `Run ${id} has ended.`)
    const accepted = { ...signal, at: this.clock.now() }
    run.signals.set(signal.id, accepted)
    run.inbox.push(accepted)
    if (isLate) this.#goOn(run)
    this.#host.offer(id, accepted)
    this.#pump(run)
    return { accepted: true }
  }

  async cancel(id: string, reason: string, by?: string): Promise<void> {
    await this.signal(id, { id: '$cancel', name: '$cancel', payload: reason, ...(by !== undefined && { by }) })
  }

  /** The process dies as by SIGKILL, and another one takes its place, with `programs` if they were deployed. */
  async kill(programs: readonly Program[] = this.programs): Promise<void> {
    this.deaths++
    this.#process.abort()
    await this.until(() => [...this.#runs.values()].every((run) => !run.busy))
    this.programs = programs
    this.#process = new AbortController()
    this.#host = this.#newHost()
    for (const run of this.#runs.values()) {
      run.waits = undefined
      this.#pump(run)
    }
  }

  /** Makes an ended run go on, as the embedded engine does. */
  async retry(id: string): Promise<void> {
    const run = this.#run(id)
    await this.until(() => !run.busy)
    this.#reopen(run)
  }

  #reopen(run: Run): void {
    refuseUndone(run.id, run.entries)
    const voided = voidedByRetry(run.entries)
    for (const child of childrenToRetry(run.entries, voided)) {
      const known = this.#runs.get(child)
      if (known?.outcome !== undefined && !('ok' in known.outcome)) this.#reopen(known)
    }
    run.entries.push({ type: 'reopen', voided, seq: run.entries.length, at: this.clock.now() })
    run.signals.delete('$cancel')
    run.outcome = undefined
    this.#pump(run)
  }

  /** Lets time pass. */
  async elapse(ms: number): Promise<void> {
    await this.clock.advance(ms)
    for (const run of this.#runs.values()) this.#pump(run)
  }

  /** A run that some earlier process has left with this journal. */
  restore(id: string, entries: readonly Entry[]): void {
    const [first] = entries
    if (first?.type !== 'start') throw new Error('a journal begins with its start')
    const run = new Run(id, first.start, first.at)
    run.entries.push(...entries)
    for (const entry of entries) if (entry.type === 'signal') run.signals.set(entry.signal.id, entry.signal)
    this.#runs.set(id, run)
    this.#pump(run)
  }

  // ── what a test sees ──────────────────────────────────────────────────────────────────────────────────────────────

  entries(id: string): readonly Entry[] {
    return this.#runs.get(id)?.entries ?? []
  }

  keys(id: string, type: Entry['type'] = 'step'): readonly string[] {
    return this.entries(id).flatMap((entry) => (entry.type === type && 'key' in entry ? [entry.key] : []))
  }

  outcome(id: string): Outcome | undefined {
    return this.#runs.get(id)?.outcome
  }

  status(id: string): Json | undefined {
    return this.#runs.get(id)?.status
  }

  ids(): readonly string[] {
    return [...this.#runs.keys()]
  }

  /** The questions that were asked, oldest first. */
  questions(id: string): readonly Question[] {
    return this.entries(id).flatMap((entry) => (entry.type === 'open' ? [entry.question] : []))
  }

  /** Answers a question, as the facade does. */
  async answer(id: string, questionId: string, payload: Json, by?: string): Promise<SignalReceipt> {
    return this.signal(id, { id: questionId, name: questionId, payload, ...(by !== undefined && { by }) })
  }

  /** A signal with its name for an id, if the run still takes it. */
  async tell(id: string, name: string, payload: Json): Promise<void> {
    if (this.outcome(id) === undefined) await this.signal(id, { id: name, name, payload })
  }

  /** The result of a run that ends without further help. */
  async result(id: string): Promise<unknown> {
    await this.until(() => this.outcome(id) !== undefined)
    const outcome = this.outcome(id)
    if (outcome === undefined || !('ok' in outcome)) throw new Error(`${id} ended with ${JSON.stringify(outcome)}`)
    return decode(outcome.ok)
  }

  /** Waits until a run sleeps or waits for somebody. */
  async suspended(id: string): Promise<void> {
    await this.until(() => {
      const run = this.#runs.get(id)
      return run !== undefined && !run.busy && run.waits !== undefined
    })
  }

  /** Waits until a run has ended, or waits for something that has not come. */
  async settled(id: string): Promise<void> {
    await this.until(() => {
      const run = this.#runs.get(id)
      return run !== undefined && !run.busy && (run.outcome !== undefined || !this.#isDue(run))
    })
  }

  /** Waits for an event; fires timers that an advance lingers for. */
  async until(condition: () => boolean): Promise<void> {
    for (let turns = 0; !condition(); turns++) {
      if (turns > 5_000) throw new Error(`nothing happens any more: ${this.#describe()}`)
      await new Promise<void>((resolve) => void setImmediate(resolve))
      const { nextTimerAt } = this.clock
      const left = nextTimerAt === undefined ? Number.POSITIVE_INFINITY : nextTimerAt - this.clock.now()
      if (turns % 50 === 49 && left <= 25) await this.elapse(left)
    }
  }

  #describe(): string {
    return [...this.#runs.values()]
      .map((run) => `${run.id} ${run.busy ? 'busy' : ''} ${JSON.stringify(run.waits)} ${JSON.stringify(run.outcome)}`)
      .join('; ')
  }

  // ── the engine ────────────────────────────────────────────────────────────────────────────────────────────────────

  #newHost(): Host {
    const options: HostOptions = {
      runtime: this.#runtime,
      manifest: MANIFEST,
      programs: () => this.programs,
      blobs: {
        put: async (bytes) => {
          const hash = String(this.#blobs.length)
          this.#blobs.push(bytes)
          return hash
        },
        get: async (hash) => this.#blobs[Number(hash)] ?? new Uint8Array(),
      },
      outbound: {
        start: async (id, start) => {
          await this.beforeStart()
          return this.#create(id, start)
        },
        signal: (id, signal) => this.signal(id, signal),
        cancel: async (id, reason, by) => {
          await this.beforeCancel(id)
          await this.cancel(id, reason, by)
        },
        ...(this.#retries && { retry: async (id: string) => this.#retryEnded(id) }),
      },
    }
    return createHost(options)
  }

  #isOpenItem(run: Run, id: string): boolean {
    return this.questions(run.id).some((question) => question.kind === 'compensation' && question.id === id)
  }

  #goOn(run: Run): void {
    run.entries.push({ type: 'reopen', voided: [], undo: true, seq: run.entries.length, at: this.clock.now() })
    run.outcome = undefined
  }

  #retryEnded(id: string): void {
    const run = this.#run(id)
    if (run.busy || run.outcome === undefined) throw new UsageError('BAD_INPUT', `Run ${id} has not ended.`)
    if ('ok' in run.outcome) throw new RunError('RUN_ENDED', `Run ${id} has completed.`)
    this.#reopen(run)
  }

  async #create(id: string, start: Start, startAt?: number): Promise<{ readonly created: boolean }> {
    if (this.away) throw new EngineError('UNAVAILABLE', 'The world is away.')
    const known = this.#runs.get(id)
    if (known !== undefined) {
      const same = known.start.program === start.program && canonical(known.start.input) === canonical(start.input)
      if (!same) throw new ConflictError('RUN_CONFLICT', `Run ${id} exists with another input.`)
      return { created: false }
    }
    const now = this.clock.now()
    const run = new Run(id, start, startAt ?? now)
    run.entries.push({ type: 'start', start, salt: this.#runtime.random(16), seq: 0, at: now })
    this.#runs.set(id, run)
    this.#pump(run)
    return { created: true }
  }

  #run(id: string): Run {
    const run = this.#runs.get(id)
    if (run === undefined) throw new RunError('NOT_FOUND', `No run ${id}.`)
    return run
  }

  #isDue(run: Run): boolean {
    const now = this.clock.now()
    if (run.outcome !== undefined || run.startAt > now) return false
    const { waits } = run
    if (waits === undefined) return true
    if (waits.until !== undefined && waits.until <= now) return true
    return run.inbox.some((signal) => signal.name.startsWith('$') || waits.signals.includes(signal.name))
  }

  #pump(run: Run): void {
    if (run.busy || !this.#isDue(run)) return
    run.busy = true
    run.waits = undefined
    const { signal } = this.#process
    this.#advance(run, signal)
      .catch((error: unknown) => {
        if (!signal.aborted) run.outcome = { error: { name: 'WorldError', message: String(error) } }
      })
      .finally(() => {
        run.busy = false
        if (!signal.aborted) this.#pump(run)
      })
  }

  async #advance(run: Run, abortSignal: AbortSignal): Promise<void> {
    const cursor = run.entries.length
    const progress = await this.#host.advance(
      { runId: run.id, start: run.start, cursor, signals: [...run.inbox], now: this.clock.now() },
      {
        abortSignal,
        heartbeat: () => {},
        delivery: 1,
        wake: () => {
          run.waits = undefined
          this.#pump(run)
        },
        journal: {
          load: async (from) => run.entries.slice(from),
          append: async (at, entries) => {
            await new Promise<void>((resolve) => void setImmediate(resolve))
            if (abortSignal.aborted) throw new LeaseLostError('LEASE_LOST', 'This process is dead.')
            if (at !== run.entries.length)
              throw new EngineError('JOURNAL_GAP', `append at ${at}, not ${run.entries.length}`)
            run.entries.push(...(JSON.parse(JSON.stringify(entries)) as Entry[]))
            const journaled = new Set(entries.flatMap((entry) => (entry.type === 'signal' ? [entry.signal.id] : [])))
            run.inbox.splice(0, run.inbox.length, ...run.inbox.filter((signal) => !journaled.has(signal.id)))
          },
        },
      },
    )
    if (progress.status !== undefined) run.status = progress.status
    if (progress.kind === 'done') run.outcome = progress.outcome
    if (run.outcome !== undefined && run.inbox.some(({ id }) => this.#isOpenItem(run, id))) this.#goOn(run)
    if (progress.kind === 'wait') run.waits = progress
  }
}
