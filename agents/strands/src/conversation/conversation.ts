/**
 * The conversation as the journal implies it: one state machine, fed by recorded entries when a run is folded and by
 * the gates while it is live, so that the two cannot differ.
 *
 *   turn(input) ─▶ answer(n) ─▶ result(tool use) … ─▶ commit ─▶ answer(n+1) … ─▶ end
 *
 * A model answer and the tool results of its cycle are *pending* until something later proves that the agent took them
 * into its messages: the next model call, or the end of the turn. Then they are *committed*. What the steps do not imply
 * (a conversation manager that trims, a hook that adds a message, a result rewritten by a hook) is noticed at those same
 * moments by comparing the agent's messages with what is implied, and recorded as a `Splice`; edits in place of messages
 * that were committed before are recorded as such (message-watch.ts).
 *
 * An answer that the agent did not take (structured output that is asked for again, a hook that wants another answer)
 * is *dropped*: it stays in the tail, because the loop of the SDK remembers that it refused it.
 *
 * The *fold point* is the last commit: messages are known there and nothing is pending. A resumed agent gets the
 * messages of the fold point, and its loop asks again for what was recorded after it (the tail, at most a cycle or so),
 * each of which the gate answers from the journal. So hooks that rewrite answers or results are heard again, and
 * whatever the SDK's loop remembers inside a cycle is as it was.
 */
import type { Json } from '@selvage/core'
import { Message, type MessageData, type ToolResultBlock, type Usage } from '@strands-agents/sdk'
import { type Edit, MessageWatch } from '../watches/message-watch.ts'
import { Cycle, type Deeds } from './cycle.ts'
import type { NameMessage } from './message-names.ts'
import type { StatePatch } from './record.ts'
import { bare, findSplice, isEmpty, isSame, type Splice } from './splice.ts'
import { addInto, addUsage, NO_USAGE } from './usage.ts'

/** What differs from what is implied. */
export interface Difference {
  /** Of messages that were committed; they come before the splice. */
  readonly edits?: readonly Edit[]
  readonly messages?: Splice
  /** The last answer was not taken. */
  readonly dropped?: true
  /** The last answer was asked for again, within its cycle of the loop. */
  readonly again?: true
  /** What was added since the last agreement, if it is not what is implied: for those who hear of each message once. */
  readonly added?: readonly MessageData[]
}

/** Messages at both ends that are compared at each model call; all of them are at the end of a turn. */
const NEAR_START = 8
const NEAR_END = 56

const NOTHING: readonly never[] = []

export class Conversation {
  /** Committed messages: the very objects in the agent's list, once they are there. */
  messages: Message[] = []
  /** What entries have made of appState: keys set, and keys deleted. */
  readonly state: Map<string, unknown> = new Map()
  readonly removedState: Set<string> = new Set()
  modelState: Json | undefined
  /** What entries say that the system prompt is (`null`: none); undefined: what code gave the agent. */
  systemPrompt: Json | undefined
  /** Recorded model outcomes, errors included. */
  answers = 0
  /** Of them, those before the fold point: the tail begins with the next. */
  base = 0
  /** Of them, those before the turn. */
  before = 0
  /** The model call before which the messages were recorded as they are. */
  syncedFor = 0
  /** Of the last model call that told one. */
  lastUsage: Usage | undefined
  /** Whether the turn has taken its input into the messages: then it is not given to the agent again. */
  hasBegun = false
  /** Whether the messages are kept that there are when a turn begins: a copy of all, for each turn. */
  keepsStart = false
  start: readonly Message[] = []
  /** Of the turn: messages that were committed, in order, for whoever watches a stream that is resumed. */
  shown: Message[] = []
  /** Committed cycles of the loop that have ended. */
  cycles = 0
  /** Of them, what those of this turn have used: for limits that count them. */
  spent: Usage[] = []
  /** What the cycle under way has used before the fold point: outcomes that it has asked for again. */
  spentNow: Usage | undefined
  /** While a run is folded for somebody who hears of each message once: those that were added, as they were. */
  added: Message[] | undefined
  readonly #name: NameMessage | undefined
  #turn = 0
  #input: Message[] = []
  /** Of the turn: what tools wrote to the invocationState. */
  invocation: StatePatch[] = []
  #pending: Cycle | undefined
  /** The pending answer was not taken by the agent. */
  #isDropped = false
  /** Of all before the fold point. Added to in place. */
  readonly #committedUsage: Usage = { ...NO_USAGE }
  /** By cycle. */
  #pendingUsage: (Usage | undefined)[] = []
  /** The last outcome is followed by another one in its cycle: after an error there is one, or the turn ends. */
  #isAgain = false
  #since: unknown[] = []
  /** There while the agent is live. */
  #watch: MessageWatch | undefined

