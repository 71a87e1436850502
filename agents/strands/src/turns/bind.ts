/** Making an agent durable: every invocation of it is a turn of the run that `open` gives. */
import type { Json } from '@selvage/core'
import type { Saga } from '@selvage/programs'
import type { Agent } from '@strands-agents/sdk'
import { checkAgent, putGates } from '../gates/gates.ts'
import type { Policy } from '../policies/policy.ts'
import { setSessionId } from '../seams/memories.ts'
import { StateWatch } from '../watches/state-watch.ts'
import { Nest } from './frames.ts'
import { bindInner, bindInnerOf, refuseOneStep, toolsWithin } from './inner.ts'
import type { Session } from './turn-sessions.ts'
import { Turns } from './turns.ts'
import { unwatched } from './unwatched.ts'

export interface Binding {
  readonly policy: Policy
  /** Without one nothing that the agent did is undone. */
  readonly saga?: Saga
  readonly waits: boolean
  readonly onCodeChange: 'continue' | 'stop'
  readonly log: (line: string) => void
  readonly open: () => Promise<Session>
  /** Where that is known before the agent is initialised: the same in each process. */
  readonly sessionId?: string
  readonly firstInput?: Json
  /** See linear.ts. */
  readonly linear: boolean
  readonly writesEnds: boolean
  /** Whether the agent may have a SessionManager. Default false. */
  readonly keepsSession?: boolean
}

export interface Bound {
  readonly agent: Agent
  readonly turns: Turns
}

/**
 * Called once, before the first invocation of the agent. UsageError for agents that cannot be durable; those that it has
 * as tools are looked at when a session begins, for by then all tools are there.
 */
export function bindAgent(agent: unknown, binding: Binding): Bound {
  checkAgent(agent)
  if (binding.sessionId !== undefined) setSessionId(agent, binding.sessionId)
  const scope = (): Turns['scope'] => turns.scope
  const watch = new StateWatch(agent.appState, () => scope()?.durable.current()?.key)
  const turns: Turns = new Turns({
    agent,
    watch,
    open: binding.open,
    nest: (durable) =>
      new Nest(durable, { ...binding, adopt: (inner, place) => bindInner(inner, place, { ...binding, durable }) }),
    begins: (durable) => {
      bindInnerOf(agent, { ...binding, durable })
      const tools = toolsWithin(agent)
      binding.policy.refuseLive(agent.name, tools)
      refuseOneStep(binding.policy, tools)
      for (const line of binding.policy.remarks(agent.name, tools)) binding.log(line)
    },
    firstInput: () => binding.firstInput,
    writesEnds: binding.writesEnds,
    isUnwatched: unwatched(agent),
  })
  putGates(agent, {
    ...binding,
    isOwn: true,
    scope,
    ahead: () => turns.ahead(),
    wrap: (original) => (args, options, state, continuation) =>
      turns.invoke(args, options, state, (given, goesOn) =>
        original(given, options, state, goesOn ? undefined : continuation),
      ),
  })
  return { agent, turns }
}
