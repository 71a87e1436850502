/**
 * Linear cost: what the SDK's loop does to all messages in each cycle is done to the new ones only.
 *
 * In each cycle the loop copies every message for the model's stage, looks through the tool names of every message, and
 * writes every message out for a tracer, twice, whether anybody traces or not: together the square of the cycles. A durable agent has, for itself alone,
 *
 *  - copies that are made once. They are frozen, and lent where nobody but our own gate and the model sees them; as soon
 *    as other code has a handler at the stage, everybody gets copies of their own again, made from the frozen ones
 *    without the detour over JSON text. A model that writes to what it is given is asked again with copies of its own,
 *    and never lent any after that.
 *  - names of tools that are looked through in messages that are new: the others were found to be valid before.
 *  - a tracer that writes messages out for a span that records, and for no other.
 *
 * Where a version of the SDK does things in another way this switches itself off, and says so in one line.
 */
import {
  type Agent,
  BeforeInvocationEvent,
  ExecuteToolStage,
  InvokeModelStage,
  type Message,
  type MiddlewareHandlerOf,
  type MiddlewareNextOf,
} from '@strands-agents/sdk'
import { type CopyMessage, MessageCopies } from '../conversation/message-copies.ts'
import { checkNamesFrom, copyMessagesBy, traceOnlyRecording } from '../seams/every-cycle.ts'
import { hasOtherStages, isOnlyHandler } from '../seams/invocation.ts'
import { mayBeEdited, messagesOf, watchMessages } from '../watches/messages-taken.ts'

type Handler = MiddlewareHandlerOf<typeof InvokeModelStage>
type Next = MiddlewareNextOf<typeof InvokeModelStage>
type Events = ReturnType<Next>

/** Whose handlers run inside of a step. */
const STAGES = [InvokeModelStage, ExecuteToolStage]

const lenders = new WeakMap<readonly Message[], MessageCopies>()

/**
 * Where the agent's messages have changed since this was asked before, read from the copies that the model's stage was
 * given: only in the very turn of the event loop in which they were made. Undefined: it is not known.
 */
export function changedPlaces(given: readonly Message[]): ReadonlySet<number> | undefined {
  return lenders.get(given)?.takeChanged()
}

/** Lists that are not of copies: of calls whose answer is recorded. */
const uncopied = new WeakSet<readonly Message[]>()

/**
 * Gives an agent linear cost, once and for good. Returns what is to be registered at the model's stage in place of its
 * gate. `isRecorded`: the journal answers the call that is about to be made, so that nobody reads what it is given.
 */
export function makeLinear(
  agent: Agent,
  gate: Handler,
  log: (line: string) => void,
  isRecorded: () => boolean,
): Handler {
  const hasOthers = (): boolean => hasOtherStages(agent, STAGES)
  watchMessages(agent, hasOthers)
  const copies = new MessageCopies()
  const mayBeOther = (): boolean => mayBeEdited(agent) || hasOthers()
  let lends = true
  /** Messages at the start of the last list whose tool names were found to be valid. */
  let goodNames = 0

  const handler: Handler = (ctx, next) =>
    gate(ctx, (asks) => {
      const given = uncopied.has(asks.messages) ? { ...asks, messages: lent(asks.messages) } : asks
      if (!lenders.has(given.messages)) return next(given)
      const again = (): Events => next({ ...given, messages: given.messages.map((message) => message.clone()) })
      return asked(next(given), again, () => {
        lends = false
      })
    })
  const lent = (messages: readonly Message[]): Message[] => {
    const list = copies.of(messages, (message) => message.clone(), true, mayBeOther())
    lenders.set(list, copies)
    goodNames = Math.min(goodNames, copies.changedFrom)
    checkNamesFrom(list, goodNames, (areGood) => {
      goodNames = areGood ? list.length : 0
    })
    return list
  }
  const copyAll = (messages: readonly Message[], copy: CopyMessage): Message[] => {
    if (!lends || !isOnlyHandler(agent, InvokeModelStage, handler))
      return copies.of(messages, copy, false, mayBeOther())
    if (!isRecorded()) return lent(messages)
    const list = [...messages]
    uncopied.add(list)
    return list
  }
  const tellMissed = (what: string): void =>
    log(
      `Agent "${agent.name}": this version of the Strands SDK ${what} in a way that Selvage does not know; the cost of long runs grows with the square of their cycles.`,
    )
  agent.addHook(BeforeInvocationEvent, () => copies.doubt())
  copyMessagesBy(
    agent,
    () => messagesOf(agent),
    copyAll,
    () => tellMissed('copies messages'),
  )
  if (!traceOnlyRecording(agent)) tellMissed('traces messages')
  return handler
}

/**
 * The events of a model call. If the model writes to messages that are lent to it, `wrote` is told, and the call is made
 * again unless it has given something.
 */
async function* asked(events: Events, again: () => Events, wrote: () => void): Events {
  let isFirst = true
  const taken = async (next: ReturnType<Events['next']>): ReturnType<Events['next']> => {
    try {
      return await next
    } catch (error) {
      if (!isWriteToFrozen(error)) throw error
      wrote()
      if (!isFirst) throw error
      events = again()
      return await events.next()
    } finally {
      isFirst = false
    }
  }
  try {
    let next = await taken(events.next())
    while (!next.done) {
      try {
        yield next.value
      } catch (error) {
        next = await taken(events.throw(error))
        continue
      }
      next = await taken(events.next())
    }
    return next.value
  } finally {
    await events.return(undefined as never)
  }
}

const WRITES = /read only property|not extensible|Cannot (?:delete|redefine) property/

/** What engines say when a frozen object is written to; the SDK wraps it. */
function isWriteToFrozen(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return (error instanceof TypeError && WRITES.test(error.message)) || isWriteToFrozen(error.cause)
}
