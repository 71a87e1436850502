import type {
  DiscardOptions,
  Engine,
  Entry,
  Host,
  Json,
  Outcome,
  RunDescription,
  Runtime,
  SignalReceipt,
  Start,
} from '@selvage/core'
import {
  decode,
  encode,
  hasEnded,
  type KnownOptions,
  refuseNoPort,
  refuseNoSwitch,
  refuseNoText,
  refuseNumber,
  refuseUnknown,
  UsageError,
} from '@selvage/core'
import type { Limits } from '@selvage/programs'
import type { RunEvent } from '../events/event.ts'
import type { EventsOptions } from '../events/event-stream.ts'
import { follow } from '../events/event-stream.ts'
import { keepAlive } from '../keep-alive.ts'
import type { Live } from '../live/live.ts'
import { ANSWER, APPROVE, DISCARD, JOURNAL, RAISE, REJECT, RESULT, SIGNAL, USAGE } from '../option-names.ts'
import type { Answer } from '../people/answer-form.ts'
import { answer, delegateQuestion } from '../people/answers.ts'
import { DELEGATE, type DelegateOptions } from '../people/delegate.ts'
import type { Treasury } from '../treasury.ts'
import { discardRun } from './bulk.ts'
import { type ForkOptions, readFork } from './fork.ts'
import { type InlineState, inlineState } from './inline.ts'
import type { Present } from './outcome.ts'
import { settle } from './outcome.ts'
import type { Records } from './records.ts'
import { type PotState, potIdsOf, type RunUsage, raiseOfRun, stateOf, treeOf, UsageCount } from './run-money.ts'

/** What a run handle stands on. */
export interface RunPorts {
  readonly engine: Engine
  readonly runtime: Runtime
  readonly host: Pick<Host, 'subscribe'> | undefined
  /** Chunks from other processes. */
  readonly live: Live | undefined
  readonly records: Records
  readonly treasury: Treasury
  /** Messages of an agent's run from its journal; not there without Strands. */
  readonly conversation: ((runId: string, entries: readonly Entry[]) => Promise<unknown[]>) | undefined
  /** Somebody here waits for what the run does: this process works on it, if it has its program and may. */
  workOn(runId: string): Promise<void>
  /** Says in the log what a person is asked of it that no program asked, until the returned function is called. */
  watch(runId: string): () => void
}

/** `status` is one of pending, running, suspended, completed, failed, cancelled; times are epoch milliseconds. */
export type RunState = Omit<RunDescription, 'start' | 'outcome' | 'note'> & {
  readonly input: unknown
  /** What the program showed with `ctx.status` when it last waited. */
  readonly note?: unknown
  /** Of an ended run. */
  readonly outcome?: { readonly ok: unknown } | Exclude<Outcome, { readonly ok: Json }>
  readonly deadline?: number
  /** The pots that it draws on, its own first: those that are there. */
  readonly budget?: readonly PotState[]
  /** Of a run of `durable()` that has not ended: what its status cannot say. */
  readonly inline?: InlineState
}

export interface ResultOptions {
  /** Stops waiting: rejects with the reason of the signal. The run goes on. */
  readonly abortSignal?: AbortSignal
}

export interface SignalOptions {
  /** The first writer of an id wins; a second signal with it is handed the first. Default: a random one. */
  readonly id?: string
  /** Who sends it, for people. */
  readonly by?: string
}

export interface AnswerOptions {
  /** Who answers. Of a question to several people: one of those. */
  readonly by?: string
  /** The `inputHash` of the question that was looked at: the answer is to these arguments or to none. */
  readonly inputHash?: string
}

export interface ApproveOptions extends AnswerOptions {
  readonly input?: unknown
  readonly value?: unknown
}

export interface RejectOptions extends AnswerOptions {
  readonly reason?: string
}

export interface RaiseOptions {
  /** A raise of that id counts once. Default: a random one. */
  readonly id?: string
}

export interface UsageOptions {
  /** With all runs below it. */
  readonly tree?: boolean
}

