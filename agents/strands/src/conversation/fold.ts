/**
 * Folding: from the entries of a run to the conversation that they imply, turn by turn.
 *
 * State entries of a scope (each key behind the scope's prefix):
 *
 *   agent        hash of the code's prompt, tools and model: told when it changes
 *   turn#n       the input of turn n; absent for the first turn where the run, or the call around it, has the input, and
 *                for the first turn of each message of a session: the wait that took the message has it
 *                `found`: what a SessionManager had loaded into the agent before the first turn
 *   turn#n.end   how it ended, and what of its end the steps do not imply
 *   done#m       a session has answered its message m: the end of its turn, and what of the agent that does not imply
 *   sync#n       what of the agent, before model call n, the steps do not imply
 */
import { decode, type Entry, type ErrorJson, type Json, type JsonObject, type Question, standing } from '@selvage/core'
import type { AgentResult, Message, MessageData } from '@strands-agents/sdk'
import { byPrefix } from '../turns/frames.ts'
import type { Edit } from '../watches/message-watch.ts'
import { Conversation, type Difference } from './conversation.ts'
import { readAnswer, readResult } from './from-journal.ts'
import { argsOf, inputMessages, type RecordedInput, recordInput } from './input.ts'
import {
  calledBy,
  DIRECT,
  DONE,
  isAnswer,
  isDoneKey,
  isNumbered,
  MODEL,
  numberIn,
  SYNC_KEY,
  TURN_KEY,
  takenMessage,
} from './keys.ts'
import type { StatePatch } from './record.ts'
import type { Splice } from './splice.ts'

/** What a `sync` or a turn's end says. */
export interface SyncPatch {
  readonly edits?: readonly Edit[]
  readonly messages?: Splice
  readonly dropped?: true
  readonly again?: true
  readonly state?: StatePatch
  readonly modelState?: Json
  /** Only where somebody hears of each message once: see scope.ts. */
  readonly added?: readonly MessageData[]
  /** `null`: none. */
  readonly systemPrompt?: Json
}

export interface TurnEnd extends SyncPatch {
  readonly stopReason?: AgentResult['stopReason']
  /** Which message the result shows: -1 (default) for the last, -2 for the one before it. */
  readonly last?: -2
  /** Only if it is neither of them. */
  readonly message?: MessageData
  readonly structuredOutput?: Json
  /** Of a session: the model outcome that the result shows. */
  readonly answer?: number
  /** In place of a result: the error that the invocation rejected with. */
  readonly error?: ErrorJson
  /** The step that has what the error has no room for: partial-message.ts. */
  readonly partial?: string
}

export interface RecordedTurn {
  readonly n: number
  readonly input: Json
  /** Of an agent that is a tool and keeps its context: the call that it answers. */
  readonly call: string | undefined
  /** Whether the entry says what the agent had before. */
  readonly isFound: boolean
  /** Absent: the turn is open. */
  readonly end: TurnEnd | undefined
}

/** The model, prompt and tools of the code that ran: each a hash. */
export interface Identity {
  readonly model: string
  readonly prompt: string
  readonly tools: string
}

/** So many checks are kept before those are looked for that nobody asks for. */
const MANY = 64

/** The signal that brings a session its next message. */
export const MESSAGE = 'message'

/** Its payload: `input` as the codec writes it. `refuse`: not answered if it came while another one was. */
export interface SentMessage {
  readonly input: Json
  readonly refuse?: true
}

/** What `done#m` says. */
export interface DonePatch extends SyncPatch {
  /** The message: the id of its signal. */
  readonly call: string
  readonly refused?: true
  /** The end of its last turn. */
  readonly turn?: TurnEnd
  /** It had no turn: what was said, or went wrong, before one began. */
  readonly end?: TurnEnd
}

export class Fold {
  readonly conversation: Conversation
  /** What the newest code of this run was. */
  identity: Identity | undefined
  /** Model outcomes in the journal: what the tail may ask for again. */
  recorded = 0
  /** Check of the last model request before the fold point. */
  check = ''
  /** Questions of the open cycle by key, and the keys of waits that are over. */
  readonly questions: Map<string, Question> = new Map()
  readonly waited: Set<string> = new Set()
  readonly #entries: readonly Entry[]
  readonly #prefix: string
  readonly #checks = new Map<number, string>()
  readonly #first: () => Json | undefined
  readonly #added: Message[] | undefined
  /** Of them, those before the turn that is open. */
  #addedBefore = 0
  /** Of a session: inputs by the id of the signal that brought them. */
  readonly #messages = new Map<string, Json>()
  /** Of a session: the message that is being answered. */
  #taken: string | undefined
  /** Turns that have begun. */
  #turns = 0
  #at = 0
  #turn: { n: number; input: Json; call: string | undefined; isFound: boolean; end: TurnEnd | undefined } | undefined

