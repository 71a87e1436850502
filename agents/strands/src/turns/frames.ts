/**
 * Agents inside of an agent, a graph or a swarm: each has a scope of its own in the journal of the run.
 *
 * Whatever runs an inner agent (the gate of a tool that is an agent, a node of a graph) opens a *frame* around it: the
 * prefix of the keys of everything that the inner agent does. An inner agent finds its frame by the asynchronous context
 * that it is invoked in; without one it is an ordinary agent. So nothing is told twice, and an agent that is a node here
 * and a tool there is in the scope of whoever asked.
 *
 *   call:<toolUseId>@<cycle>/      a tool that is an agent, made anew for each call
 *   agent:<tool>/                  a tool that is an agent and keeps its context: one turn for each call
 *   node:<id>#<visit>/             a node of a graph or a swarm
 *
 * Frames nest: `node:research#1/call:t7@2/model#1` is the first answer of the agent that node `research` asked as a tool.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { type Durable, decode, type Entry, errorFromJson } from '@selvage/core'
import type { Saga } from '@selvage/programs'
import { Meter } from '@selvage/programs'
import type { Agent, Usage } from '@strands-agents/sdk'
import { type AnswerRecord, usageOf, usageOfError } from '../conversation/record.ts'
import { addUsage, NO_USAGE } from '../conversation/usage.ts'
import { entered } from '../gates/entered.ts'
import { NodeOrder } from '../gates/node-order.ts'
import type { Policy } from '../policies/policy.ts'
import type { InterruptJson } from '../seams/interrupts.ts'
import type { Turns } from './turns.ts'

/** What all scopes of one run share. */
export class Nest {
  readonly durable: Durable
  readonly policy: Policy
  /** Undefined where no budget concerns the run. */
  readonly meter: Meter | undefined
  /** Undoes what its tools did. */
  readonly saga: Saga | undefined
  readonly waits: boolean
  readonly onCodeChange: 'continue' | 'stop'
  readonly log: (line: string) => void
  /** Puts gates around an inner agent, which stands there (places.ts); false if it is durable by itself. */
  readonly adopt: (agent: Agent, place: string) => boolean
  /** Errors that are recorded outcomes, with the error of their step. */
  readonly outcomes: WeakMap<object, unknown> = new WeakMap()
  /** Of agents that keep their context from call to call, by prefix. */
  readonly kept: Map<string, Turns> = new Map()
  /** What ends the run, whatever an orchestrator would make of it. */
  fatal: { readonly error: unknown } | undefined
  /** Of model calls in this process, by key: all but answers to the run's own agent, which counts them itself. */
  readonly #spent = new Map<string, Usage>()
  readonly #frames = new Map<string, Frame>()
  readonly #orders = new Map<string, NodeOrder>()
  #entries: Map<string, Entry[]> | undefined

  constructor(
    durable: Durable,
    settings: Pick<Nest, 'policy' | 'waits' | 'onCodeChange' | 'log' | 'adopt'> & { readonly saga?: Saga | undefined },
  ) {
    this.durable = durable
    this.policy = settings.policy
    this.meter = Meter.of(durable, settings.policy.money.budget)
    this.saga = settings.saga
    this.waits = settings.waits
    this.onCodeChange = settings.onCodeChange
    this.log = settings.log
    this.adopt = settings.adopt
  }

  /** The frame of a node: one and the same until it is forgotten. */
  frame(prefix: string): Frame {
    const frame = this.#frames.get(prefix) ?? new Frame(this, prefix)
    this.#frames.set(prefix, frame)
    return frame
  }

  /** What is inside of it is recorded as a whole: nobody asks for it again. */
  forget({ prefix }: Frame): void {
    this.#frames.delete(prefix)
  }

  /** The recorded nodes of the orchestrator in that scope. */
  orderOf(prefix: string): NodeOrder {
    let order = this.#orders.get(prefix)
    if (order === undefined) {
      const isNode = ({ key }: { readonly key: string }): boolean => key.startsWith('node:', prefix.length)
      const entries = prefix === '' ? this.durable.history : this.entriesOf(prefix)
      const keys = entries.flatMap((entry) =>
        entry.type === 'step' && isNode(entry) && FRAMES.exec(entry.key)?.[0] === prefix ? [entry.key] : [],
      )
      order = new NodeOrder(keys)
      this.#orders.set(prefix, order)
    }
    return order
  }

