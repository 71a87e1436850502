/**
 * An engine in memory, for tests of what agents do on a journal: runs can be begun from any prefix of a journal, and the
 * process that has a run can die, at once or behind a given entry. No timers: a test says what time it is.
 */
import {
  type Attachment,
  type Blobs,
  createHost,
  type Engine,
  type Entry,
  type Host,
  LeaseLostError,
  type Manifest,
  type Outcome,
  type Program,
  type Progress,
  RunError,
  type Runtime,
  type Signal,
  type SignalReceipt,
  type Start,
  voidedByRetry,
} from '@selvage/core'

/** Before a test fakes it. */
const immediate = setImmediate

const MANIFEST: Manifest = {
  name: 'memory',
  limits: {},
  journal: 'store',
  affinity: true,
  countsDeliveries: true,
  survives: 'nothing',
  abilities: { list: false, approvals: false, attach: true, rotate: false },
}

export type How = { readonly outcome: Outcome } | { readonly waits: readonly string[] } | { readonly died: true }

class MemoryRun {
  readonly id: string
  readonly start: Start
  entries: Entry[]
  readonly signals = new Map<string, Signal>()
  outcome: Outcome | undefined
  held: { lose(): void; host: Host; nudge(): void } | undefined

  constructor(id: string, start: Start, entries: readonly Entry[]) {
    this.id = id
    this.start = start
    this.entries = [...entries]
    for (const entry of entries) if (entry.type === 'signal') this.signals.set(entry.signal.id, entry.signal)
  }
}

export class MemoryEngine {
  readonly runs = new Map<string, MemoryRun>()
  now = 1_000_000
  /** The process that has a run dies behind so many entries, and what is beyond is lost. */
  diesBehind: number | undefined
  /** Where large values go, if anywhere. */
  blobs: Blobs | undefined
  readonly #runtime: Runtime
  readonly #isPrompt: boolean

  /** `isPrompt`: what is written is kept at once; by default one turn of the event loop later. */
  constructor(runtime: Runtime, { isPrompt = false }: { readonly isPrompt?: boolean } = {}) {
    this.#runtime = runtime
    this.#isPrompt = isPrompt
  }

  /** As users of the port see it. */
  get engine(): Engine {
    const unused = async (): Promise<never> => {
      throw new Error('not used in these tests')
    }
    return {
      manifest: MANIFEST,
      start: (id, start) => this.start(id, start),
      signal: (id, signal) => this.signal(id, signal),
      cancel: async (id, reason) => void (await this.signal(id, { id: '$cancel', name: '$cancel', payload: reason })),
      attach: (id, start, host) => this.attach(id, start, host),
      describe: unused,
      journal: unused,
      changed: unused,
      serve: unused,
      close: async () => {},
    }
  }

  host(programs: () => readonly Program[]): Host {
    const { blobs } = this
    return createHost({
      runtime: this.#runtime,
      manifest: MANIFEST,
      programs,
      outbound: this.engine,
      ...(blobs && { blobs }),
    })
  }

  async start(id: string, start: Start, entries: readonly Entry[] = []): Promise<{ created: boolean }> {
    if (this.runs.has(id)) return { created: false }
    this.runs.set(id, new MemoryRun(id, start, entries))
    return { created: true }
  }

  entries(id: string): readonly Entry[] {
    return this.#run(id).entries
  }

  async signal(id: string, signal: Signal): Promise<SignalReceipt> {
    const run = this.#run(id)
    const first = run.signals.get(signal.id)
    if (first !== undefined) return { accepted: false, first }
    const stamped = { ...signal, at: this.now }
    run.signals.set(signal.id, stamped)
    run.held?.host.offer(id, stamped)
    run.held?.nudge()
    return { accepted: true }
  }

  /** Makes an ended run go on. */
  async retry(id: string): Promise<void> {
    const run = this.#run(id)
    const voided = voidedByRetry(run.entries)
    run.entries.push({ seq: run.entries.length, at: this.now, type: 'reopen', voided })
    run.outcome = undefined
  }

  /** Resolves when the journal of a run is as wished. */
  async until(id: string, isSo: (entries: readonly Entry[]) => boolean): Promise<void> {
    while (!this.runs.has(id) || !isSo(this.entries(id))) await new Promise((resolve) => void immediate(resolve))
  }

