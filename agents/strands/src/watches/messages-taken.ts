/**
 * Whether anybody may have edited old messages of an agent in place. Nothing tells of such an edit, and to look at all
 * messages before each model call is to make each call cost what the conversation is long. But who edits a message has
 * it from `agent.messages`, which is made to tell who reads it:
 *
 *   the loop of the SDK   inside of the agent's invocation, while no hook runs, no step and no choice of a model
 *   we                    by `messagesOf`
 *   others                everywhere else: hooks, plugins, managers, strategies, bodies of tools, whoever has the agent
 *
 * From the first time that others have read it they may have kept the list, and all is looked at, for good. Who has kept
 * it since before the agent was made durable is not known. Middleware around whole invocations runs where the loop does:
 * where there is any, all is looked at (linear.ts).
 */
import type { Agent, Message } from '@strands-agents/sdk'
import { aroundHooks } from '../seams/invocation.ts'
import { asHook, invocationNow } from '../turns/within.ts'

interface Messages {
  list: Message[]
  isTaken: boolean
  /** We have put other messages into the list since this was asked. */
  isReplaced: boolean
  hooksRunning: number
  /** Called before others have the messages for the first time. */
  onTaken: (() => void) | undefined
}

const known = new WeakMap<object, Messages>()

/** From now on it is known who reads the messages of an agent. `hasOthers`: somebody else runs where the loop does. */
export function watchMessages(agent: Agent, hasOthers: () => boolean): void {
  const { value, configurable } = Object.getOwnPropertyDescriptor(agent, 'messages') ?? {}
  if (!Array.isArray(value) || configurable !== true) return
  const messages: Messages = {
    list: value as Message[],
    isTaken: false,
    isReplaced: false,
    hooksRunning: 0,
    onTaken: undefined,
  }
  const taken = (): void => {
    messages.isTaken = true
    const { onTaken } = messages
    messages.onTaken = undefined
    onTaken?.()
  }
  const isKnown = aroundHooks(agent, (hooks) => {
    const over = (): void => {
      messages.hooksRunning--
    }
    messages.hooksRunning++
    const called = asHook(hooks)
    called.then(over, over)
    return called
  })
  if (!isKnown) return
  known.set(agent, messages)
  Object.defineProperty(agent, 'messages', {
    get: () => {
      if (!messages.isTaken && (messages.hooksRunning > 0 || !isLoopOf(agent) || hasOthers())) taken()
      return messages.list
    },
    set: (list: Message[]) => {
      taken()
      messages.list = list
    },
    enumerable: true,
    configurable: true,
  })
}

/** Of the loop, or of what runs where it does. */
function isLoopOf(agent: Agent): boolean {
  const now = invocationNow()
  if (now === undefined || now.isHook || now.isRouting || now.loop !== undefined) return false
  return now.scope.agent === agent && now.scope.durable.current() === undefined
}

/** The messages of an agent, for us. */
export function messagesOf(agent: Agent): Message[] {
  return known.get(agent)?.list ?? agent.messages
}

/**
 * `onTaken` is called right before others read the messages of an agent for the first time, and in place of what was given
 * before. False: they may have them already, or nothing is known of it.
 */
export function beforeTaken(agent: Agent, onTaken: () => void): boolean {
  const own = known.get(agent)
  if (own === undefined || own.isTaken) return false
  own.onTaken = onTaken
  return true
}

/** The agent gets other messages. */
export function replaceMessages(agent: Agent, messages: readonly Message[]): void {
  const list = messagesOf(agent)
  if (list.length === messages.length && list.every((message, index) => message === messages[index])) return
  list.length = 0
  for (const message of messages) list.push(message)
  const own = known.get(agent)
  if (own !== undefined) own.isReplaced = true
}

/** Whether any message may be another than when this was asked before, or may say something else. */
export function mayBeEdited(agent: Agent): boolean {
  const own = known.get(agent)
  if (own === undefined) return true
  const { isTaken, isReplaced } = own
  own.isReplaced = false
  return isTaken || isReplaced
}
