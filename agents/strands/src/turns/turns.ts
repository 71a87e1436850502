/**
 * An agent under a durable run: each pass of an invocation is a turn.
 *
 *   not recorded ─▶ turn#n written ─▶ the loop runs ─▶ turn#n.end
 *   open         ─▶ messages of the fold point, the recorded part shown, the loop goes on without input
 *   ended        ─▶ the recorded result, no model is asked
 *
 * A turn that stops without an end (a question to a person, an error that may pass, a consumer that left) stays open. The
 * session is given up then, and the next invocation goes on from the journal, in this process as in any other: there is
 * one way to resume, and nothing that only a living process knows can be missed.
 */
import { errorFromJson, errorToJson, type Json, UsageError } from '@selvage/core'
import {
  type Agent,
  AgentResult,
  type AgentStreamEvent,
  type InvocationState,
  type InvokeArgs,
  type InvokeOptions,
  Message,
  type Usage,
} from '@strands-agents/sdk'
import { markReplayed, turnEvents } from '../conversation/events.ts'
import type { RecordedTurn, SyncPatch, TurnEnd } from '../conversation/fold.ts'
import {
  checkInput,
  inputMessages,
  interruptResponses,
  isSameInput,
  type RecordedInput,
  recordInput,
} from '../conversation/input.ts'
import { modelOutcomeError } from '../conversation/record.ts'
import { addUsage, NO_USAGE } from '../conversation/usage.ts'
import { gateModelsOf } from '../gates/beyond.ts'
import { guarded, marked } from '../gates/guards.ts'
import { partialAt, partialStepOf } from '../gates/partial-message.ts'
import { answeredHooks, answerOpen, responsesTo } from '../gates/questions.ts'
import { type Scope, toJson } from '../gates/scope.ts'
import { gateSearches } from '../plugins/memory.ts'
import { storeOffloadsAgain } from '../plugins/offloads.ts'
import { gateInterventions } from '../policies/interventions.ts'
import type { Invocation } from '../seams/inside.ts'
import { answerHooks, interruptJson, resetInterrupts } from '../seams/interrupts.ts'
import { restoreMetrics, type usedSoFar } from '../seams/metrics.ts'
import { hasSessionManager, missingGoalStart } from '../seams/plugins.ts'
import { applyInvocation } from '../watches/invocation-watch.ts'
import { messagesOf, replaceMessages } from '../watches/messages-taken.ts'
import type { Frame } from './frames.ts'
import { closeAfter, closeBefore, type Ending, endOf, saidIn } from './turn-end.ts'
import { TurnSessions, type TurnSessionsOptions } from './turn-sessions.ts'
import { TurnStart } from './turn-start.ts'
import { type Ahead, within } from './within.ts'

export interface TurnsOptions extends Omit<TurnSessionsOptions, 'firstInput'> {
  /** What the agent had used before, in scopes of other calls. */
  readonly before?: ReturnType<typeof usedSoFar>
  /** The input of the first turn, where it is that of the run and needs no entry of its own. */
  readonly firstInput: (args: InvokeArgs | undefined) => Json | undefined
  /** Whether the end of a turn is written at once; else with the next turn, or said by the end of the run. */
  readonly writesEnds: boolean
  /** Whether nobody sees the events of an invocation with these options. */
  readonly isUnwatched: (options: InvokeOptions | undefined) => boolean
}

/** The SDK's own pass, with the input that it shall get. `goesOn`: not the first of its turn. */
export type Pass = (args: InvokeArgs | undefined, goesOn: boolean) => ReturnType<Invocation>
type Events = ReturnType<Invocation>

export class Turns {
  /** Of a session: the message that the next invocation answers, and how many turns that has had. */
  #message: { readonly id: string; turns: number } | undefined
  readonly #options: TurnsOptions
  readonly #sessions: TurnSessions
  #isRunning = false
  #isUnwatched = false
  /** What the first invocation was given, as `firstInput` sees it. */
  #first: { readonly input: Json | undefined } | undefined
  /** Which message or call the last turn was of. */
  #lastCall: string | undefined
  /** Turns that have ended, as this process has seen them. */
  #ended = 0
  /** The loop of a turn runs, or was left in the middle. */
  #isInLoop = false
  readonly #start: TurnStart
  /** Of an agent inside of another one, a graph or a swarm: where the invocation under way is. */
  #frame: Frame | undefined
  #unwritten: { readonly turn: number; readonly end: TurnEnd } | undefined

  constructor(options: TurnsOptions) {
    this.#options = options
    this.#sessions = new TurnSessions({ ...options, firstInput: () => this.#first?.input })
    this.#start = new TurnStart(options.agent)
  }