  /** `first`: the input of a first turn that has no entry of its own. `keepsAdded`: for `takeAdded`. */
  constructor(
    entries: readonly Entry[],
    prefix: string,
    conversation: Conversation,
    first: () => Json | undefined,
    keepsAdded = false,
  ) {
    this.#entries = entries
    this.#prefix = prefix
    this.conversation = conversation
    this.#first = first
    if (keepsAdded) this.#added = []
    const told = entries.findLast((entry) => entry.type === 'state' && entry.key === `${prefix}agent`)
    if (told?.type === 'state') this.identity = told.patch as unknown as Identity
  }

  /**
   * Goes on to the end of the next turn, or to the end of the journal within it. Undefined: no turn is recorded. In an
   * open turn the conversation goes back to the fold point, unless it is only looked at.
   */
  nextTurn({ looks = false }: { readonly looks?: boolean } = {}): RecordedTurn | undefined {
    const { conversation } = this
    conversation.added = this.#added
    this.#turn = undefined
    for (; this.#at < this.#entries.length; this.#at++) {
      const entry = this.#entries[this.#at] as Entry
      if (this.#beginsAnotherTurn(entry)) break
      this.#take(entry)
      if (this.#hasEnded) {
        this.#at++
        break
      }
    }
    if (looks && this.#taken !== undefined && this.#turn === undefined) this.#beginFirst()
    const turn = this.#current
    conversation.added = undefined
    if (turn === undefined) return undefined
    if (turn.end === undefined && !looks) conversation.rewind()
    this.check = this.#checks.get(conversation.base) ?? this.check
    return turn
  }

  /** Messages that the turns so far have added, as they were then, since this was asked before; `ended`: of ended turns. */
  takeAdded(): { readonly added: Message[]; readonly ended: number } {
    const added = this.#added?.splice(0) ?? []
    const ended = this.#turn === undefined || this.#hasEnded ? added.length : this.#addedBefore
    this.#addedBefore = 0
    return { added, ended }
  }

  get #current(): RecordedTurn | undefined {
    return this.#turn
  }

  get #hasEnded(): boolean {
    return this.#turn?.end !== undefined
  }

