/**
 * Who is asking: the invocation inside which code runs, for calls that pass no gate of their agent.
 *
 * A model does not know which agent calls it, and one model serves many agents. So each pass of an invocation is entered
 * around every step of its generator: hooks, conversation managers and whatever else the loop calls find it here, the
 * consumer of the stream does not. BeforeInvocation lies outside; AfterInvocation is inside where the agent was made durable
 * before its stream was asked for: everywhere but in the first invocation of `durable()`.
 *
 * `node:async_hooks` is imported here and not had through core's Runtime port: that port carries steps, and is given to
 * hosts; an agent that is not yet in any run has none. Bun, Deno and workerd have the module, too.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Agent, StateStore } from '@strands-agents/sdk'
import { entered } from './entered.ts'
import type { Scope } from './scope.ts'
import type { Invocation } from './seams.ts'

type Events = ReturnType<Invocation>

/** An invocation that code runs inside of. What it has begun and did not wait for may outlive it. */
export interface Invoked {
  readonly scope: Scope
  readonly isOver: boolean
  readonly over: Promise<void>
  /** A strategy is choosing the model of the turn. */
  readonly isRouting: boolean
  /** Inside of a hook, or of what a hook has begun. */
  readonly isHook?: true
  /** Inside of the model stage: what the loop gives to the model. */
  readonly loop?: LoopCall
}

/** The loop's own model call. */
export interface LoopCall {
  /** Where the model writes what it wants to be given the next time. */
  state?: StateStore | undefined
  /** Of the attempt: fires when it takes too long. */
  abortSignal?: AbortSignal
}

/**
 * A whole call of `agent.stream()`, its passes and what the SDK does around them. Before the first pass it has no run; from
 * then on hooks of AfterInvocation, and whatever they call, are inside of the run as well.
 */
class Around {
  readonly agent: Agent
  /** Where the stream was asked for. */
  readonly #outer: Invoked | undefined
  #inside: { scope: Scope; isOver: boolean; readonly over: Promise<void>; readonly isRouting: false } | undefined
  readonly #over = Promise.withResolvers<void>()

  constructor(agent: Agent, outer: Invoked | undefined) {
    this.agent = agent
    this.#outer = outer
  }

  /** A pass has begun. */
  hasRun(scope: Scope): void {
    this.#inside = { scope, isOver: false, over: this.#over.promise, isRouting: false }
  }

  get now(): Invoked | undefined {
    return this.scope === undefined ? this.#outer : this.#inside
  }

  get scope(): Scope | undefined {
    return this.#inside?.scope.isClosed === false ? this.#inside.scope : undefined
  }

  end(): void {
    if (this.#inside !== undefined) this.#inside.isOver = true
    this.#over.resolve()
  }
}

const invoked = new AsyncLocalStorage<Invoked | Around | undefined>()

/** The invocation that the caller runs inside of, if it is not over. */
export function invocationNow(): Invoked | undefined {
  const store = invoked.getStore()
  const now = store instanceof Around ? store.now : store
  return now?.isOver ? undefined : now
}

/** The scope of the pass that is behind the caller: a hook of AfterInvocation of that agent. */
export function scopeBehind(agent: object): Scope | undefined {
  const store = invoked.getStore()
  return store instanceof Around && store.agent === agent ? store.scope : undefined
}

/** From now on the streams of an agent are entered as a whole. One that has begun already is not. */
export function enterStreams(agent: Agent): void {
  const stream = agent.stream.bind(agent)
  agent.stream = async function* (args, options) {
    const around = new Around(agent, invocationNow())
    try {
      return yield* entered(
        (step) => invoked.run(around, step),
        () => stream(args, options),
      )
    } finally {
      around.end()
    }
  }
}

/** Runs an invocation of the scope's agent as one that its code can find. */
export async function* within(scope: Scope, events: Events): Events {
  const { promise: over, resolve } = Promise.withResolvers<void>()
  const now = { scope, isOver: false, over, isRouting: false }
  const around = invoked.getStore()
  if (around instanceof Around) around.hasRun(scope)
  try {
    return yield* entered(
      (step) => invoked.run(now, step),
      () => events,
    )
  } finally {
    now.isOver = true
    resolve()
  }
}

/** Runs what makes the loop's own model call: the body of a step, which may begin wherever the journal is written. */
export function asLoopCall<T>(now: Invoked | undefined, loop: LoopCall, body: () => T): T {
  return now === undefined ? body() : invoked.run(heir(now, { loop }), body)
}

/** Runs the hooks of an event. Those behind an invocation find where they are in another way: see `scopeBehind`. */
export function asHook<T>(body: () => T): T {
  const now = invoked.getStore() instanceof Around ? undefined : invocationNow()
  if (now === undefined || now.isHook) return body()
  return invoked.run(heir(now, { isHook: true, ...(now.loop !== undefined && { loop: now.loop }) }), body)
}

/** Runs what chooses the model of a turn. */
export function asRouting<T>(body: () => T): T {
  const now = invocationNow()
  return now === undefined ? body() : invoked.run(heir(now, { isRouting: true }), body)
}

/** The same invocation, ending with it. */
function heir(now: Invoked, more: Partial<Invoked>): Invoked {
  return {
    scope: now.scope,
    over: now.over,
    isRouting: now.isRouting,
    get isOver() {
      return now.isOver
    },
    ...more,
  }
}
