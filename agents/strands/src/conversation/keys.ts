/**
 * What the keys of a scope say, behind its prefix, to whoever folds it or looks for one. The state of turns: fold.ts. They are
 * asked for each entry of a journal, where a regular expression costs several times as much as to look at the letters.
 */
import type { Entry } from '@selvage/core'
import { localKey } from '../turns/frames.ts'

export const MODEL = 'model#'
const TOOL = 'tool:'
export const DIRECT = 'direct:'
const TOOL_KEY = /^tool:(.+)@(\d+)(?:~\d+)?(?:\/again#\d+)?$/s
export const TURN_KEY: RegExp = /^turn#(\d+)(\.end)?$/
export const SYNC_KEY: RegExp = /^sync#(\d+)$/
const INBOX = 'inbox#'
export const DONE = 'done#'

/** The message that a session begins to answer with this entry. */
export function takenMessage(entry: Entry): string | undefined {
  return entry.type === 'wait' && isNumbered(entry.key, INBOX) ? entry.signalId : undefined
}

/** `done#m`. */
export function isDoneKey(key: string): boolean {
  return isNumbered(key, DONE)
}

/** The m of `done#m`. */
export function doneNumber(key: string): number | undefined {
  return numberIn(key, DONE)
}

export function isNumbered(key: string, name: string): boolean {
  return numberIn(key, name) !== undefined
}

/** Of a key that is that name and a number. */
export function numberIn(key: string, name: string): number | undefined {
  return key.startsWith(name) ? wholeNumber(key, name.length) : undefined
}

/** The number that a text is from `from` to its end, if it is nothing but digits. */
function wholeNumber(text: string, from: number): number | undefined {
  if (from >= text.length) return undefined
  let number = 0
  for (let at = from; at < text.length; at++) {
    const digit = text.charCodeAt(at) - ZERO
    if (digit < 0 || digit > 9) return undefined
    number = number * 10 + digit
  }
  return number
}

const ZERO = 48

/** The call that a step is of: `tool:<toolUseId>@<cycle>`, and what follows where it was made again. */
export function calledBy(key: string): { readonly toolUseId: string; readonly cycle: number } | undefined {
  if (!key.startsWith(TOOL)) return undefined
  const at = key.lastIndexOf('@')
  const number = at > TOOL.length ? wholeNumber(key, at + 1) : undefined
  if (number !== undefined) return { toolUseId: key.slice(TOOL.length, at), cycle: number }
  const [, toolUseId, cycle] = TOOL_KEY.exec(key) ?? []
  return toolUseId === undefined ? undefined : { toolUseId, cycle: Number(cycle) }
}

/** A model outcome, in whatever scope. */
export function isAnswer(entry: Entry): boolean {
  return entry.type === 'step' && isNumbered(localKey(entry.key), MODEL)
}
