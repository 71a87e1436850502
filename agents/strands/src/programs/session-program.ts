/**
 * A session: one agent and one run for as many messages as come. Each is a signal, answered by one turn, in the order in
 * which they came; the run sleeps between two, in any process.
 *
 *   waits ──message──▶ steps of its turn ─▶ done#m ─▶ waits
 *                  └─(came while another was answered, and asked to be refused)─▶ done#m
 *
 * A turn that fails ends with its error and the session goes on. Whatever a turn ends with, its conversation is closed before
 * the next (turn-end.ts), so that no message follows another one of the user. What is never true: two turns at once, a message answered twice, the
 * text of a message stored twice.
 */
import { decode, type Entry, errorFromJson, errorToJson, type Program, RunError } from '@selvage/core'
import { forked } from '@selvage/programs'
import { type Agent, type InvokeArgs, Message, type MessageData, type Usage } from '@strands-agents/sdk'
import { type DonePatch, MESSAGE, type SentMessage, type TurnEnd } from '../conversation/fold.ts'
import { argsOf } from '../conversation/input.ts'
import { doneNumber, isDoneKey, takenMessage } from '../conversation/keys.ts'
import { type AnswerRecord, answerMessage, modelOutcomeError, usageOf, usageOfError } from '../conversation/record.ts'
import { addUsage, NO_USAGE } from '../conversation/usage.ts'
import { recordMcp } from '../gates/mcp.ts'
import { isPartialKey } from '../gates/partial-message.ts'
import { toJson } from '../gates/scope.ts'
import { isSavedKey } from '../plugins/memory.ts'
import { bindAgent } from '../turns/bind.ts'
import type { Turns } from '../turns/turns.ts'
import { messagesOf } from '../watches/messages-taken.ts'
import { type AgentFactory, type AgentRunResult, resultOfMessage } from './agent-program.ts'
import { type AgentOptions, readOptions } from './program-options.ts'

/** The name of the program of an agent's sessions. */
export function sessionProgramName(agent: string): string {
  return `${agent}:session`
}

/** UsageError for options that are not built yet (UNSUPPORTED) or make no sense (BAD_INPUT). */
export function createSessionProgram(name: string, factory: AgentFactory, options: AgentOptions = {}): Program {
  // A session has no end that could be late.
  const { policy, onCodeChange, linear, log, timeoutMs: _, ...head } = readOptions(`Agent program "${name}"`, options)
  return {
    name: sessionProgramName(name),
    ...head,
    async run(gate): Promise<never> {
      const durable = forked(gate)
      const { runId, start, abortSignal } = durable
      const made = await factory({ runId, tenant: start.tenant, input: undefined, abortSignal })
      const { agent, turns } = bindAgent(made, {
        policy,
        waits: true,
        onCodeChange,
        log,
        open: async () => ({ durable }),
        sessionId: durable.id('', 'session'),
        linear,
        writesEnds: true,
      })
      recordMcp(agent, durable, { asksAgain: true })
      let { done, doneAt } = progressOf(durable.history)
      while (true) {
        const m = done + 1
        const sent = await durable.wait<SentMessage>(`inbox#${m}`, MESSAGE)
        // Without a deadline a wait is only over by its signal.
        if (!sent.ok) continue
        const { id, at, payload } = sent.signal
        const { input, refuse } = payload as unknown as SentMessage
        const isRefused = refuse === true && at !== undefined && at < doneAt
        if (isRefused) await durable.state(`done#${m}`, { call: id, refused: true })
        else {
          turns.beginMessage(id)
          const outside = await answered(agent, turns, argsOf(decode(input)))
          abortSignal.throwIfAborted()
          const turn = turns.takeEnd()
          const done: DonePatch = { call: id, ...outside, ...(turn !== undefined && { turn }), ...turns.settled() }
          await durable.state(`done#${m}`, toJson(done))
        }
        done = m
        doneAt = durable.now()
      }
    },
  }
}

/**
 * Answers a message. What was said, or went wrong, before its turn began (hooks of BeforeInvocation may do that) is in no
 * turn: it is returned.
 */
async function answered(agent: Agent, turns: Turns, args: InvokeArgs): Promise<Pick<DonePatch, 'end'>> {
  const before = turns.ended
  try {
    const { stopReason, lastMessage } = await agent.invoke(args)
    forgetDenial(messagesOf(agent), lastMessage)
    return turns.ended === before ? { end: { stopReason, message: lastMessage.toJSON() } } : {}
  } catch (error) {
    if (!turns.isOver) throw error
    return turns.ended === before ? { end: { error: errorToJson(error) } } : {}
  }
}

