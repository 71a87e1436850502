/**
 * What the gates of one agent share while it runs under one fiber: the durable run, the conversation as the journal
 * implies it, and how much of it was recorded before.
 *
 * Keys of a scope (behind its prefix; `n` counts recorded model outcomes from 1, the cycle of a tool is the `n` that
 * asked for it):
 *
 *   model#n                      tool:<toolUseId>@<cycle>, made again after an interrupt or by a hook: …~2, …~3
 *   approve:<toolUseId>@<cycle>  interrupt:<interruptId>@<cycle>
 *   hook:…                       steps of the author's code: run-of.ts
 *   partial:<call>               a long message of a call that failed: partial-message.ts
 */
import {
  type Durable,
  type Entry,
  type EntryOf,
  type Json,
  type JsonObject,
  LeaseLostError,
  type Question,
} from '@selvage/core'
import type { ApprovalAnswer } from '@selvage/programs'
import type { Agent, InvokeModelContext, Message } from '@strands-agents/sdk'
import { Conversation } from '../conversation/conversation.ts'
import { markReplayed } from '../conversation/events.ts'
import { Fold, type SyncPatch } from '../conversation/fold.ts'
import { naming } from '../conversation/message-names.ts'
import { hasLedger, noteAgain } from '../plugins/ledgers.ts'
import { type Saving, savingOf } from '../plugins/memory.ts'
import { hasStash, storeAgain } from '../plugins/stash.ts'
import { LoopGuard } from '../policies/loop-guard.ts'
import type { Policy } from '../policies/policy.ts'
import { cyclesSoFar } from '../seams/metrics.ts'
import type { Nest } from '../turns/frames.ts'
import { changedPlaces } from '../turns/linear.ts'
import { Heard } from '../watches/heard.ts'
import { beforeTaken, messagesOf, replaceMessages } from '../watches/messages-taken.ts'
import type { PromptWatch } from '../watches/prompt-watch.ts'
import type { StateWatch } from '../watches/state-watch.ts'
import { type Answers, askingGate } from './asking.ts'
import { ConsumerLeft } from './relay.ts'
import { hashOf, RequestHeader } from './request-header.ts'

export interface ScopeOptions {
  readonly agent: Agent
  readonly nest: Nest
  /** `''`, or that of a frame. */
  readonly prefix: string
  readonly watch: StateWatch
  readonly prompt: PromptWatch
  /** The input of a first turn that has no entry of its own. Asked for when a turn begins. */
  readonly firstInput: () => Json | undefined
  /** How many messages the agent's memory manager had heard of before. */
  readonly heardBefore?: number | undefined
}

export interface ModelRequest {
  readonly n: number
  readonly check: string
}

export class Scope implements Answers {
  readonly agent: Agent
  readonly durable: Durable
  readonly nest: Nest
  readonly policy: Policy
  readonly watch: StateWatch
  readonly prompt: PromptWatch
  /** Whether an open question is waited for here; else the invocation ends with stopReason `interrupt`. */
  readonly waits: boolean
  /** Of the journal of this scope, as it was when this process went on with the run. */
  readonly entries: readonly Entry[]
  readonly conversation: Conversation
  readonly fold: Fold
  /** Errors that are recorded outcomes, with the error of their step. */
  readonly outcomes: WeakMap<object, unknown>
  /** `durable` for what may ask people. */
  readonly asking: Durable
  readonly loops: LoopGuard | undefined
  /** Ids of interrupts that gates raised, whose questions are asked. */
  readonly raised: Set<string> = new Set()
  /** Questions that this process has answered itself. */
  readonly answeredHere: Set<string> = new Set()
  /** The consumer of the stream has left: nothing new begins. Whether it had cancelled the agent before. */
  hasLeft: false | 'open' | 'cancelled' = false
  /** Before the first turn of a message of a session, or of a call of an agent that keeps its context: which one. */
  ahead: string | undefined
  /** The run was given up behind the turn: nothing of it settles here any more. */
  isClosed = false
  /** What ends the run, whatever the model would make of it. */
  fatal: { readonly error: unknown } | undefined
  /** Decisions of this cycle, by tool use id and arguments. */
  readonly approvals: Map<string, Promise<ApprovalAnswer>> = new Map()
  /** What interventions have recorded of this cycle's calls, by key. */
  readonly decisions: Map<string, Promise<unknown>> = new Map()
  /** Steps whose key the author's code has chosen. */
  readonly chosen: Map<string, Promise<unknown>> = new Map()
  readonly #prefix: string
  readonly #asks = new Map<string, number>()
  /** Steps of the author's code since the last model outcome. */
  readonly #places = new Map<string, number>()
  #placesOf = 0
  /** Keys of steps in the journal when this process went on with the run. */
  #recorded: ReadonlySet<string> | undefined
  #retries: ReadonlyMap<string, readonly EntryOf<'retry'>[]> | undefined
  #check = ''
  /** In which cycle of the loop the last model call was made, and the one before it. */
  #asked: { readonly n: number; readonly cycle: number } | undefined
  #askedBefore: { readonly n: number; readonly cycle: number } | undefined
  readonly #header: RequestHeader
  /** The first model call after a resume whose messages are recorded. */
  #forced = 0
  #caughtUp: Promise<void> | undefined
  readonly #saving: Saving | undefined
  /** Undefined where nobody hears of each message once. */
  readonly #heard: Heard | undefined
  /** Undefined: somebody may have the agent's messages. */
  #unmarked: (readonly Message[])[] | undefined