  /** The process that has the run dies. */
  kill(id: string): void {
    this.#run(id).held?.lose()
  }

  /** Runs it in a new process until it waits, ends or dies. */
  async execute(id: string, program: Program): Promise<How> {
    const held = this.#hold(
      this.#run(id),
      this.host(() => [program]),
      false,
    )
    return await held.over
  }

  async attach(id: string, start: Start, host: Host): Promise<Attachment> {
    await this.start(id, start)
    const run = this.#run(id)
    if (run.held !== undefined) throw new RunError('RUN_HELD', `Run ${id} is held.`)
    if (run.outcome !== undefined) return { ended: Promise.resolve(run.outcome), detach: async () => {} }
    const held = this.#hold(run, host, true)
    const ended = held.over.then((how) => {
      if ('outcome' in how) return how.outcome
      if ('died' in how) throw new LeaseLostError('LEASE_LOST', 'The process died.')
      return new Promise<never>(() => {})
    })
    ended.catch(() => {})
    return { ended, detach: held.detach }
  }

  #hold(run: MemoryRun, host: Host, staysAttached: boolean) {
    if (run.outcome !== undefined) throw new Error(`Run ${run.id} has ended.`)
    const abort = new AbortController()
    let nudge = (): void => {}
    let detached = false
    let die = (): void => {}
    const dead = new Promise<How>((resolve) => {
      die = () => {
        abort.abort()
        host.evict(run.id)
        resolve({ died: true })
      }
    })
    run.held = { lose: () => die(), host, nudge: () => nudge() }
    const append = async (at: number, entries: readonly Entry[]): Promise<void> => {
      if (!this.#isPrompt) await new Promise((resolve) => void immediate(resolve))
      if (abort.signal.aborted) throw new LeaseLostError('LEASE_LOST', 'dead')
      if (at !== run.entries.length) throw new Error(`append at ${at}, the journal has ${run.entries.length}`)
      const room = this.diesBehind === undefined ? entries.length : this.diesBehind - run.entries.length
      run.entries.push(...entries.slice(0, room).map((entry) => JSON.parse(JSON.stringify(entry)) as Entry))
      if (room < entries.length) {
        die()
        throw new LeaseLostError('LEASE_LOST', 'dead')
      }
    }
    const advance = async (): Promise<Progress> =>
      await host.advance(
        { runId: run.id, start: run.start, cursor: run.entries.length, signals: pending(run), now: this.now },
        {
          abortSignal: abort.signal,
          heartbeat: () => {},
          delivery: 1,
          journal: { load: async (from) => run.entries.slice(from), append },
          wake: () => nudge(),
        },
      )
    const loop = async (): Promise<How> => {
      while (true) {
        let nudged = false
        const next = new Promise<void>((resolve) => {
          nudge = () => {
            nudged = true
            resolve()
          }
        })
        const progress = await advance()
        if (progress.kind === 'done') {
          run.outcome = progress.outcome
          return { outcome: progress.outcome }
        }
        if (progress.kind !== 'wait') continue
        if (detached) return { waits: [] }
        if (pending(run).length > 0 || nudged) continue
        if (!staysAttached) {
          host.evict(run.id)
          return { waits: progress.signals }
        }
        await next
        if (detached) {
          host.evict(run.id)
          return { waits: [] }
        }
      }
    }
    const ended = loop().catch((error: unknown): How => {
      if (abort.signal.aborted) return { died: true }
      throw error
    })
    const over = Promise.race([ended, dead]).finally(() => {
      run.held = undefined
    })
    over.catch(() => {})
    return {
      over,
      detach: async () => {
        detached = true
        nudge()
        await over
      },
    }
  }

  #run(id: string): MemoryRun {
    const run = this.runs.get(id)
    if (run === undefined) throw new RunError('NOT_FOUND', `No run ${id}.`)
    return run
  }
}

/** Signals that are not in the journal. */
function pending({ entries, signals }: MemoryRun): Signal[] {
  const journaled = new Set(entries.flatMap((entry) => (entry.type === 'signal' ? [entry.signal.id] : [])))
  return [...signals.values()].filter(({ id }) => !journaled.has(id))
}