/**
 * What a hook of BeforeInvocation says in place of a turn is told to whoever sent the message, whose own words are not in the
 * conversation either: a provider takes no two messages of the assistant in a row.
 */
function forgetDenial(messages: Message[], said: Message): void {
  if (messages.at(-1) === said && messages.at(-2)?.role !== 'user') messages.pop()
}

/** They are numbered without a gap: the last one says how many. */
function progressOf(history: readonly Entry[]): { done: number; doneAt: number } {
  for (let at = history.length - 1; at >= 0; at--) {
    const entry = history[at] as Entry
    const done = entry.type === 'state' ? doneNumber(entry.key) : undefined
    if (done !== undefined) return { done, doneAt: entry.at }
  }
  return { done: 0, doneAt: 0 }
}

/** What became of a message. */
export type Replied = { readonly result: AgentRunResult } | { readonly error: unknown }

/**
 * Finds the reply to one message in the entries of its session, given one after the other. `usage` is that of the turns
 * of the message, those of processes that died included.
 */
export class ReplyReader {
  readonly #runId: string
  readonly #messageId: string
  #isOurs = false
  #usage: Usage = NO_USAGE
  #answers = new Map<number, AnswerRecord>()
  /** Of calls that failed: by the keys of their steps. */
  readonly #partials = new Map<string, MessageData>()
  #end: TurnEnd | undefined

  constructor(runId: string, messageId: string) {
    this.#runId = runId
    this.#messageId = messageId
  }

  /** The reply, once the entry is there that completes it. */
  take(entry: Entry): Replied | undefined {
    if (entry.type === 'step') this.#takeStep(entry)
    const taken = takenMessage(entry)
    if (taken !== undefined) this.#isOurs = taken === this.#messageId
    if (entry.type !== 'state' || !this.#isOurs) return undefined
    const { key } = entry
    if (/^turn#\d+\.end$/.test(key)) this.#end = entry.patch as unknown as TurnEnd
    return isDoneKey(key) ? this.#reply(entry.patch as unknown as DonePatch) : undefined
  }

  #takeStep({ key, op, outcome }: Extract<Entry, { type: 'step' }>): void {
    if (!this.#isOurs) return
    if ('error' in outcome && op.kind === 'model')
      this.#usage = addUsage(this.#usage, usageOfError(errorFromJson(outcome.error)))
    if (!('ok' in outcome)) return
    if (isPartialKey(key)) this.#partials.set(key, decode(outcome.ok) as MessageData)
    if (op.kind !== 'model') return
    const record = decode(outcome.ok) as AnswerRecord
    this.#usage = addUsage(this.#usage, usageOf(record))
    const n = /^model#(\d+)$/.exec(key)?.[1]
    if (n !== undefined) this.#answers.set(Number(n), record)
  }

  #reply(done: DonePatch): Replied {
    if (done.refused === true) return { error: busy(this.#runId) }
    const end = done.end ?? done.turn ?? this.#end
    if (end?.error !== undefined) {
      const cause = errorFromJson(end.error)
      const message = `A turn of session ${this.#runId} failed: ${cause.message}`
      const hint = 'The session goes on: send the next message, or the same one under another id.'
      return {
        error: new RunError('RUN_FAILED', message, {
          hint,
          cause: modelOutcomeError(cause, () => this.#partials.get(end.partial ?? '')) ?? cause,
          details: { runId: this.#runId, message: this.#messageId },
        }),
      }
    }
    const answer = this.#answers.get(end?.answer ?? 0)
    const message =
      answer === undefined
        ? Message.fromMessageData((end?.message ?? { role: 'assistant', content: [] }) as MessageData)
        : answerMessage(answer, undefined)
    return { result: resultOfMessage(message, end?.stopReason ?? 'endTurn', end?.structuredOutput, this.#usage) }
  }
}

/** Whether nothing is under way in a session whose newest entry this is. */
export function isIdleSession(newest: Entry): boolean {
  // A store may have taken a message at any time; if another one is under way all the same, the session itself says so.
  if (newest.type === 'state') return isDoneKey(newest.key) || isSavedKey(newest.key)
  return newest.type === 'start' || newest.type === 'end' || newest.type === 'reopen'
}

/** What a message is told that shall not wait. */
export function busy(runId: string): RunError {
  return new RunError('SESSION_BUSY', `Session ${runId} is answering another message.`, {
    hint: "Send it again once that one is answered, or with whenBusy: 'queue'.",
    details: { runId },
  })
}