  /** For the gates: there only while an invocation runs. */
  get scope(): Scope | undefined {
    return this.#isRunning ? this.#sessions.now?.scope : undefined
  }

  /** Of all model calls of the run so far, those of inner agents included. */
  get usage(): Usage {
    const { scope } = this.#sessions.now ?? {}
    return scope === undefined ? NO_USAGE : addUsage(scope.conversation.usage, scope.nest.usage)
  }

  async *invoke(
    args: InvokeArgs | undefined,
    options: InvokeOptions | undefined,
    state: InvocationState,
    pass: Pass,
    frame?: Frame,
  ): Events {
    this.#frame = frame
    this.#first ??= { input: this.#options.firstInput(args) }
    const open = await this.#sessions.opened(this.#ended, frame)
    await this.#sessions.check(open, frame)
    const { scope } = open
    scope.fatal = undefined
    const stop = cancelWith(this.#options.agent, [scope.durable.abortSignal, options?.cancelSignal])
    let isOver = false
    this.#isRunning = true
    this.#isInLoop = false
    this.#isUnwatched = this.#options.isUnwatched(options)
    try {
      gateModelsOf(scope.agent)
      gateInterventions(scope.agent)
      gateSearches(scope.agent)
      const result = yield* within(scope, guarded(this.#turn(scope, args, state, pass), open))
      isOver = result.stopReason !== 'interrupt' && !scope.durable.abortSignal.aborted
      if (frame !== undefined && result.stopReason === 'interrupt')
        frame.interrupts = (result.interrupts ?? []).map(interruptJson)
      return result
    } catch (error) {
      isOver = await this.#endWithError(scope, error)
      if (frame !== undefined) frame.fatal = scope.fatal
      throw this.#options.writesEnds || frame !== undefined ? error : (stepErrorOf(scope, error) ?? error)
    } finally {
      this.#isRunning = false
      stop()
      if (!isOver) await this.#endCancelled(scope).finally(() => this.#sessions.leave(scope))
    }
  }

  /** The run, for hooks before the pass. Of an invocation that answers a message or a call, their steps are of that. */
  async ahead(frame?: Frame): Promise<Ahead> {
    this.#frame = frame
    const open = await this.#sessions.opened(this.#ended, frame)
    open.scope.ahead = this.#call === this.#lastCall ? undefined : this.#call
    return open
  }

  /** Of a session: the next invocation answers the message of that id. */
  beginMessage(id: string): void {
    this.#message = { id, turns: 0 }
  }

  /** Of a session: how the turn of the message has ended, if the journal does not say so yet. */
  takeEnd(): TurnEnd | undefined {
    const end = this.#unwritten?.end
    this.#unwritten = undefined
    return end
  }

  /** How many turns have ended. */
  get ended(): number {
    return this.#ended
  }

  /** The last turn has ended, with a result or with an error that is recorded. */
  get isOver(): boolean {
    return !this.#isRunning && this.#sessions.now !== undefined
  }

  /** What has become of the agent since its last turn ended: a manager trims messages behind it. Nothing runs meanwhile. */
  settled(): SyncPatch {
    return this.#sessions.now?.scope.lastSync() ?? {}
  }

  /** Gives the session up between two turns. UsageError ALREADY_OPEN while one runs. */
  async release(): Promise<void> {
    const open = this.#sessions.now
    if (this.#isRunning) {
      throw new UsageError('ALREADY_OPEN', `Agent "${this.#options.agent.name}" is running a turn.`, {
        hint: 'Await the invocation first.',
      })
    }
    if (open !== undefined) await this.#sessions.leave(open.scope)
  }

  // ── one turn ──────────────────────────────────────────────────────────────────────────────────────────────────────

  async *#turn(scope: Scope, args: InvokeArgs | undefined, state: InvocationState, pass: Pass): Events {
    scope.durable.abortSignal.throwIfAborted()
    this.#lastCall = this.#call
    scope.ahead = undefined
    const recorded = this.#nextTurn(scope)
    await scope.tellAdded(recorded !== undefined)
    const n = this.#ended + 1
    if (this.#message !== undefined) this.#message.turns++
    this.#closeBefore(scope, n, recorded, args)
    if (recorded !== undefined) this.#start.lookBack(scope, recorded)
    const responses = interruptResponses(args)
    if (responses.length > 0) await answerOpen(scope, responses, recorded !== undefined && recorded.end === undefined)
    else if (recorded !== undefined) checkInput(scope.durable.runId, recorded, recordInput(args))
    if (recorded?.end !== undefined) return yield* this.#recall(scope, recorded, recorded.end, state)

    let given: InvokeArgs | undefined = args
    if (recorded === undefined) await this.#write(scope, n, recordInput(args))
    else given = yield* this.#resume(scope, recorded, args, state)
    await storeOffloadsAgain(scope)
    let goesOn = scope.conversation.hasBegun
    this.#isInLoop = true
    while (true) {
      const result = yield* marked(pass(given, goesOn))
      goesOn = true
      if (scope.fatal !== undefined) throw scope.fatal.error
      if (scope.durable.abortSignal.aborted) return result
      if (result.stopReason !== 'interrupt') {
        await this.#end(scope, n, result)
        return result
      }
      const answers = await responsesTo(scope, (result.interrupts ?? []).map(interruptJson))
      if (answers === undefined) return result
      given = [...answers]
    }
  }

  /** What the turns of a scope with many callers are told apart by. */
  get #call(): string | undefined {
    return this.#frame?.call ?? this.#message?.id
  }

  /** The recorded turn that is to be made. An agent that keeps its context may have ended others that nobody asks for again. */
  #nextTurn(scope: Scope): RecordedTurn | undefined {
    const { conversation, fold } = scope
    const call = this.#call
    conversation.keepsStart = call !== undefined && missingGoalStart(this.#options.agent) !== undefined
    let recorded = fold.nextTurn()
    if (call === undefined || recorded === undefined || recorded.call === call) return recorded
    while (recorded?.end !== undefined && recorded.call !== call) {
      this.#ended = recorded.n
      recorded = fold.nextTurn()
    }
    if (recorded !== undefined && conversation.keepsStart) this.#start.keep(recorded.n, conversation.start)
    this.#load(scope)
    return recorded
  }

  /** Where the turn has not taken its input yet: once it has, what is said here is in the journal with that. */
  #closeBefore(scope: Scope, n: number, recorded: RecordedTurn | undefined, args: InvokeArgs | undefined): void {
    const hasBegun = recorded !== undefined && (recorded.end !== undefined || scope.conversation.hasBegun)
    // What a failed attempt of this process has left behind is taken away again.
    if (n === 1 || hasBegun || this.#start.of(n) !== undefined || interruptResponses(args).length > 0) return
    closeBefore(scope, () => inputMessages(recordInput(args) as RecordedInput))
  }

  /** Begins a turn that is not in the journal. */
  async #write(scope: Scope, n: number, input: Json): Promise<void> {
    const { agent } = this.#options
    const firstInput = this.#first?.input
    const found = n === 1 && hasSessionManager(agent) ? scope.found() : undefined
    scope.beginTurn(n, inputMessages(input as RecordedInput))
    this.#start.keep(n, [...messagesOf(agent)])
    const unwritten = this.#unwritten
    this.#unwritten = undefined
    if (unwritten !== undefined)
      void scope.durable.state(scope.key(`turn#${unwritten.turn}.end`), toJson(unwritten.end))
    if (n === 1 && firstInput !== undefined && isSameInput(firstInput, input)) return
    // The wait that took the message has begun its turn.
    if (this.#message?.turns === 1) return
    const call = this.#call
    await scope.durable.state(scope.key(`turn#${n}`), {
      input,
      ...(call !== undefined && { call }),
      ...(found !== undefined && toJson({ found })),
    })
  }

  /** Brings the agent to the fold point, and says what its loop must be given to go on from there. */
  async *#resume(
    scope: Scope,
    { n, input, isFound }: RecordedTurn,
    args: InvokeArgs | undefined,
    state: InvocationState,
  ): AsyncGenerator<AgentStreamEvent, InvokeArgs | undefined, undefined> {
    const { agent } = this.#options
    const { conversation } = scope
    resetInterrupts(agent)
    if (!conversation.hasBegun) {
      // A failed attempt of this process may have left its input behind.
      const before = this.#start.of(n)
      if (isFound) this.#load(scope)
      else if (before !== undefined) replaceMessages(agent, before)
      return interruptResponses(args).length > 0 ? inputMessages(input as RecordedInput) : args
    }
    this.#load(scope)
    for (const patch of conversation.invocation) applyInvocation(state, patch)
    yield* this.#shown(scope, state)
    const answered = await answeredHooks(scope)
    if (answered.length > 0) answerHooks(agent, answered)
    return answered.map(({ interrupt, response }) => ({ interruptResponse: { interruptId: interrupt.id, response } }))
  }

  /** The recorded end of a turn. */
  async *#recall(scope: Scope, { n }: RecordedTurn, end: TurnEnd, invocationState: InvocationState): Events {
    const { agent } = this.#options
    const { conversation } = scope
    this.#load(scope)
    for (const patch of conversation.invocation) applyInvocation(invocationState, patch)
    resetInterrupts(agent)
    yield* this.#shown(scope, invocationState)
    this.#ended = n
    if (end.error !== undefined) {
      const error = errorFromJson(end.error)
      throw modelOutcomeError(error, () => partialAt(scope, end.partial)) ?? error
    }
    const lastMessage =
      end.message === undefined ? conversation.messages.at(end.last ?? -1) : Message.fromMessageData(end.message)
    if (lastMessage !== undefined) markReplayed(lastMessage)
    return markReplayed(
      new AgentResult({
        stopReason: end.stopReason ?? 'endTurn',
        lastMessage: lastMessage ?? new Message({ role: 'assistant', content: [] }),
        metrics: agent.metrics,
        invocationState,
        ...(end.structuredOutput !== undefined && { structuredOutput: end.structuredOutput }),
      }),
    )
  }