export interface JournalOptions {
  /** The first entry, from 0. */
  readonly from?: number
  /** Default: all. */
  readonly limit?: number
}

/** A run, whatever process works on it. Every method rejects with NOT_FOUND if there is no such run. */
export class Run<Result = unknown> {
  readonly id: string
  readonly #ports: RunPorts
  readonly #present: Present<Result>

  constructor(id: string, ports: RunPorts, present: Present<Result>) {
    this.id = id
    this.#ports = ports
    this.#present = present
  }

  async status(): Promise<RunState> {
    const { records, engine } = this.#ports
    const description = await engine.describe(this.id, { claims: true, liveness: true })
    const { start, outcome, note, ...summary } = description
    const inline = await inlineState(engine, description)
    const pots = (await engine.pots?.read(this.#potIds(start))) ?? []
    return {
      ...summary,
      ...(inline === undefined ? {} : { inline }),
      ...(pots.length === 0 ? {} : { budget: pots.map(stateOf) }),
      input: decode(await records.value(start.input)),
      ...(start.deadline === undefined ? {} : { deadline: start.deadline }),
      ...(note === undefined ? {} : { note: decode(note) }),
      ...(outcome === undefined ? {} : { outcome: shown(await records.outcome(outcome)) }),
    }
  }

  /**
   * Waits for the end of the run, whichever process brings it there. RUN_FAILED (its cause is the error of the run),
   * RUN_CANCELLED, or DEADLINE if it was cancelled at its deadline. A process that has registered the program of the run
   * begins to work with this, as with `start()`. If the run comes to wait for somebody to say whether a step happened, the
   * logger is told (on the embedded engine).
   */
  async result(options: ResultOptions = {}): Promise<Result> {
    this.#refuse('result() of', options, RESULT)
    refuseNoPort(`abortSignal of result() of run ${this.id}`, options.abortSignal, [
      'addEventListener',
      'throwIfAborted',
    ])
    const { records, engine } = this.#ports
    const release = keepAlive()
    const stopWatching = this.#ports.watch(this.id)
    try {
      await this.#ports.workOn(this.id)
      for (;;) {
        const { status, outcome, start } = await engine.describe(this.id)
        if (hasEnded(status) && outcome !== undefined) {
          return settle(this.id, await records.outcome(outcome), start.deadline, this.#present)
        }
        options.abortSignal?.throwIfAborted()
        await engine.changed(this.id, { status, untilEnd: true }, options.abortSignal)
      }
    } finally {
      stopWatching()
      release()
    }
  }

  /** What was recorded and what happens, until the run has ended. Begins to work as `result` does. */
  events(options: EventsOptions = {}): AsyncGenerator<RunEvent, void> {
    const { records, engine, host, live } = this.#ports
    const load = (from: number, limit: number): Promise<readonly Entry[]> => records.load(this.id, from, limit)
    return this.#worked(follow({ engine, host, live, load }, this.id, options))
  }

  async *#worked(events: AsyncGenerator<RunEvent, void>): AsyncGenerator<RunEvent, void> {
    await this.#ports.workOn(this.id)
    yield* events
  }

  /** Sends a named value; a program that does not wait for it yet will find it. RUN_ENDED if nobody can. */
  async signal(name: string, payload?: unknown, options: SignalOptions = {}): Promise<SignalReceipt> {
    this.#refuse('signal() to', options, SIGNAL)
    refuseNoText(`The name of a signal to run ${this.id}`, name)
    if (options.id !== undefined) refuseNoText(`The id of signal '${name}' to run ${this.id}`, options.id)
    if (options.by !== undefined) refuseNoText(`'by' of signal '${name}' to run ${this.id}`, options.by)
    if (options.id === '')
      throw new UsageError('BAD_INPUT', `Signal '${name}' has an empty id.`, { hint: 'Leave it out.' })
    if (name === '' || name.startsWith('$')) {
      throw new UsageError('BAD_INPUT', `A signal cannot be named '${name}'.`, {
        hint: "Names that begin with '$' belong to Selvage.",
      })
    }
    return this.#ports.engine.signal(this.id, {
      id: options.id ?? `sig_${this.#ports.runtime.random(11)}`,
      name,
      payload: encode(payload ?? null, `the payload of signal '${name}'`),
      ...(options.by === undefined ? {} : { by: options.by }),
    })
  }