  constructor(options: ScopeOptions) {
    const { nest, prefix } = options
    this.agent = options.agent
    this.nest = nest
    this.durable = nest.durable
    this.policy = nest.policy
    this.watch = options.watch
    this.prompt = options.prompt
    this.waits = nest.waits
    this.outcomes = nest.outcomes
    this.#prefix = prefix
    this.#header = new RequestHeader(options.agent, nest.durable)
    this.entries = prefix === '' ? nest.durable.history : nest.entriesOf(prefix)
    this.conversation = new Conversation(naming(nest.durable, prefix))
    this.#saving = savingOf(this, options.heardBefore)
    const isHeard = hasStash(this.agent) || this.#saving !== undefined || hasLedger(this.agent)
    if (isHeard) this.#heard = new Heard(this.conversation)
    this.fold = new Fold(this.entries, prefix, this.conversation, options.firstInput, isHeard)
    this.asking = askingGate(nest.durable, this)
    const { loopGuard } = nest.policy
    this.loops = loopGuard === undefined ? undefined : new LoopGuard(this, loopGuard, this.entries)
  }

  key(local: string): string {
    return `${this.#prefix}${local}`
  }

  /** Of an agent inside of another one, a graph or a swarm. */
  get isInner(): boolean {
    return this.#prefix !== ''
  }

  /** The run was taken from this process: nothing settles any more. */
  get isLost(): boolean {
    const { abortSignal } = this.durable
    return abortSignal.aborted && LeaseLostError.is(abortSignal.reason)
  }

  // ── turns ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** What a SessionManager has loaded into the agent before the first turn: its next state may be a newer one. */
  found(): SyncPatch {
    const { conversation } = this
    conversation.goLive(() => false)
    const actual = messagesOf(this.agent)
    const messages = conversation.compare(actual, true)?.messages
    const state = this.watch.sinceGiven()
    this.watch.take()
    conversation.differ(messages === undefined ? {} : { messages }, 1, actual)
    if (state !== undefined) conversation.patchState(state)
    return { ...(messages !== undefined && { messages }), ...(state !== undefined && { state }) }
  }

  /** A turn that is not recorded. */
  beginTurn(n: number, input: readonly Message[]): void {
    this.conversation.goLive(() => false)
    this.conversation.beginTurn(n, input)
    this.#forced = 0
  }

  /** The agent gets the messages and the state of the fold point. `areShown`: whoever watches it gets the messages as well. */
  load(areShown: boolean): void {
    const { conversation, agent } = this
    replaceMessages(agent, conversation.messages)
    conversation.goLive((onTaken) => {
      const areUntaken =
        !areShown &&
        beforeTaken(agent, () => {
          onTaken()
          this.#markThem()
        })
      if (areUntaken) this.#unmarked = []
      return areUntaken
    })
    this.#restore()
    if (conversation.modelState !== undefined) {
      agent.modelState.clear()
      for (const [key, value] of Object.entries(conversation.modelState as JsonObject))
        agent.modelState.set(key, value as never)
    }
    this.#check = this.fold.check
    this.#forced = conversation.syncedFor
  }