  /** What was recorded, for whoever watches. */
  *#shown(scope: Scope, state: InvocationState): Generator<AgentStreamEvent> {
    const { shown } = scope.conversation
    if (this.#isUnwatched) scope.markReplayed(shown)
    else yield* turnEvents(this.#options.agent, shown, state)
  }

  #load(scope: Scope): void {
    scope.load(!this.#isUnwatched && scope.conversation.shown.length > 0)
    const { agent, before } = this.#options
    const { usage, cycles, spent, spentNow } = scope.conversation
    const cyclesBefore = cycles - spent.length + (before?.cycles ?? 0)
    restoreMetrics(agent, addUsage(usage, before?.usage), cyclesBefore, spent, spentNow)
  }

  async #end(scope: Scope, n: number, result: Ending): Promise<void> {
    const { agent } = this.#options
    // A cancelled pass may have kept what was asked, and the loop takes no other input then.
    if (result.stopReason === 'cancelled') resetInterrupts(agent)
    const end = toJson({
      ...scope.lastSync(),
      ...endOf(result, agent),
      ...(this.#message !== undefined && saidIn(result, scope)),
    }) as TurnEnd
    scope.conversation.endTurn()
    this.#ended = n
    const isWritten = this.#options.writesEnds && this.#message === undefined
    if (isWritten) await scope.durable.state(scope.key(`turn#${n}.end`), toJson(end))
    else this.#unwritten = { turn: n, end }
  }

  /** A consumer that cancels the agent and then leaves its stream has ended the turn: no pass is left to say so. */
  async #endCancelled(scope: Scope): Promise<void> {
    const { agent, writesEnds } = this.#options
    const lastMessage = messagesOf(agent).at(-1)
    const isOurs = writesEnds && this.#frame === undefined && this.#message === undefined
    const isCancelled = this.#isInLoop && scope.hasLeft === 'cancelled' && !scope.durable.abortSignal.aborted
    if (isOurs && isCancelled && lastMessage !== undefined)
      await this.#end(scope, this.#ended + 1, { stopReason: 'cancelled', lastMessage })
  }

