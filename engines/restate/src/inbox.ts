/**
 * The inbox of a run: a virtual object of short handlers beside the long one that drives the run, with the run's id as its
 * key. It numbers what arrives, so that a signal counts once and in order, and hands it to whichever invocation drives the
 * run now, as Restate signals `s0`, `s1`, …
 *
 *   s:<id>   the signal of that id, the first one
 *   n<k>     its id, at its number; null: the program was woken
 *   count    how many numbers are given
 *   to       who drives the run, and from which number on it has heard nothing
 *   claim    how often in a row an advance was taken up by an attempt that did not live to finish it (rule 9)
 */
import {
  handlers,
  InvocationIdParser,
  type ObjectContext,
  object,
  type VirtualObjectDefinition,
} from '@restatedev/restate-sdk'
import type { Signal } from '@selvage/core'
import type { Claimed } from '@selvage/core/engines'
import { COMMAND_OPTIONS } from './options.ts'

/** What an attempt of the driving handler says before it takes up an advance that an earlier one may have begun. */
export interface Claiming {
  readonly invocation: string
  /** Unique to the advance: generation and number. */
  readonly advance: string
  /** How many numbers this run has heard of. */
  readonly from: number
}

export interface Claim {
  readonly advance: string
  readonly count: number
}

interface Listener {
  readonly invocation: string
}

export const signalKey = (id: string): string => `s:${id}`

export function inboxObject(name: string): VirtualObjectDefinition<string, unknown> {
  return object({
    name,
    options: COMMAND_OPTIONS,
    handlers: {
      signal: handlers.object.exclusive(async (ctx: ObjectContext, signal: Signal): Promise<void> => {
        if ((await ctx.get(signalKey(signal.id))) !== null) return
        ctx.set(signalKey(signal.id), signal)
        await number(ctx, signal)
      }),
      wake: handlers.object.exclusive((ctx: ObjectContext): Promise<void> => number(ctx, null)),
      claim: handlers.object.exclusive(claim),
      /** The attempt failed, but its process lives: nothing crashed. Or it waits: those before it did. */
      spare: handlers.object.exclusive(async (ctx: ObjectContext, left: number | null): Promise<void> => {
        const before = await ctx.get<Claim>('claim')
        if (before === null) return
        if (left === null || left === 0) ctx.clear('claim')
        else ctx.set('claim', { ...before, count: left } satisfies Claim)
      }),
    },
  })
}

async function number(ctx: ObjectContext, signal: Signal | null): Promise<void> {
  const count = (await ctx.get<number>('count')) ?? 0
  const to = await ctx.get<Listener>('to')
  ctx.set('count', count + 1)
  ctx.set(`n${count}`, signal === null ? null : signal.id)
  if (to !== null) hand(ctx, to.invocation, count, signal)
}

/** With everything that the run has not heard of yet. */
async function claim(ctx: ObjectContext, { invocation, advance, from }: Claiming): Promise<Claimed> {
  const before = await ctx.get<Claim>('claim')
  const delivery = before?.advance === advance ? before.count + 1 : 1
  ctx.set('claim', { advance, count: delivery } satisfies Claim)
  const to = await ctx.get<Listener>('to')
  const count = (await ctx.get<number>('count')) ?? 0
  const signals: Signal[] = []
  for (let at = from; at < count; at++) {
    const id = await ctx.get<string>(`n${at}`)
    const signal = id === null ? null : await ctx.get<Signal>(signalKey(id))
    if (signal !== null) signals.push(signal)
    if (to?.invocation !== invocation) hand(ctx, invocation, at, signal)
  }
  if (to?.invocation !== invocation) ctx.set('to', { invocation } satisfies Listener)
  return { delivery, signals }
}

function hand(ctx: ObjectContext, invocation: string, at: number, signal: Signal | null): void {
  ctx.invocation(InvocationIdParser.fromString(invocation)).signal<Signal | null>(`s${at}`).resolve(signal)
}