  /**
   * Says yes to an open question of this run. `input` replaces the arguments that were shown; `value` is the data that a
   * question with a schema asks for.
   *
   * NOT_FOUND for an id that is none of this run's; ALREADY_ANSWERED with the first answer's by, at and value in
   * `details`; WAIT_TIMEOUT if it has expired. BAD_INPUT with `details.issues` for arguments or data that do not fit,
   * INPUT_MISMATCH, and NOT_ASKED where others are asked: then the question is still open.
   */
  async approve(id: string, options: ApproveOptions = {}): Promise<void> {
    this.#refuse('approve() of', options, APPROVE)
    const { input, value } = options
    return this.#answer(id, { kind: 'approve', input, value }, options)
  }

  /** Says no. `reason` is shown to the model or the workflow. Errors as for `approve`. */
  async reject(id: string, options: RejectOptions = {}): Promise<void> {
    this.#refuse('reject() of', options, REJECT)
    const { reason } = options
    if (reason !== undefined) refuseNoText(`'reason' of the answer to ${id}`, reason)
    return this.#answer(id, { kind: 'reject', ...(reason === undefined ? {} : { reason }) }, options)
  }

  /**
   * Answers a callback or an interrupt with any value that can be recorded, or a question with a schema with data that
   * fit it. Errors as for `approve`.
   */
  async respond(id: string, value: unknown, options: AnswerOptions = {}): Promise<void> {
    this.#refuse('respond() of', options, ANSWER)
    return this.#answer(id, { kind: 'respond', value }, options)
  }

