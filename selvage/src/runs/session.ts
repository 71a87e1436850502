/**
 * A session with an agent, from outside: sending messages, and being told what became of them.
 *
 * The session is one run with the session's id. A message is a signal, so it is durable as soon as `send` has told so, is
 * answered once whoever asks for the reply, and a second message under one id is the first.
 */
import {
  type Engine,
  type Entry,
  encode,
  hasEnded,
  type OptionNames,
  type Outcome,
  RunError,
  refuseNoText,
  refuseUnknown,
  SelvageError,
  type Start,
  UsageError,
} from '@selvage/core'
import { keepAlive } from '../keep-alive.ts'
import { RESULT } from '../option-names.ts'
import { settle } from './outcome.ts'
import { presentPlain, type ResultOptions, Run, type RunPorts } from './run.ts'

export interface SendOptions {
  /** The same id is the same message: its reply is given again, and no model is asked. Default: a random one. */
  readonly id?: string
  /**
   * While another message is answered: `queue` (default) answers this one next, `refuse` rejects with SESSION_BUSY. In
   * every process alike; a message that comes in the same moment as another one may be told so only once that is answered.
   */
  readonly whenBusy?: 'queue' | 'refuse'
  /** Who sends it, for people. */
  readonly by?: string
}

const SEND: OptionNames<SendOptions> = { id: true, whenBusy: true, by: true }

/** How the sessions of a program are run: known to whoever made the program. */
export interface SessionProgram<Result> {
  readonly name: string
  readonly version?: string
  /** The signal that brings a message. */
  readonly message: string
  /** Finds the reply to a message in the entries of the session from where it was sent. */
  reader(runId: string, messageId: string): { take(entry: Entry): Reply<Result> | undefined }
  /** Whether a session whose newest entry this is waits for a message. */
  isIdle(newest: Entry): boolean
  /** What a message is told that shall not wait. */
  busy(runId: string): Error
}

export type Reply<Result> = { readonly result: Result } | { readonly error: unknown }

export interface SessionPorts<Result> {
  readonly program: SessionProgram<Result>
  /** Makes sure that the run of the session is there. Resolves when it is durable. */
  readonly begin: (runId: string) => Promise<void>
  readonly runPorts: RunPorts
}

/** Entries that are looked at at once. */
const PAGE = 500

export class Session<Result> {
  readonly id: string
  readonly #ports: SessionPorts<Result>

  constructor(id: string, ports: SessionPorts<Result>) {
    this.id = id
    this.#ports = ports
  }

  /** The run of the session: its events, questions and conversation. It goes on until it is cancelled. */
  get run(): Run {
    return new Run(this.id, this.#ports.runPorts, presentPlain)
  }

  /**
   * Sends a message: a text, or anything else that an agent is invoked with. It is being sent as soon as this is called;
   * awaited, the message gives its reply.
   */
  send(input: unknown, options: SendOptions = {}): SessionMessage<Result> {
    check(this.id, options)
    const { program, runPorts } = this.#ports
    const { id = `msg_${runPorts.runtime.random(11)}`, whenBusy = 'queue', by } = options
    const refuse = whenBusy === 'refuse'
    const payload = { input: encode(input, `a message for session ${this.id}`), ...(refuse && { refuse }) }
    const signal = { id, name: program.message, payload, ...(by !== undefined && { by }) }
    return new SessionMessage(this.id, id, this.#sent(signal, refuse), this.#ports)
  }

  /** Resolves once the message is durable. */
  async #sent(signal: Parameters<Engine['signal']>[1], refuse: boolean): Promise<Sent> {
    const { begin, program, runPorts } = this.#ports
    const { engine } = runPorts
    await begin(this.id)
    const { entries } = await engine.describe(this.id)
    const [newest] = refuse && entries > 0 ? await engine.journal(this.id, entries - 1, 1) : []
    if (newest !== undefined && !program.isIdle(newest)) throw program.busy(this.id)
    const { accepted } = await this.#signal(signal)
    return { from: accepted ? entries : 0, isAgain: !accepted }
  }

  /** A session that has failed goes on with the next message. */
  async #signal(signal: Parameters<Engine['signal']>[1]): ReturnType<Engine['signal']> {
    const { engine } = this.#ports.runPorts
    try {
      return await engine.signal(this.id, signal)
    } catch (error) {
      if (!SelvageError.is(error, 'RUN_ENDED') || !(await goOn(engine, this.id))) throw error
      return await engine.signal(this.id, signal)
    }
  }
}

interface Sent {
  /** The place of the journal behind which the reply will be. */
  readonly from: number
  /** The message had been sent before. */
  readonly isAgain: boolean
}

