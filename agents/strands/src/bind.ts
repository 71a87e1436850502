/** Putting the gates around an agent. */
import { type Json, UsageError } from '@selvage/core'
import { Agent, ExecuteToolStage, InvokeModelStage, MessageAddedEvent } from '@strands-agents/sdk'
import { makeLinear } from './linear.ts'
import { modelGate } from './model-gate.ts'
import type { Policy } from './policy.ts'
import { knowRunOf } from './run-of.ts'
import { hasBackgroundTasks, hasCheckpointing, makeOutermost, wrapInvocation } from './seams.ts'
import { StateWatch } from './state-watch.ts'
import { toolGate } from './tool-gate.ts'
import { type Session, Turns } from './turns.ts'
import { unwatched } from './unwatched.ts'

export interface Binding {
  readonly policy: Policy
  readonly waits: boolean
  readonly onCodeChange: 'continue' | 'stop'
  readonly log: (line: string) => void
  readonly open: () => Promise<Session>
  readonly firstInput?: Json
  /** See linear.ts. */
  readonly linear: boolean
  readonly writesEnds: boolean
}

export interface Bound {
  readonly agent: Agent
  readonly turns: Turns
}

/** Before every other hook: a message must have its name when others see it. */
const FIRST = -1_000

const bound = new WeakSet<Agent>()

/**
 * Makes an agent durable, once and for good: every invocation of it is a turn of the run that `open` gives. Called before
 * its first invocation; the gates are outermost whoever came before. UsageError for agents that cannot be durable.
 */
export function bindAgent(agent: unknown, binding: Binding): Bound {
  checkAgent(agent)
  bound.add(agent)
  const scope = (): Turns['scope'] => turns.scope
  const watch = new StateWatch(agent.appState, () => scope()?.durable.current()?.key)
  const turns: Turns = new Turns({
    ...binding,
    firstInput: binding.firstInput,
    agent,
    watch,
    prefix: '',
    isUnwatched: unwatched(agent),
  })
  knowRunOf(agent, scope)
  const gate = modelGate(scope)
  const model = binding.linear ? makeLinear(agent, gate, binding.log) : gate
  const tool = toolGate(scope)
  agent.addMiddleware(InvokeModelStage, model)
  agent.addMiddleware(ExecuteToolStage, tool)
  const isOutermost = makeOutermost(agent, InvokeModelStage, model) && makeOutermost(agent, ExecuteToolStage, tool)
  if (!isOutermost) {
    binding.log(
      `Agent "${agent.name}": middleware that was added before Selvage's stands outside of it, and is done again when a run goes on.`,
    )
  }
  agent.addHook(MessageAddedEvent, ({ message }) => scope()?.conversation.name(message), { order: FIRST })
  wrapInvocation(
    agent,
    (original) => (args, options, state, continuation) =>
      turns.invoke(args, options, state, (given, goesOn) =>
        original(given, options, state, goesOn ? undefined : continuation),
      ),
  )
  return { agent, turns }
}

function checkAgent(agent: unknown): asserts agent is Agent {
  if (!(agent instanceof Agent)) {
    throw new UsageError('BAD_INPUT', 'This is no Agent of the @strands-agents/sdk that @selvage/strands uses.', {
      hint: 'Give an Agent; if it is one, two copies of the SDK are installed: `npm ls @strands-agents/sdk` shows them.',
    })
  }
  if (bound.has(agent)) {
    throw new UsageError('BAD_INPUT', `Agent "${agent.name}" is durable already.`, {
      hint: 'Make a new Agent for each run, and give it the durable plugin or to selvage.agent, not both.',
    })
  }
  if (hasBackgroundTasks(agent)) {
    throw new UsageError(
      'UNSUPPORTED',
      `Agent "${agent.name}" has backgroundTasks, which run outside of its loop and would be lost with the process.`,
      {
        hint: 'Leave the option out: the tools then run in the foreground, and are durable.',
      },
    )
  }
  if (hasCheckpointing(agent)) {
    throw new UsageError(
      'UNSUPPORTED',
      `Agent "${agent.name}" has checkpointing: true, which makes its loop return at every cycle.`,
      {
        hint: 'Leave the option out: the journal keeps more than a checkpoint does.',
      },
    )
  }
}