  constructor(name?: NameMessage) {
    this.#name = name
  }

  /**
   * From now on somebody may edit the messages in place. `beforeTaken` calls back right before somebody else has them for
   * the first time, or says that somebody may have them already.
   */
  goLive(beforeTaken: (onTaken: () => void) => boolean): void {
    if (this.#watch !== undefined) return
    const watch = new MessageWatch()
    this.#watch = watch
    if (beforeTaken(() => watch.doubt(this.messages))) watch.trust(this.messages)
    else watch.hold(this.messages, 0)
  }

  // ── what happens ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** `named`: the input has its names already. */
  beginTurn(turn: number, input: readonly Message[], named = false): void {
    this.#turn = turn
    if (this.keepsStart) this.start = [...this.messages]
    this.#input = [...input]
    if (!named) for (const [index, message] of this.#input.entries()) this.#rename(message, 'input', turn, index)
    this.hasBegun = false
    this.syncedFor = 0
    this.shown = []
    this.before = this.base
    this.invocation = []
  }

  /** A model outcome was recorded: everything before it is committed. `message` is absent for an error. */
  answer(n: number, message: Message | undefined, usage: Usage | undefined): void {
    const isRetry = this.#pending?.message !== undefined && this.#isDropped
    this.commit()
    if (!isRetry) this.#foldPoint(n - 1)
    this.answers = n
    this.#isDropped = false
    this.#pending = new Cycle(n, message, this.#watch !== undefined)
    const last = this.#pendingUsage.length - 1
    if (this.#isAgain && last >= 0) this.#pendingUsage[last] = addUsage(this.#pendingUsage[last] ?? NO_USAGE, usage)
    else this.#pendingUsage.push(usage)
    this.#isAgain = message === undefined
    this.lastUsage = usage ?? this.lastUsage
    this.#since = []
  }

  /** Of all model calls so far. */
  get usage(): Usage {
    return this.#pendingUsage.reduce(addUsage, { ...this.#committedUsage })
  }

  /** A tool of the pending answer has a result. `did`: what is not done to the messages yet. */
  result(cycle: number, toolUseId: string, block: ToolResultBlock, did?: Deeds): void {
    const pending = this.#pending
    if (pending?.n !== cycle) return
    pending.take(toolUseId, block)
    if (did !== undefined) pending.deed(did)
  }

  /** What a direct call did is the cycle's in which it was made. Its messages are not its own: they are compared later. */
  deed({ state, systemPrompt }: Deeds): void {
    if (state === undefined && systemPrompt === undefined) return
    const did = { ...(state !== undefined && { state }), ...(systemPrompt !== undefined && { systemPrompt }) }
    if (this.#pending === undefined) this.#takeDeeds([did])
    else this.#pending.deed(did)
  }

  /** The body of a tool may have changed the agent's messages, `anywhere` or near their ends: what it changed, taken over. */
  changedByTool(actual: readonly Message[], anywhere: boolean): Difference {
    const { messages } = this
    const edits = this.#editsNow(false, anywhere ? undefined : [])
    if (edits !== undefined) this.#since.push(edits)
    const edited = edits !== undefined && { edits }
    if (actual.length === messages.length && this.#isAsBefore(actual, false)) return { ...edited }
    const change = findSplice(messages, actual, messages.length)
    if (isEmpty(change)) return { ...edited }
    this.#replace(actual, change.at)
    this.#since.push(change)
    return { ...edited, messages: change }
  }

  /** Does to the messages what a recorded body did to them. */
  changeAgain({ edits, messages }: Difference): void {
    if (edits !== undefined) this.#edit(edits)
    if (messages === undefined) return
    const { at, remove, add } = messages
    this.messages.splice(at, remove, ...add.map((data) => Message.fromMessageData(data)))
    this.#watch?.hold(this.messages, at)
  }

  /** `places`: where messages may have been edited that are far from both ends; undefined: anywhere. */
  #editsNow(thorough: boolean, places?: Iterable<number>): readonly Edit[] | undefined {
    const watch = this.#watch
    if (watch === undefined) return undefined
    const edits = places === undefined ? watch.edits(this.messages, thorough) : watch.editsAt(this.messages, places)
    return edits.length > 0 ? edits : undefined
  }

  /** What was edited is another object with what it says: whoever has seen the first keeps it as it was. */
  #edit(edits: readonly Edit[]): void {
    for (const { at, content, metadata } of edits) {
      const before = this.messages[at]
      if (before === undefined) continue
      const { metadata: marked, ...data } = before.toJSON()
      const now = metadata === undefined ? marked : metadata
      const message = Message.fromMessageData({
        ...data,
        ...(content !== undefined && { content }),
        ...(now !== undefined && now !== null && { metadata: now }),
      })
      this.messages[at] = message
      this.shown = this.shown.map((each) => (each === before ? message : each))
      this.#watch?.hold(this.messages, at)
    }
  }

  /** The messages are those of the agent, which differ from `at` on. */
  #replace(actual: readonly Message[], at: number): void {
    this.messages = [...actual]
    this.#watch?.hold(this.messages, at)
  }

  /** Takes a recorded difference, or one that `compare` has found. `n`: the model call that was about to be made. */
  differ(difference: Difference, n: number, actual?: readonly Message[]): void {
    if (difference.edits !== undefined) {
      if (actual === undefined) this.#edit(difference.edits)
      this.#since.push(difference.edits)
    }
    if (difference.again) this.#isAgain = true
    if (difference.dropped) {
      this.#drop()
      this.#since.push('dropped')
      return
    }
    this.commit(
      undefined,
      difference.added?.map((data) => Message.fromMessageData(data)),
    )
    if (difference.messages !== undefined) this.#splice(difference.messages, actual)
    this.#foldPoint(n - 1)
    this.syncedFor = n
  }

  /** The journal asks for another answer: the agent did not take the last one. `again`: as in a difference. */
  dropPending(again: boolean): void {
    if (this.#pending?.message === undefined) return
    if (again) this.#isAgain = true
    this.#drop()
  }

  /** What direct calls did behind the answer is done all the same. */
  #drop(): void {
    this.#isDropped = true
    if (this.#pending !== undefined) this.#takeDeeds(this.#pending.did)
  }

  patchState({ set, remove }: StatePatch): void {
    for (const [key, value] of Object.entries(set ?? {})) {
      this.state.set(key, value)
      this.removedState.delete(key)
    }
    for (const key of remove ?? []) {
      this.state.delete(key)
      this.removedState.add(key)
    }
  }

  endTurn(): void {
    this.commit()
    this.#isAgain = false
    this.#foldPoint(this.answers)
    this.#endCycle()
    this.spent = []
    this.syncedFor = 0
  }

  /** Takes what is implied into the messages; `actual`: the agent's own objects for it; `added`: what was heard of. */
  commit(actual?: readonly Message[], added?: readonly Message[]): void {
    this.hasBegun = true
    if (added !== undefined) this.added?.push(...added)
    if (actual === undefined && this.#pending === undefined && this.#input.length === 0) return
    const did = this.#isDropped ? NOTHING : (this.#pending?.did ?? NOTHING)
    if (did.length > 0) for (const changes of did) this.changeAgain(changes)
    const implied = actual ?? this.#implied()
    if (added === undefined) this.added?.push(...implied)
    const from = this.messages.length
    // By index, here and where else a resume comes by thousands of times: in code this young an iterator makes an object for each.
    for (let index = 0; index < implied.length; index++) {
      const message = implied[index] as Message
      this.messages.push(message)
      this.shown.push(message)
    }
    this.#watch?.hold(this.messages, from)
    if (implied.length > 0) this.#since.push(implied)
    if (did.length > 0) this.#takeDeeds(did)
    this.#input = []
    this.#pending = undefined
  }

  #takeDeeds(did: readonly Deeds[]): void {
    for (const { state, invocation, systemPrompt } of did) {
      if (state !== undefined) this.patchState(state)
      if (invocation !== undefined) this.invocation.push(invocation)
      if (systemPrompt !== undefined) this.systemPrompt = systemPrompt
    }
  }

  #splice(change: Splice, actual: readonly Message[] | undefined): void {
    const { at, remove, add } = change
    const isAtEnd = at + remove === this.messages.length
    const added = actual?.slice(at, at + add.length) ?? add.map((data) => Message.fromMessageData(data))
    const removed = new Set(
      actual === undefined ? this.messages.splice(at, remove, ...added) : this.messages.slice(at, at + remove),
    )
    if (actual === undefined) this.#watch?.hold(this.messages, at)
    else this.#replace(actual, at)
    this.#since.push(change)
    // What was trimmed has been shown all the same; what was replaced is shown as it is now.
    if (added.length === 0) return
    const first = this.shown.findIndex((message) => removed.has(message))
    const kept = this.shown.filter((message) => !removed.has(message))
    if (first >= 0) this.shown = [...kept.slice(0, first), ...added, ...kept.slice(first)]
    else if (isAtEnd) this.shown.push(...added)
  }

  /** Forgets what comes after the fold point: the agent's loop will ask for it again. */
  rewind(): void {
    this.answers = this.base
    this.#pending = undefined
    this.#pendingUsage = []
    this.#isAgain = false
    this.#isDropped = false
  }

  #foldPoint(base: number): void {
    this.base = base
    if (this.#pendingUsage.length === 0) return
    const last = this.#pendingUsage.length - 1
    for (let index = 0; index <= last; index++) {
      const usage = this.#pendingUsage[index]
      this.spentNow = addUsage(this.spentNow ?? NO_USAGE, usage)
      if (usage !== undefined) addInto(this.#committedUsage, usage)
      if (index < last || !this.#isAgain) this.#endCycle()
    }
    this.#pendingUsage = []
  }

  #endCycle(): void {
    if (this.spentNow === undefined) return
    this.cycles++
    this.spent.push(this.spentNow)
    this.spentNow = undefined
  }

  // ── what is implied ───────────────────────────────────────────────────────────────────────────────────────────────

  /** The cycle whose tools run now. */
  get cycle(): number {
    return this.#pending?.n ?? this.answers
  }

  /** Whether that is the result of a tool of this cycle, and still says what the tool said. */
  gave(result: ToolResultBlock): boolean {
    return this.#pending?.gave(result) === true
  }

  /** The last outcome is an answer that nothing has committed yet. */
  get hasAnswer(): boolean {
    return this.#pending?.message !== undefined
  }

  /** What the agent appends once it goes on, as far as it is complete: input, answer, results. */
  implied(): Message[] {
    const pending = this.#pending
    return pending === undefined || pending.isComplete ? this.#implied() : this.#input
  }

  /** Also where some results are no step's (a hook cancelled the call, a person supplied it): they will differ. */
  #implied(): Message[] {
    const pending = this.#pending
    if (pending?.message === undefined || this.#isDropped) return this.#input
    const own = pending.messages(this.#name?.('results', pending.n, 0))
    return this.#input.length === 0 ? own : [...this.#input, ...own]
  }

  /** Names a message of the agent as the fold will name it. */
  name(message: Message): void {
    const pending = this.#pending
    if (message.role !== 'user') return
    const isReply = message.content.some(
      (block) => block.type === 'toolResultBlock' && pending?.resultOf(block.toolUseId) !== undefined,
    )
    if (isReply && pending !== undefined) this.#rename(message, 'results', pending.n, 0)
    else if (pending === undefined) {
      const index = this.#input.findIndex((input) => isSame(input, message))
      if (index >= 0) this.#rename(message, 'input', this.#turn, index)
    }
  }

  nameOfInput(turn: number, index: number): string | undefined {
    return this.#name?.('input', turn, index)
  }

  nameOfAnswer(n: number): string | undefined {
    return this.#name?.('answer', n, 0)
  }

  #rename(message: Message, of: 'answer' | 'results' | 'input', n: number, index: number): void {
    if (this.#name === undefined) return
    ;(message as { trackingId: string }).trackingId = this.#name(of, n, index)
  }

  /** Whether a message that the agent adds, behind so many of what is implied, says what is implied there. */
  implies(message: Message, behind: number): boolean {
    return isSame(message, this.#implied()[behind]) && this.#isAsGiven(message)
  }

  /** Whether so many are implied. */
  impliesAll(count: number): boolean {
    return this.#implied().length === count
  }

  // ── comparing ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Compares the agent's messages with what is implied, and takes them over if they are equal; else says what differs.
   * `changed`: the places of messages that were edited or exchanged since this was asked before, where that is known; then
   * it costs these, the new ones and a fixed number of others. Else a look at each by reference; with `thorough`, into each.
   */
  compare(actual: readonly Message[], thorough: boolean, changed?: Iterable<number>): Difference | undefined {
    const implied = this.#implied()
    const { messages } = this
    const isAsBefore = this.#isAsBefore(actual, thorough)
    const edits = this.#editsNow(thorough, thorough || !isAsBefore ? undefined : changed)
    const edited = edits === undefined ? undefined : { edits }
    const isAsImplied = (message: Message, other: Message | undefined): boolean =>
      isSame(message, other) && this.#isAsGiven(message)
    if (isAsBefore) {
      const more = actual.slice(messages.length)
      if (more.length === implied.length && more.every((message, index) => isAsImplied(message, implied[index]))) {
        if (edited === undefined) this.commit(more)
        return edited
      }
      if (this.#pending?.message !== undefined && more.length === this.#input.length)
        return { ...edited, dropped: true }
    }
    const change = findSplice([...messages, ...implied], actual, messages.length, isAsImplied)
    if (!isEmpty(change)) return { ...edited, messages: change }
    if (edited !== undefined) return edited
    this.commit(actual.slice(messages.length))
    this.#replace(actual, 0)
    return undefined
  }

  #isAsGiven(message: Message): boolean {
    return this.#pending?.isAsGiven(message) ?? message.metadata?.custom === undefined
  }

  /** Whether the agent's list begins with the committed messages. */
  #isAsBefore(actual: readonly Message[], thorough: boolean): boolean {
    const { messages } = this
    const { length } = messages
    if (actual.length < length) return false
    const far = thorough || length <= NEAR_START + NEAR_END
    for (let index = 0; index < length; index++) {
      if (!far && index === NEAR_START) index = length - NEAR_END
      if (actual[index] !== messages[index]) return false
    }
    return true
  }

  /** What the request about to be made has beyond the last one, as text: for its hash. */
  sinceLastAnswer(): string {
    return JSON.stringify(this.#since.map(bare))
  }
}