/** Makes a session that has failed (its agent could not be made, say) go on; false: it has not failed, or cannot. */
async function goOn(engine: Engine, id: string): Promise<boolean> {
  const hasFailed = async (): Promise<boolean> => (await engine.describe(id)).status === 'failed'
  if (engine.retry === undefined || !(await hasFailed())) return false
  try {
    await engine.retry(id)
  } catch (error) {
    // Another message may have made it go on.
    if (await hasFailed()) throw error
  }
  return true
}

/** A message that was sent. Awaited, it gives what the agent replied; see `result`. */
export class SessionMessage<Result> implements PromiseLike<Result> {
  readonly id: string
  readonly sessionId: string
  /** Resolves once the message is durable: from then on it will be answered, whatever becomes of this process. */
  readonly accepted: Promise<void>
  readonly #sent: Promise<Sent>
  readonly #ports: SessionPorts<Result>
  #result: Promise<Result> | undefined

  constructor(sessionId: string, id: string, sent: Promise<Sent>, ports: SessionPorts<Result>) {
    this.sessionId = sessionId
    this.id = id
    this.#sent = sent
    this.#ports = ports
    this.accepted = sent.then(() => {})
    // Whoever asks for the result is told as well.
    this.accepted.catch(() => {})
  }

  // biome-ignore lint/suspicious/noThenProperty: a message is awaited for its reply.
  then<A = Result, B = never>(
    onReply?: ((result: Result) => A | PromiseLike<A>) | null,
    onError?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#result ??= this.result()
    return this.#result.then(onReply, onError)
  }

  /**
   * Waits for the reply, whichever process gives it. RUN_FAILED if the turn failed (its cause is the error; the session
   * goes on), or the session itself (the message is kept, as the hint says); SESSION_BUSY if it was refused, RUN_CANCELLED if
   * the session was cancelled.
   */
  async result(options: ResultOptions = {}): Promise<Result> {
    refuseUnknown(`The result of message ${this.id}`, options, RESULT)
    const { abortSignal } = options
    const { program, runPorts } = this.#ports
    const { engine, records } = runPorts
    const reader = program.reader(this.sessionId, this.id)
    const release = keepAlive()
    try {
      let { from, isAgain } = await this.#sent
      while (true) {
        const { status, entries, outcome, start } = await engine.describe(this.sessionId)
        const page = await records.load(this.sessionId, from, PAGE)
        for (const entry of page) {
          const reply = reader.take(entry)
          if (reply !== undefined && 'error' in reply) throw reply.error
          if (reply !== undefined) return reply.result
        }
        from += page.length
        if (page.length > 0) continue
        if (hasEnded(status)) {
          if (isAgain && (await goOn(engine, this.sessionId))) {
            isAgain = false
            continue
          }
          throw outcome === undefined ? gone(this.sessionId) : this.#ended(await records.outcome(outcome), start)
        }
        abortSignal?.throwIfAborted()
        await engine.changed(this.sessionId, { status, entries }, abortSignal)
      }
    } finally {
      release()
    }
  }

  /** Why there will be no reply. Not asked of the run: it may go on already, and sessions do not end. */
  #ended(outcome: Outcome, { deadline }: Start): unknown {
    try {
      settle(this.sessionId, outcome, deadline, presentPlain)
    } catch (error) {
      return SelvageError.is(error, 'RUN_FAILED') ? kept(this.sessionId, this.id, error) : error
    }
    return gone(this.sessionId)
  }
}

/** What a message is told whose session has failed before it had a reply. */
function kept(session: string, message: string, error: SelvageError): RunError {
  return new RunError('RUN_FAILED', error.message, {
    hint: `The message is kept, and answered once the session goes on: with the next message, or this one under its id (${message}). Under another id it is answered twice.`,
    cause: error.cause,
    details: { ...error.details, runId: session, message },
  })
}

function gone(id: string): RunError {
  return new RunError('RUN_ENDED', `Session ${id} has ended without a reply.`, {
    hint: 'Send the message to another session.',
    details: { runId: id },
  })
}

function check(session: string, options: SendOptions): void {
  refuseUnknown(`A message for session ${session}`, options, SEND, { runId: session })
  const { id, whenBusy } = options
  if (id !== undefined) refuseNoText(`The id of a message for session ${session}`, id)
  const problem =
    id === ''
      ? 'has an empty id'
      : whenBusy !== undefined && whenBusy !== 'queue' && whenBusy !== 'refuse'
        ? `has whenBusy: '${String(whenBusy)}'`
        : undefined
  if (problem === undefined) return
  throw new UsageError('BAD_INPUT', `A message for session ${session} ${problem}.`, {
    hint: "Options are id, whenBusy ('queue' or 'refuse') and by.",
  })
}
