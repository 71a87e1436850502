/**
 * Direct calls of tools, `agent.tool.search.invoke(…)`, which pass the stages by. Inside of an invocation (in a hook or in
 * middleware) such a call is a step like the body of a tool; in the body of a step it is a part of that. Outside of any
 * invocation nothing would record it, and a program that is started again would make it again: it is refused, unless the SDK
 * refuses it, in its own words. So it is of an agent inside of a run while another part of that run goes on: a hook of its
 * graph, or of the agent that has it as a tool. Where no run is, an inner agent is an ordinary one.
 *
 *   direct:<tool>:<hash of the input>@<n>[~2]   n: model outcomes recorded by then; ~2: the second there
 */
import { encode, LeaseLostError, type Op, UsageError } from '@selvage/core'
import { effectStep } from '@selvage/programs'
import type { Agent, ToolResultBlock } from '@strands-agents/sdk'
import { recordResult, resultBlock, type ToolRecord } from '../conversation/record.ts'
import { frameNow } from '../turns/frames.ts'
import { invocationNow } from '../turns/within.ts'
import { pump, relay, type Send } from './relay.ts'
import type { Scope } from './scope.ts'

type Handle = Agent['tool'][string]
type Given = Parameters<NonNullable<Handle>['stream']>
type Event = ReturnType<NonNullable<Handle>['stream']> extends AsyncGenerator<infer E, unknown, unknown> ? E : never
type Events = AsyncGenerator<Event, ToolResultBlock, undefined>

/** `isOwn`: the agent has a run of its own, to which whatever it does belongs. */
export function gateDirectCalls(agent: Agent, scopeNow: () => Scope | undefined, isOwn: boolean): void {
  const original = agent.tool
  const stream = (name: string, ...given: Given): Events => {
    const plain = (): Events => (original[name] as NonNullable<Handle>).stream(...given) as Events
    const scope = scopeNow()
    const [input, options] = given
    // The SDK refuses to put it among the messages of a turn that is under way.
    const isKept = options?.recordDirectToolCall !== false
    if (scope === undefined && (isOwn || isBesideStep())) return refused(agent, name, isKept, plain)
    if (scope === undefined || isKept || scope.durable.current() !== undefined) return plain()
    return asStep(scope, name, input ?? {}, plain)
  }
  const handle = (name: string): NonNullable<Handle> => ({
    stream: (...given) => stream(name, ...given) as ReturnType<NonNullable<Handle>['stream']>,
    invoke: async (...given) => {
      const events = stream(name, ...given)
      let next = await events.next()
      while (!next.done) next = await events.next()
      return next.value
    },
  })
  const tool = new Proxy(original, {
    get: (target, name) => (typeof name === 'string' && name !== 'then' ? handle(name) : Reflect.get(target, name)),
  })
  Object.defineProperty(agent, 'tool', { value: tool, configurable: true })
}

/** Inside of a run, and not in the body of one of its steps. */
function isBesideStep(): boolean {
  const durable = invocationNow()?.scope.durable ?? frameNow()?.nest.durable
  return durable !== undefined && durable.current() === undefined
}

async function* asStep(scope: Scope, asked: string, given: unknown, plain: () => Events): Events {
  const { durable, agent, conversation, watch } = scope
  const tool = agent.toolRegistry.resolve(asked)
  const { name } = tool
  const input = encode(given, `the input of agent.tool.${name}`)
  const check = durable.id('', JSON.stringify([name, input])).slice(0, 16)
  const local = scope.nextOf(`direct:${name}:${check.slice(0, 8)}@${conversation.answers}`)
  const op: Op = { key: scope.key(local), kind: 'tool', name, check, input }
  let live: ToolResultBlock | undefined
  const make = (send: Send<Event>): Promise<ToolRecord> =>
    effectStep<ToolRecord>(
      scope.asking,
      op,
      async (at) => {
        live = await pump(plain(), send)
        const state = watch.take(at.key)
        const systemPrompt = scope.prompt.changed()
        return {
          ...recordResult(live),
          ...(state !== undefined && { state }),
          ...(systemPrompt !== undefined && { systemPrompt }),
        }
      },
      scope.policy.effectOf(name, tool),
      undefined,
      scope.nest.saga,
    )
  const isLost = (): boolean => durable.abortSignal.aborted && LeaseLostError.is(durable.abortSignal.reason)
  const record = yield* relay(make, isLost)
  const { state, systemPrompt } = record
  conversation.deed(record)
  if (live !== undefined && systemPrompt !== undefined) scope.prompt.knows(systemPrompt)
  if (live === undefined && state !== undefined) watch.apply(state)
  if (live === undefined && systemPrompt !== undefined) scope.prompt.apply(systemPrompt)
  return resultBlock(record, `direct_${durable.id('', local).slice(0, 16)}`)
}

/** A call of a tool that is not there, or of an agent that is busy, does nothing: the SDK says what is wrong with it. */
async function* refused(agent: Agent, name: string, isKept: boolean, plain: () => Events): Events {
  const isBusy = isKept && agent.isInvoking
  if (isBusy || !isThere(agent, name)) return yield* plain()
  throw outside(agent, name)
}

function isThere(agent: Agent, name: string): boolean {
  try {
    agent.toolRegistry.resolve(name)
    return true
  } catch {
    return false
  }
}

function outside(agent: Agent, name: string): UsageError {
  return new UsageError(
    'UNSUPPORTED',
    `agent.tool.${name} was called outside of an invocation of durable agent "${agent.name}": nothing would record it.`,
    {
      hint: 'Call the function behind the tool, or make the call in a hook of that agent with recordDirectToolCall: false.',
    },
  )
}