  /** A model call of an inner agent, or one past the stages, has an answer. */
  spend(key: string, usage: Usage | undefined): void {
    this.#spent.set(key, usage ?? NO_USAGE)
  }

  /** Somebody inside of the run wrote what is not there in another process. */
  tellLost(who: string, keys: string): void {
    this.log(
      `${who} of run ${this.durable.runId} wrote ${keys}, which cannot be recorded: it is not there when the run goes on in another process.`,
    )
  }

  /** Tokens of all such calls of the run, cut answers to its own agent and calls of processes that died included. */
  get usage(): Usage {
    let sum = NO_USAGE
    for (const usage of this.#spent.values()) sum = addUsage(sum, usage)
    for (const entry of this.durable.history) {
      const failed = entry.type === 'retry' ? (entry.next as { usage?: Usage } | undefined)?.usage : undefined
      if (entry.type === 'retry' && failed !== undefined && !this.#spent.has(attemptKey(entry.key, entry.attempt)))
        sum = addUsage(sum, failed)
      if (entry.type !== 'step' || entry.op.kind !== 'model' || this.#spent.has(entry.key)) continue
      const { outcome } = entry
      if ('error' in outcome) sum = addUsage(sum, usageOfError(errorFromJson(outcome.error)))
      else if ('ok' in outcome && !OWN_ANSWER.test(entry.key))
        sum = addUsage(sum, usageOf(decode(outcome.ok) as AnswerRecord))
    }
    return sum
  }

  /** Entries of the journal whose key is that of an inner scope, as they were when this process went on with the run. */
  entriesOf(prefix: string): readonly Entry[] {
    this.#entries ??= byPrefix(this.durable.history)
    return this.#entries.get(prefix) ?? []
  }
}

export class Frame {
  readonly nest: Nest
  /** Ends in a slash. */
  readonly prefix: string
  /** Of an agent that keeps its context, whose scope is there for many calls: which of them this is. */
  readonly call: string | undefined
  /** Whose frame it is: the first agent that was invoked in it. */
  agent: Agent | undefined
  turns: Turns | undefined
  /** Of the invocation that was begun last. */
  events: ReturnType<Agent['stream']> | undefined
  /** The inner agent has stopped with these open, for nobody waits for answers here. */
  interrupts: readonly InterruptJson[] = []
  /** What ends the run, whatever a model would make of it. */
  fatal: { readonly error: unknown } | undefined
  /** Of nodes, in a frame of a graph or swarm: how often each has been visited. */
  readonly visits: Map<string, number> = new Map()

  constructor(nest: Nest, prefix: string, call?: string) {
    this.nest = nest
    this.prefix = prefix
    this.call = call
  }

  /** Nobody comes back for what the inner agent does: what is in flight is finished, as where a consumer leaves. */
  async leave(): Promise<void> {
    await this.events?.return(undefined as never)
  }
}

const frames = new AsyncLocalStorage<Frame>()

export function frameNow(): Frame | undefined {
  return frames.getStore()
}

/** The same events, each made inside of the frame. */
export function inFrame<Event, Result>(
  frame: Frame,
  make: () => AsyncGenerator<Event, Result, undefined>,
): AsyncGenerator<Event, Result, undefined> {
  return entered((step) => frames.run(frame, step), make)
}

/** A name as a part of a prefix, which ends at a slash. */
export function segment(name: string): string {
  return /[%/]/.test(name) ? encodeURIComponent(name) : name
}

/** What a failed attempt has used is counted under this. */
export function attemptKey(key: string, attempt: number): string {
  return `${key} attempt ${attempt}`
}

/** Of the run's own agent. */
const OWN_ANSWER = /^model#\d+$/

const FRAMES = /^(?:(?:call|agent|node):[^/]*\/)*/

/** The key as the scope knows it in which it was made. */
export function localKey(key: string): string {
  return key.replace(FRAMES, '')
}

/** Entries of inner scopes, by prefix, in the order in which the scopes began. */
export function byPrefix(entries: readonly Entry[]): Map<string, Entry[]> {
  const found = new Map<string, Entry[]>()
  for (const entry of entries) {
    if (!('key' in entry)) continue
    const prefix = FRAMES.exec(entry.key)?.[0] ?? ''
    if (prefix === '') continue
    const list = found.get(prefix)
    if (list === undefined) found.set(prefix, [entry])
    else list.push(entry)
  }
  return found
}