  #restore(): void {
    const { state, removedState, systemPrompt } = this.conversation
    this.watch.restore(state, removedState)
    if (systemPrompt !== undefined) this.prompt.apply(systemPrompt)
  }

  /** Messages of the journal that nobody is shown: they are marked when somebody else is about to have them. */
  markReplayed(messages: readonly Message[]): void {
    if (this.#unmarked === undefined) for (const message of messages) markReplayed(message)
    else this.#unmarked.push([...messages])
  }

  #markThem(): void {
    const lists = this.#unmarked ?? []
    this.#unmarked = undefined
    for (const messages of lists) this.markReplayed(messages)
  }

  /** The agent adds a message: it gets its name before others see it. */
  added(message: Message): void {
    this.conversation.name(message)
    this.#heard?.add(message)
  }

  /** Those who hear of each message once are told of those that the fold has put in place. `goesOn`: with a recorded turn. */
  async tellAdded(goesOn: boolean): Promise<void> {
    const { added, ended } = this.fold.takeAdded()
    this.#saving?.tell(added, { ended, goesOn })
    noteAgain(this.agent, added, this.entries)
    await storeAgain(this.agent, added)
  }

  /** At the end of a turn: what the steps do not imply, with everything compared. */
  lastSync(): SyncPatch {
    return this.#differences(this.conversation.answers + 1, true) ?? {}
  }

  // ── model calls ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** The journal has the answer of the next model call. */
  get answersNext(): boolean {
    return this.conversation.answers < this.fold.recorded
  }

  /** Called before each model call: brings agent and journal to agreement, and says what is asked. */
  async beforeModel(ctx: InvokeModelContext): Promise<ModelRequest> {
    const { conversation, fold, durable } = this
    if (this.hasLeft) throw new ConsumerLeft()
    const n = conversation.answers + 1
    const isAgain = this.#isAgain(n)
    this.#asks.clear()
    this.approvals.clear()
    this.decisions.clear()
    if (n <= fold.recorded || n === this.#forced) {
      // Recorded: the messages are what they were, whatever a hook that runs again has added.
      conversation.dropPending(isAgain)
      this.#heard?.forget()
      replaceMessages(this.agent, conversation.messages)
      this.#restore()
    } else {
      const patch = this.#differences(n, false, changedPlaces(ctx.messages), isAgain)
      if (patch !== undefined) await durable.state(this.key(`sync#${n}`), toJson(patch))
    }
    this.#forced = 0
    this.#check =
      fold.checkOf(n) ?? hashOf(durable, [this.#check, this.#header.hash(ctx), conversation.sinceLastAnswer()])
    return { n, check: this.#check }
  }

  /** Whether model call `n` is made in the same cycle as the one before it. */
  #isAgain(n: number): boolean {
    const cycle = cyclesSoFar(this.agent)
    // Called more than once for a call whose attempts leave no record.
    if (this.#asked?.n !== n) this.#askedBefore = this.#asked
    this.#asked = { n, cycle }
    return this.#askedBefore?.n === n - 1 && this.#askedBefore.cycle === cycle
  }

  /** `isAgain`: the last answer was asked for again, within its cycle. An error says that by itself. */
  #differences(n: number, thorough: boolean, changed?: ReadonlySet<number>, isAgain = false): SyncPatch | undefined {
    const { conversation, agent, watch } = this
    const again = isAgain && conversation.hasAnswer && { again: true as const }
    const added = this.#heard?.unimplied()
    const difference = conversation.compare(messagesOf(agent), thorough, changed)
    const state = watch.take()
    const modelState = this.#newModelState()
    const systemPrompt = this.prompt.changed()
    const isDropped = difference?.dropped === true
    if (!isDropped) this.#heard?.forget()
    const isHeard = added !== undefined && !isDropped
    const isAsKnown = state === undefined && modelState === undefined && systemPrompt === undefined
    if (difference === undefined && isAsKnown && !isHeard && !again) return undefined
    conversation.differ({ ...difference, ...again }, n, messagesOf(agent))
    if (state !== undefined) conversation.patchState(state)
    if (modelState !== undefined) conversation.modelState = modelState
    if (systemPrompt !== undefined) {
      conversation.systemPrompt = systemPrompt
      this.prompt.knows(systemPrompt)
    }
    return {
      ...difference,
      ...again,
      ...(isHeard && { added }),
      ...(state !== undefined && { state }),
      ...(modelState !== undefined && { modelState }),
      ...(systemPrompt !== undefined && { systemPrompt }),
    }
  }

  #newModelState(): Json | undefined {
    const { modelState } = this.agent
    if (modelState.keys().length === 0 && this.conversation.modelState === undefined) return undefined
    const now = toJson(modelState.getAll())
    return JSON.stringify(now) === JSON.stringify(this.conversation.modelState) ? undefined : now
  }

  // ── tool calls ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** `''` for the first time that this tool call is made, `~2` for the second, … */
  nextAsk(toolUseId: string): string {
    const ask = (this.#asks.get(toolUseId) ?? 0) + 1
    this.#asks.set(toolUseId, ask)
    return ask === 1 ? '' : `~${ask}`
  }

  /** The key for the author's code at a place that has had so many before: as it is, then `~2`, `~3`, … */
  nextOf(place: string): string {
    if (this.#placesOf !== this.conversation.answers) this.#places.clear()
    this.#placesOf = this.conversation.answers
    const count = (this.#places.get(place) ?? 0) + 1
    this.#places.set(place, count)
    return count === 1 ? place : `${place}~${count}`
  }

  /** Whether the journal had a result of that tool call when this process went on with the run. */
  hasRecorded(toolUseId: string, cycle: number): boolean {
    return this.hasStep(this.key(`tool:${toolUseId}@${cycle}`))
  }

  /** Keys of state in the journal that begin with this, as it was when this process went on with the run. */
  stateKeys(name: string): string[] {
    const begin = this.key(name)
    return this.entries.flatMap((entry) =>
      entry.type === 'state' && entry.key.startsWith(begin) ? [entry.key.slice(this.#prefix.length)] : [],
    )
  }

  /** Whether the journal had an outcome of that step when this process went on with the run. */
  hasStep(key: string): boolean {
    this.#recorded ??= stepKeys(this.entries)
    return this.#recorded.has(key)
  }

  /** Failed attempts of that step in the journal, as it was when this process went on with the run. */
  attemptsOf(key: string): readonly EntryOf<'retry'>[] {
    this.#retries ??= Map.groupBy(
      this.entries.filter((entry) => entry.type === 'retry'),
      (entry) => entry.key,
    )
    return this.#retries.get(key) ?? []
  }

  /** Whether a question has an answer, given before or while this process runs. */
  isAnswered(key: string, questionId: string): boolean {
    return this.answeredHere.has(questionId) || this.fold.waited.has(key) || this.durable.arrived(questionId)
  }

  opened(key: string, question: Question): void {
    this.fold.questions.set(key, question)
  }

  /** Resolves when the signals that came before this process are known: until then no question counts as unanswered. */
  caughtUp(): Promise<void> {
    this.#caughtUp ??= this.durable.state(this.key('caught-up'), {})
    return this.#caughtUp
  }

  /** Whether that attempt was given up, because it took too long, while the run goes on. */
  hasGivenUp({ abortSignal }: { readonly abortSignal: AbortSignal }): boolean {
    return abortSignal.aborted && !this.durable.abortSignal.aborted
  }

  /** Ends the invocation with this error. The model is not asked what it makes of it. */
  fail(error: unknown): void {
    this.fatal ??= { error }
    this.agent.cancel()
  }
}

function stepKeys(entries: readonly Entry[]): ReadonlySet<string> {
  const keys = new Set<string>()
  for (const entry of entries) if (entry.type === 'step') keys.add(entry.key)
  return keys
}

/** As it will be read from the journal. */
export function toJson(value: unknown): JsonObject {
  return JSON.parse(JSON.stringify(value)) as JsonObject
}