  /**
   * Whether an answer of the turn is recorded that comes next, or of that message or call: asked before it begins, when
   * `conversation` may not have come to it yet.
   */
  hasAnswerAhead(call: string | undefined): boolean {
    const isBegin = (entry: Entry): boolean =>
      takenMessage(entry) === call || (entry.type === 'state' && (entry.patch as { call?: string }).call === call)
    const from = call === undefined ? this.#at : this.#entries.findLastIndex(isBegin)
    if (from < 0) return false
    return this.#entries.slice(from).some((entry) => {
      const key = entry.type === 'step' ? this.#own(entry.key) : undefined
      return key !== undefined && isNumbered(key, MODEL)
    })
  }

  /** The recorded check of model call `n`, if it is one of the tail. */
  checkOf(n: number): string | undefined {
    return this.#checks.get(n)
  }

  #beginsAnotherTurn(entry: Entry): boolean {
    const turn = this.#turn
    if (turn === undefined || entry.type !== 'state' || entry.key.startsWith(DONE)) return false
    const [, n, end] = TURN_KEY.exec(this.#own(entry.key) ?? '') ?? []
    return n !== undefined && end === undefined && Number(n) !== turn.n
  }

  #take(entry: Entry): void {
    switch (entry.type) {
      case 'step':
        this.#takeStep(entry)
        break
      case 'state':
        this.#takeState(this.#own(entry.key), entry.patch)
        break
      case 'open':
        if (this.#own(entry.key) !== undefined) this.questions.set(entry.key, entry.question)
        break
      case 'wait':
        this.waited.add(entry.key)
        if (this.#prefix === '') this.#taken = takenMessage(entry) ?? this.#taken
        break
      case 'signal':
        if (entry.signal.name === MESSAGE) this.#messages.set(entry.signal.id, messageInput(entry.signal.payload))
        break
      case 'end':
        if (this.#turn !== undefined && 'ok' in entry.outcome) this.#endTurn({})
        break
      default:
        break
    }
  }

  #own(key: string): string | undefined {
    const prefix = this.#prefix
    if (prefix === '') return key
    return key.startsWith(prefix) ? key.slice(prefix.length) : undefined
  }

  #takeStep(entry: Extract<Entry, { type: 'step' }>): void {
    const key = this.#own(entry.key)
    if (key === undefined) return
    const { outcome } = entry
    const n = numberIn(key, MODEL)
    if (n !== undefined) {
      this.#beginFirst()
      // To clear one that is empty makes a new table.
      if (this.questions.size > 0) this.questions.clear()
      if (this.waited.size > 0) this.waited.clear()
      this.recorded = n
      this.#keepCheck(n, entry.op.check ?? '')
      const { conversation } = this
      if ('ok' in outcome) {
        const { message, usage, modelState } = readAnswer(outcome.ok, conversation.nameOfAnswer(n))
        conversation.answer(n, message, usage)
        if (modelState !== undefined) conversation.modelState = modelState
      } else conversation.answer(n, undefined, undefined)
      return
    }
    if (!('ok' in outcome)) return
    if (key.startsWith(DIRECT)) {
      this.#beginFirst()
      this.conversation.deed(readResult(outcome.ok, '').record ?? {})
      return
    }
    const call = calledBy(key)
    if (call === undefined) return
    const { block, record } = readResult(outcome.ok, call.toolUseId)
    this.conversation.result(call.cycle, call.toolUseId, block, record)
  }

  /** Only those of the tail are asked for. */
  #keepCheck(n: number, check: string): void {
    const checks = this.#checks
    if (checks.size >= MANY)
      for (const earlier of checks.keys()) if (earlier < this.conversation.base) checks.delete(earlier)
    checks.set(n, check)
  }

  #takeState(key: string | undefined, patch: JsonObject): void {
    if (key === undefined) return
    if (isDoneKey(key)) {
      this.#takeDone(patch as unknown as DonePatch)
      return
    }
    const turn = TURN_KEY.exec(key)
    if (turn !== null) {
      const { call, found } = patch as { call?: string; found?: SyncPatch }
      if (turn[2] === undefined)
        this.#beginTurn(Number(turn[1]), patch.input ?? this.#messages.get(call ?? '') ?? [], call, found)
      else this.#endTurn(patch as unknown as TurnEnd)
      return
    }
    const sync = SYNC_KEY.exec(key)
    if (sync === null) return
    this.#beginFirst()
    this.#takeSync(patch as SyncPatch, Number(sync[1]))
  }

  #takeDone(done: DonePatch): void {
    if (done.turn !== undefined) this.#endTurn(done.turn)
    this.#taken = undefined
    this.#takeSync(done, this.conversation.answers + 1)
  }

  /** A step without a turn before it: the turn has the input of the message, or the run's own. */
  #beginFirst(): void {
    if (this.#turn !== undefined) return
    const taken = this.#taken
    if (taken === undefined) this.#beginTurn(1, this.#first() ?? [])
    else this.#beginTurn(this.#turns + 1, this.#messages.get(taken) ?? [], taken)
  }

  #beginTurn(n: number, input: Json, call?: string, found?: SyncPatch): void {
    this.#turn = { n, input, call, isFound: found !== undefined, end: undefined }
    if (found !== undefined) this.#takeSync(found, 1)
    this.#addedBefore = this.#added?.length ?? 0
    this.#turns = n
    const { conversation } = this
    conversation.beginTurn(
      n,
      inputMessages(input as RecordedInput, (index) => conversation.nameOfInput(n, index)),
      true,
    )
  }

  #endTurn(end: TurnEnd): void {
    this.#beginFirst()
    if (this.#turn !== undefined) this.#turn.end = end
    this.#takeSync(end, this.conversation.answers + 1)
    this.conversation.endTurn()
  }

  #takeSync(patch: SyncPatch, n: number): void {
    const { conversation } = this
    conversation.differ(patch as Difference, n)
    if (patch.state !== undefined) conversation.patchState(patch.state)
    if (patch.modelState !== undefined) conversation.modelState = patch.modelState
    if (patch.systemPrompt !== undefined) conversation.systemPrompt = patch.systemPrompt
  }
}

function messageInput(payload: Json): Json {
  return recordInput(argsOf(decode((payload as unknown as SentMessage).input)))
}

/**
 * The conversation of a run as far as it is recorded, for whoever looks at it from outside: `messages`, and in
 * `implied()` what the agent will add to them of the cycle that is complete.
 */
export function conversationOf(entries: readonly Entry[], prefix = ''): Conversation {
  const start = entries.find((entry) => entry.type === 'start')
  const input = start === undefined ? undefined : recordInput(argsOf(decode(start.start.input)))
  return foldedFrom(standing(entries), prefix, input)
}

/** Of a run whose own agent, if there is one, has said nothing: those of the agents inside of it, by where they are. */
export function innerConversationsOf(entries: readonly Entry[]): Map<string, Conversation> {
  const scopes = [...byPrefix(standing(entries))].filter(([, own]) => own.some(isAnswer))
  return new Map(scopes.map(([prefix, own]) => [prefix.slice(0, -1), foldedFrom(own, prefix)]))
}

function foldedFrom(entries: readonly Entry[], prefix: string, input?: Json): Conversation {
  const conversation = new Conversation()
  const fold = new Fold(entries, prefix, conversation, () => input)
  while (fold.nextTurn({ looks: true })?.end !== undefined) {
    // On to the next one.
  }
  return conversation
}
