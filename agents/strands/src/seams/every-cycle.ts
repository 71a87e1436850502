/** The seams of what the loop does to all messages in each cycle, for linear.ts. */
import type { Agent, Message } from '@strands-agents/sdk'
import { inside } from './inside.ts'

/** `one` is how the SDK copies a message. */
export type CopyAll = (messages: readonly Message[], one: (message: Message) => Message) => Message[]

/**
 * `Agent._invokeModelWithMiddleware` begins with `this.messages.map((msg) => msg.clone())`, before anything else can run.
 * While it takes that first step, the list has a `map` of its own, which asks `copyAll`. `missed` is called once, and all
 * is as it was, if this version of the SDK does it in another way.
 */
export function copyMessagesBy(agent: Agent, messages: () => Message[], copyAll: CopyAll, missed: () => void): void {
  const self = inside(agent)
  const original = self._invokeModelWithMiddleware
  if (typeof original !== 'function') {
    missed()
    return
  }
  self._invokeModelWithMiddleware = (...args) => {
    const events = original.apply(agent, args)
    const next: unknown = events?.next
    let isFirst = true
    const asBefore = (): void => {
      self._invokeModelWithMiddleware = original
      missed()
    }
    if (typeof next !== 'function') asBefore()
    else
      events.next = (...values) => {
        if (!isFirst) return next.apply(events, values)
        isFirst = false
        const { result, wasAsked } = withMap(messages(), copyAll, () => next.apply(events, values))
        if (!wasAsked) asBefore()
        return result
      }
    return events
  }
}

type Each = (message: Message) => Message

/** Runs `body` while `messages.map` is `copyAll` for whoever clones them all. */
function withMap<T>(messages: Message[], copyAll: CopyAll, body: () => T): { result: T; wasAsked: boolean } {
  let wasAsked = false
  const map = (each: Each, ...rest: unknown[]): unknown[] => {
    if (!isCloning(each)) return Array.prototype.map.call(messages, each as never, ...rest)
    Reflect.deleteProperty(messages, 'map')
    wasAsked = true
    return copyAll(messages, each)
  }
  Object.defineProperty(messages, 'map', { value: map, configurable: true, writable: true })
  try {
    return { result: body(), wasAsked }
  } finally {
    Reflect.deleteProperty(messages, 'map')
  }
}

/**
 * `normalizeToolUseNames(messages)` begins with `messages.map(…)`, whose function gives a message with a bad tool name
 * back as another one, and is the first to use the list that a model call is given. It is asked about the messages from
 * `from` on only; if it would change one of them, it gets all of them, as ever. `told` hears what it found. Other versions
 * of the SDK, and other uses of the list, find it as it is.
 */
export function checkNamesFrom(list: Message[], from: number, told: (areGood: boolean) => void): void {
  const map = (each: Each, ...rest: unknown[]): unknown[] => {
    Reflect.deleteProperty(list, 'map')
    if (Function.prototype.toString.call(each).includes('INVALID_TOOL_NAME')) {
      const areGood = list.slice(from).every((message) => each(message) === message)
      told(areGood)
      if (areGood) return list
    }
    return Array.prototype.map.call(list, each as never, ...rest)
  }
  Object.defineProperty(list, 'map', { value: map, configurable: true, writable: true })
}

function isCloning(each: (message: Message) => unknown): boolean {
  const clone = {}
  try {
    return each({ clone: () => clone } as Message) === clone
  } catch {
    return false
  }
}

/**
 * `Tracer._addEventMessages(span, messages)` writes all messages out and gives the text to the span. A span that does not
 * record (there is no tracer provider, or it was not sampled) drops it. False if this version traces in another way.
 */
export function traceOnlyRecording(agent: Agent): boolean {
  const tracer = inside(agent)._tracer
  const original = tracer?._addEventMessages
  if (tracer === undefined || typeof original !== 'function') return false
  tracer._addEventMessages = (span, messages) => {
    if ((span as { isRecording?(): boolean }).isRecording?.() !== false) original.call(tracer, span, messages)
  }
  return true
}
