/**
 * Agents that others have as tools or nodes. They get the gates of a durable agent, which act in the frame that the agent
 * is invoked in; invoked without one, or in the body of a step, it is what it was.
 */
import { type Durable, UsageError } from '@selvage/core'
import type { Agent, Tool } from '@strands-agents/sdk'
import { recordInput } from '../conversation/input.ts'
import { hasGates, putGates } from '../gates/gates.ts'
import { recordMcp } from '../gates/mcp.ts'
import type { Policy } from '../policies/policy.ts'
import type { Invocation } from '../seams/inside.ts'
import { usedSoFar } from '../seams/metrics.ts'
import { agentOfTool } from '../seams/tools.ts'
import { StateWatch } from '../watches/state-watch.ts'
import { type Frame, frameNow } from './frames.ts'
import { placeOfTool, setPlace } from './places.ts'
import { type Pass, Turns } from './turns.ts'

export interface InnerBinding {
  /** See linear.ts. */
  readonly linear: boolean
  readonly log: (line: string) => void
  readonly durable: Durable
}

const inner = new WeakSet<Agent>()

/** False for an agent that is durable by itself: its run is another one. UsageError for one that cannot be durable. */
export function bindInner(agent: Agent, place: string, binding: InnerBinding): boolean {
  if (inner.has(agent)) return true
  if (hasGates(agent)) return false
  let active: Turns | undefined
  const scope = (): Turns['scope'] => active?.scope
  const watch = new StateWatch(agent.appState, () => scope()?.durable.current()?.key)

  async function* invoke(original: Invocation, ...given: Parameters<Invocation>): ReturnType<Invocation> {
    const [args, options, state, continuation] = given
    const frame = frameFor(agent)
    if (frame === undefined) return yield* original(...given)
    const turns = turnsIn(frame, agent, watch)
    active = turns
    const pass: Pass = (input, goesOn) => original(input, options, state, goesOn ? undefined : continuation)
    try {
      return yield* turns.invoke(args, options, state, pass, frame)
    } finally {
      active = undefined
    }
  }

  putGates(agent, {
    ...binding,
    isOwn: false,
    scope,
    ahead: async () => {
      const frame = frameFor(agent)
      return frame === undefined ? undefined : await turnsIn(frame, agent, watch).ahead(frame)
    },
    wrap:
      (original) =>
      (...given) =>
        invoke(original, ...given),
  })
  keepEvents(agent)
  inner.add(agent)
  setPlace(agent, place)
  recordMcp(agent, binding.durable)
  bindInnerOf(agent, binding)
  return true
}

/** A tool of the SDK's that is closed leaves its agent's stream as it is, and with it the agent busy for ever. */
function keepEvents(agent: Agent): void {
  const stream = agent.stream.bind(agent)
  const value = (...given: Parameters<Agent['stream']>): ReturnType<Agent['stream']> => {
    const events = stream(...given)
    const frame = frameFor(agent)
    if (frame !== undefined) frame.events = events
    return events
  }
  Object.defineProperty(agent, 'stream', { value, configurable: true, writable: true })
}

/** Binds the agents that an agent has as tools, and theirs. */
export function bindInnerOf(agent: Agent, binding: InnerBinding): void {
  for (const tool of agent.tools) {
    const found = agentOfTool(tool)
    if (found !== undefined) bindInner(found.agent, placeOfTool(agent, tool.name), binding)
  }
}

/**
 * The call of a tool that is an agent is no step: what the agent does are steps. UNSUPPORTED where something is declared of it
 * that only a step can follow. Not of an agent that is durable by itself, whose call is one.
 */
export function refuseOneStep(policy: Policy, tools: readonly Tool[]): void {
  for (const tool of tools) {
    const found = agentOfTool(tool)
    const declared = found !== undefined && inner.has(found.agent) ? policy.ofOneStep(tool.name) : []
    if (declared.length === 0) continue
    throw new UsageError(
      'UNSUPPORTED',
      `Tool "${tool.name}" is an agent, of which ${declared.join(', ')} cannot be declared.`,
      {
        hint: `Declare it of the tools that the agent itself has: each of their calls is a step of its own.`,
        details: { tool: tool.name, declared },
      },
    )
  }
}

/** The tools of an agent, and those of the agents among them: the agents themselves have no effect of their own. */
export function toolsWithin(agent: Agent, seen: Set<Agent> = new Set()): Tool[] {
  if (seen.has(agent)) return []
  seen.add(agent)
  return agent.tools.flatMap((tool) => {
    const found = agentOfTool(tool)
    return found === undefined ? [tool] : [tool, ...toolsWithin(found.agent, seen)]
  })
}

/** The frame that was opened for this agent; in the body of a step everything is the step's. */
function frameFor(agent: Agent): Frame | undefined {
  const frame = frameNow()
  if (frame === undefined || frame.nest.durable.current() !== undefined) return undefined
  frame.agent ??= agent
  return frame.agent === agent ? frame : undefined
}

function turnsIn(frame: Frame, agent: Agent, watch: StateWatch): Turns {
  const { nest, prefix, call } = frame
  const keepsContext = call !== undefined
  const turns =
    (keepsContext ? nest.kept.get(prefix) : frame.turns) ??
    new Turns({
      agent,
      watch,
      prefix,
      ...(!keepsContext && { before: usedSoFar(agent) }),
      open: async () => ({ durable: nest.durable }),
      nest: () => nest,
      // Now its plugins have brought their tools.
      begins: () => nest.policy.refuseLive(agent.name, agent.tools),
      // The journal has it already: in the call of the tool, or in what came before the node.
      firstInput: (args) => (keepsContext ? undefined : recordInput(args)),
      writesEnds: keepsContext,
      isUnwatched: () => false,
    })
  if (keepsContext) nest.kept.set(prefix, turns)
  else frame.turns = turns
  return turns
}
