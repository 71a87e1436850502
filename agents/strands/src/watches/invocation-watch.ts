/**
 * Notices what is written to the invocationState in the body of a tool, in an agent that is a tool, or in a node. It belongs
 * to the caller of the agent and is shared by all tools and hooks of an invocation, those of agents inside included. What is
 * recorded as a whole is not run again, so what it wrote is recorded with it; agents inside have a watch within a watch.
 *
 * Keys are watched, not objects: a key that was written, or whose plain object or array is not what it was when the body
 * read it. Values that cannot be recorded (connections, functions) are told of; they are there again when whoever invokes
 * the agent, or a hook, puts them there.
 */
import { decode, encode, type Json } from '@selvage/core'
import type { InvocationState } from '@strands-agents/sdk'
import type { StatePatch } from '../conversation/record.ts'

export interface WatchedInvocation {
  /** What the body is given in place of the state. */
  readonly state: InvocationState
  /** What was written. `tell` is told which of it cannot be recorded. */
  take(tell: (keys: string) => void): StatePatch | undefined
}

export function watchInvocation(given: InvocationState): WatchedInvocation {
  /** Keys, and whether they were there before. */
  const written = new Map<string, boolean>()
  const read = new Map<string, string | undefined>()
  const note = (key: string | symbol): void => {
    if (typeof key === 'string' && !written.has(key)) written.set(key, key in given)
  }
  const state = new Proxy(given, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key)
      if (typeof key === 'string' && isPlain(value) && !read.has(key)) read.set(key, textOf(value))
      return value
    },
    set(target, key, value) {
      note(key)
      return Reflect.set(target, key, value)
    },
    deleteProperty(target, key) {
      note(key)
      return Reflect.deleteProperty(target, key)
    },
  })
  return {
    state,
    take(tell) {
      for (const [key, before] of read) if (textOf(given[key]) !== before && !written.has(key)) written.set(key, true)
      const set: Record<string, Json> = {}
      const lost: string[] = []
      for (const key of written.keys()) {
        if (!(key in given)) continue
        try {
          set[key] = encode(given[key], `invocationState.${key}`)
        } catch {
          lost.push(key)
        }
      }
      if (lost.length > 0) tell(lost.map((key) => `invocationState.${key}`).join(', '))
      const remove = [...written].flatMap(([key, wasThere]) => (wasThere && !(key in given) ? [key] : []))
      if (remove.length === 0 && Object.keys(set).length === 0) return undefined
      return {
        ...(Object.keys(set).length > 0 && { set }),
        ...(remove.length > 0 && { remove }),
      }
    },
  }
}

/** Writes again what a recorded body wrote. */
export function applyInvocation(state: InvocationState, { set, remove }: StatePatch): void {
  for (const [key, value] of Object.entries(set ?? {})) state[key] = decode(value as Json)
  for (const key of remove ?? []) delete state[key]
}

function isPlain(value: unknown): boolean {
  if (Array.isArray(value)) return true
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}

function textOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value)
  } catch {
    return undefined
  }
}