  /**
   * Gives an open question to somebody else, whose inbox it is in from then on. Its time goes on. ALREADY_ANSWERED,
   * WAIT_TIMEOUT, RUN_ENDED, NOT_FOUND as for `approve`; NOT_ASKED if it is not `from` who has it.
   */
  async delegate(id: string, options: DelegateOptions): Promise<void> {
    this.#refuse('delegate() of', options, DELEGATE)
    return delegateQuestion(this.#ports.engine, this.id, id, options)
  }

  async #answer(id: string, what: Answer, { by, inputHash }: AnswerOptions): Promise<void> {
    if (by !== undefined) refuseNoText(`'by' of the answer to ${id}`, by)
    if (inputHash !== undefined) refuseNoText(`'inputHash' of the answer to ${id}`, inputHash)
    return answer(this.#ports.engine, this.id, id, what, { by, inputHash })
  }

  /** The run's abort signal fires; whatever its code does, it is `cancelled` after a grace of 30 s. */
  async cancel(reason = 'cancelled by its caller'): Promise<void> {
    refuseNoText(`The reason to cancel run ${this.id}`, reason)
    return this.#ports.engine.cancel(this.id, reason)
  }

  /** Lets a failed or cancelled run go on: the step that failed is made again, what was done stands. */
  async retry(): Promise<void> {
    const { engine } = this.#ports
    if (engine.retry === undefined) {
      throw new UsageError('UNSUPPORTED', `Engine '${engine.manifest.name}' cannot retry an ended run.`, {
        hint: 'Start a new run with the same input.',
      })
    }
    await engine.retry(this.id)
  }

  /**
   * Gives it more: `{ tokens: 50_000 }`, `{ usd: 2, modelCalls: 10 }`. What is raised is its own pot, or that of the run
   * nearest above it that has one. Runs that ask for more of that pot go on; one that has failed goes on with `retry()`.
   *
   * BAD_INPUT for no amount, NOT_FOUND if no pot concerns it.
   */
  async raiseBudget(by: Limits, options: RaiseOptions = {}): Promise<PotState> {
    this.#refuse('raiseBudget() of', options, RAISE)
    const { engine, treasury, runtime } = this.#ports
    const { start } = await engine.describe(this.id)
    const raiseId = options.id ?? runtime.random(11)
    return await raiseOfRun(treasury, this.id, start, by, raiseId, runtime.clock.now())
  }

  /**
   * What its recorded model calls used, and what that costs by the price table; attempts that were not recorded are only in
   * the pots of `status()`. Reads the journal.
   */
  async usage(options: UsageOptions = {}): Promise<RunUsage> {
    this.#refuse('usage() of', options, USAGE)
    refuseNoSwitch(`tree of usage() of run ${this.id}`, options.tree)
    const { engine, records, treasury } = this.#ports
    const count = new UsageCount()
    const ids = options.tree === true ? await treeOf(engine, this.id) : [this.id]
    for (const id of ids) count.add(await records.all(id))
    return count.total(treasury.prices)
  }

  /**
   * Takes the ended run, and those below it, away for good: journal, questions, what it has in the inbox, values that
   * nobody else refers to. Resolves with the ids of the runs that are gone. BAD_INPUT for one that has not ended, for a
   * child whose parent is there, and, without `force`, where a message is not delivered or somebody is asked.
   */
  async discard(options: DiscardOptions = {}): Promise<readonly string[]> {
    this.#refuse('discard() of', options, DISCARD)
    refuseNoSwitch(`force of discard() of run ${this.id}`, options.force)
    return discardRun(this.#ports.engine, this.id, options)
  }

  /** Messages of an agent's run as far as they are recorded, as plain data. */
  async conversation(): Promise<unknown[]> {
    const { conversation, records } = this.#ports
    if (conversation === undefined) {
      throw new UsageError('UNSUPPORTED', "'selvage/core' knows no conversations.", { hint: "Import from 'selvage'." })
    }
    return conversation(this.id, await records.all(this.id))
  }

  /** Everything recorded, oldest first. */
  async journal(options: JournalOptions = {}): Promise<readonly Entry[]> {
    this.#refuse('journal() of', options, JOURNAL)
    const { records } = this.#ports
    const { from = 0, limit } = options
    refuseNumber(`from of journal() of run ${this.id}`, from, { least: 0, isWhole: true })
    refuseNumber(`limit of journal() of run ${this.id}`, limit, { least: 1, isWhole: true })
    return limit === undefined ? records.all(this.id, from) : records.load(this.id, from, limit)
  }

  #refuse(what: string, options: unknown, known: KnownOptions): void {
    refuseUnknown(`${what} run ${this.id}`, options, known, { runId: this.id })
  }

  #potIds(start: Start): readonly string[] {
    const { treasury, runtime } = this.#ports
    return potIdsOf(this.id, start, treasury, runtime.clock.now())
  }

  /**
   * A new run of the same program, from the journal of this one as far as `at`. No effect of this run is repeated silently:
   * see `ForkOptions.effects` and docs/forks.md. BAD_INPUT for a place that this run does not have, RUN_CONFLICT for an id
   * that is taken.
   */
  async fork(options: ForkOptions = {}): Promise<Run<Result>> {
    const { engine, runtime } = this.#ports
    const original = await engine.describe(this.id)
    const fork = readFork(original, options, `run_${runtime.random(11)}`)
    if (engine.fork === undefined) {
      throw new UsageError('UNSUPPORTED', `Engine '${engine.manifest.name}' cannot fork a run.`, {
        hint: 'Start a new run with the changed input.',
      })
    }
    await engine.fork(this.id, fork)
    return new Run(fork.runId, this.#ports, this.#present)
  }
}

function shown(outcome: Outcome): NonNullable<RunState['outcome']> {
  return 'ok' in outcome ? { ok: decode(outcome.ok) } : outcome
}

/** The handle's `present` where the program is not known. */
export const presentPlain: Present<unknown> = (recorded: Json) => decode(recorded)
