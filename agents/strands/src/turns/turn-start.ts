/** What the messages of an agent were before the turn that is open: another attempt of it, of whatever kind, begins there. */
import type { Agent, Message } from '@strands-agents/sdk'
import type { RecordedTurn } from '../conversation/fold.ts'
import { inputMessages, type RecordedInput } from '../conversation/input.ts'
import type { Scope } from '../gates/scope.ts'
import { missingGoalStart } from '../seams/plugins.ts'
import { messagesOf } from '../watches/messages-taken.ts'

export class TurnStart {
  readonly #agent: Agent
  #kept: { readonly turn: number; readonly messages: readonly Message[] } | undefined

  constructor(agent: Agent) {
    this.#agent = agent
  }

  keep(turn: number, messages: readonly Message[]): void {
    this.#kept = { turn, messages }
  }

  /** Before that turn, if that is known. */
  of(turn: number): readonly Message[] | undefined {
    return this.#kept?.turn === turn ? this.#kept.messages : undefined
  }

  /** Of a recorded turn: the loop does not come by again where a goal loop would see what it began with. */
  lookBack(scope: Scope, { n, input, end }: RecordedTurn): void {
    const agent = this.#agent
    const { conversation } = scope
    const isOpen = end === undefined
    if (isOpen && this.of(n) === undefined) this.keep(n, [...messagesOf(agent)])
    const tell = isOpen && !conversation.hasBegun ? undefined : missingGoalStart(agent)
    if (tell === undefined) return
    const messages = this.of(n) ?? messagesOf(agent)
    tell([...messages, ...inputMessages(input as RecordedInput, (index) => conversation.nameOfInput(n, index))])
  }
}