  /**
   * An error that the journal would answer with again ends the turn; any other may pass, and leaves it open. Whoever asked
   * an inner agent takes every error for its answer.
   */
  async #endWithError(scope: Scope, error: unknown): Promise<boolean> {
    const isAnswer = this.#frame !== undefined && scope.fatal === undefined && !scope.hasLeft
    const isReply = this.#message !== undefined && !scope.hasLeft
    const ends =
      stepErrorOf(scope, error) !== undefined || ((isAnswer || isReply) && !scope.durable.abortSignal.aborted)
    if (!this.#options.writesEnds || !ends) return false
    if (isReply) closeAfter(scope.agent, error)
    const partial = partialStepOf(error)
    const end: TurnEnd = { ...scope.lastSync(), error: errorToJson(error), ...(partial !== undefined && { partial }) }
    scope.conversation.endTurn()
    this.#ended++
    await scope.durable.state(scope.key(`turn#${this.#ended}.end`), toJson(end))
    return true
  }
}

function stepErrorOf(scope: Scope, error: unknown): unknown {
  return typeof error === 'object' && error !== null ? scope.outcomes.get(error) : undefined
}

/** Cancels the agent with any of these; the returned function stops that. */
function cancelWith(agent: Agent, abortSignals: readonly (AbortSignal | undefined)[]): () => void {
  const cancel = (): void => agent.cancel()
  for (const abortSignal of abortSignals) abortSignal?.addEventListener('abort', cancel)
  return () => {
    for (const abortSignal of abortSignals) abortSignal?.removeEventListener('abort', cancel)
  }
}
