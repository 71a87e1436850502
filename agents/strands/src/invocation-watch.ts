/**
 * Notices what the body of a tool writes to the invocationState, which belongs to the caller of the agent and is shared by
 * all tools and hooks of an invocation. A tool that is recorded is not run again, so what it wrote is recorded with it.
 *
 * Keys are watched, not objects: a key that was written, or whose plain object or array is not what it was when the body
 * read it. Values that cannot be recorded (connections, functions) are told of; they are there again when whoever invokes
 * the agent, or a hook, puts them there.
 */
import { decode, encode, type Json } from '@selvage/core'
import type { InvocationState } from '@strands-agents/sdk'
import type { StatePatch } from './record.ts'

export interface WatchedInvocation {
  /** What the body is given in place of the state. */
  readonly state: InvocationState
  /** What was written, and the keys of what cannot be recorded. */
  take(): { readonly patch: StatePatch | undefined; readonly lost: readonly string[] }
}

export function watchInvocation(given: InvocationState): WatchedInvocation {
  const written = new Set<string>()
  const read = new Map<string, string | undefined>()
  const state = new Proxy(given, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key)
      if (typeof key === 'string' && isPlain(value) && !read.has(key)) read.set(key, textOf(value))
      return value
    },
    set(target, key, value) {
      if (typeof key === 'string') written.add(key)
      return Reflect.set(target, key, value)
    },
    deleteProperty(target, key) {
      if (typeof key === 'string') written.add(key)
      return Reflect.deleteProperty(target, key)
    },
  })
  return {
    state,
    take() {
      for (const [key, before] of read) if (textOf(given[key]) !== before) written.add(key)
      const set: Record<string, Json> = {}
      const lost: string[] = []
      for (const key of written) {
        if (!(key in given)) continue
        try {
          set[key] = encode(given[key], `invocationState.${key}`)
        } catch {
          lost.push(key)
        }
      }
      const remove = [...written].filter((key) => !(key in given))
      const isEmpty = remove.length === 0 && Object.keys(set).length === 0
      const patch = {
        ...(Object.keys(set).length > 0 && { set }),
        ...(remove.length > 0 && { remove }),
      }
      return { patch: isEmpty ? undefined : patch, lost }
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
