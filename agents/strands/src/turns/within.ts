/**
 * Who is asking: the invocation inside which code runs, for calls that pass no gate of their agent.
 *
 * A model does not know which agent calls it, and one model serves many agents. So each pass of an invocation is entered
 * around every step of its generator: hooks, conversation managers and whatever else the loop calls find it here, the
 * consumer of the stream does not. The hooks around the passes are entered one by one, for the plugin `durable()` is put to
 * an agent whose first stream has begun. Before the first pass a hook has the scope and no invocation: its steps are the
 * run's, what it asks models is not.
 *
 * `node:async_hooks` is imported here and not had through core's Runtime port: that port carries steps, and is given to
 * hosts; an agent that is not yet in any run has none. Bun, Deno and workerd have the module, too.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Agent, StateStore } from '@strands-agents/sdk'
import { entered } from '../gates/entered.ts'
import type { UnlessLost } from '../gates/guards.ts'
import type { Scope } from '../gates/scope.ts'
import type { Invocation } from '../seams/inside.ts'
import { aroundHooks } from '../seams/invocation.ts'

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
  /** Inside of a hook of a tool call: its tool use id. */
  readonly call?: string
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

/** What the hooks of BeforeInvocation are given, where the invocation is to be durable. */
export interface Ahead {
  readonly scope: Scope
  readonly unlessLost: UnlessLost
}

/**
 * The hooks around the passes of one call of `agent.stream()`. Before the first pass they are inside of no invocation; from
 * then on hooks of AfterInvocation, and whatever they call, are inside of the run as well.
 */
class Around {
  readonly agent: Agent
  /** Where the stream was asked for. */
  readonly #outer: Invoked | undefined
  #scope: Scope | undefined
  #unlessLost: UnlessLost = (pending) => pending
  #inside: { scope: Scope; isOver: boolean; readonly over: Promise<void>; readonly isRouting: false } | undefined
  readonly #over = Promise.withResolvers<void>()
  isOver = false
  /** The last pass has a result: another one may follow. */
  hasResult = false

  constructor(agent: Agent, outer: Invoked | undefined) {
    this.agent = agent
    this.#outer = outer
  }

  /** A pass is about to begin. */
  begin(ahead: Ahead | undefined): void {
    this.#scope = ahead?.scope
    this.#unlessLost = ahead?.unlessLost ?? ((pending) => pending)
    this.hasResult = false
  }

  /** A pass has begun. */
  hasRun(scope: Scope): void {
    this.#scope = scope
    this.#inside = { scope, isOver: false, over: this.#over.promise, isRouting: false }
  }

  get now(): Invoked | undefined {
    return this.#inside?.scope.isClosed === false ? this.#inside : this.#outer
  }

  get scope(): Scope | undefined {
    return this.#scope?.isClosed === false ? this.#scope : undefined
  }

  /** Calls hooks, which may wait for steps of the run. */
  async call(hooks: () => Promise<unknown>): Promise<unknown> {
    const called = invoked.run(this, hooks)
    return await (this.scope === undefined ? called : this.#unlessLost(called))
  }

  end(): void {
    this.isOver = true
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

/** The scope of the pass that is before or behind the caller: a hook of Before- or AfterInvocation of that agent. */
export function scopeAround(agent: object): Scope | undefined {
  const store = invoked.getStore()
  return store instanceof Around && store.agent === agent ? store.scope : undefined
}

const arounds = new WeakMap<object, Around>()

const AROUND: ReadonlySet<string | undefined> = new Set([
  'beforeInvocationEvent',
  'afterInvocationEvent',
  'agentResultEvent',
])

const OF_CALLS: ReadonlySet<string | undefined> = new Set(['beforeToolCallEvent', 'afterToolCallEvent'])

/**
 * From now on the hooks around the invocations of an agent know where they are, and those of a tool call which call that
 * is. `ahead` is asked before each pass. False where this version of the SDK calls hooks otherwise.
 */
export function enterHooks(agent: Agent, ahead: () => Promise<Ahead | undefined>): boolean {
  const around = async (hooks: () => Promise<unknown>, type: string | undefined): Promise<unknown> => {
    const before = arounds.get(agent)
    const now = before === undefined || before.isOver ? new Around(agent, invocationNow()) : before
    arounds.set(agent, now)
    let goesOn = false
    try {
      if (type === 'beforeInvocationEvent') now.begin(await ahead())
      const called = await now.call(hooks)
      goesOn = type === 'beforeInvocationEvent' || (type === 'afterInvocationEvent' && now.hasResult)
      return called
    } finally {
      if (!goesOn) now.end()
    }
  }
  const areCallsKnown = aroundHooks(agent, (hooks, _, toolUseId) => asHookOf(toolUseId, hooks), OF_CALLS)
  return aroundHooks(agent, around, AROUND) && areCallsKnown
}

/** Runs an invocation of the scope's agent as one that its code can find. */
export async function* within(scope: Scope, events: Events): Events {
  const { promise: over, resolve } = Promise.withResolvers<void>()
  const now = { scope, isOver: false, over, isRouting: false }
  const around = arounds.get(scope.agent)
  around?.hasRun(scope)
  try {
    const result = yield* entered(
      (step) => invoked.run(now, step),
      () => events,
    )
    if (around !== undefined) around.hasResult = true
    return result
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

/** Runs the hooks of an event of that tool call. */
function asHookOf<T>(call: string | undefined, body: () => T): T {
  const now = invocationNow()
  return now === undefined || call === undefined ? body() : invoked.run(heir(now, { call }), body)
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
    ...(now.call !== undefined && { call: now.call }),
    get isOver() {
      return now.isOver
    },
    ...more,
  }
}
