/** Putting the gates around an agent, once and for good: they are outermost whoever came before. */
import { UsageError } from '@selvage/core'
import { Agent, ExecuteToolStage, InvokeModelStage, MessageAddedEvent } from '@strands-agents/sdk'
import { noteOffloads } from '../plugins/offloads.ts'
import { knowRunOf } from '../run-of.ts'
import type { Invocation } from '../seams/inside.ts'
import { hasBackgroundTasks, hasCheckpointing, makeOutermost, wrapInvocation } from '../seams/invocation.ts'
import { hasSessionManager } from '../seams/plugins.ts'
import { makeLinear } from '../turns/linear.ts'
import { type Ahead, enterHooks, scopeAround } from '../turns/within.ts'
import { gateDirectCalls } from './direct-calls.ts'
import { modelGate } from './model-gate.ts'
import type { Scope } from './scope.ts'
import { toolGate } from './tool-gate.ts'

export interface Gates {
  /** That of the invocation under way, if it is durable: without one the gates are not there. */
  readonly scope: () => Scope | undefined
  readonly wrap: (original: Invocation) => Invocation
  /** Asked before the hooks of BeforeInvocation: of an invocation that is to be durable. */
  readonly ahead: () => Promise<Ahead | undefined>
  /** See linear.ts. */
  readonly linear: boolean
  readonly log: (line: string) => void
  /** The agent of a run, and not one inside of it. */
  readonly isOwn: boolean
  /** Whether it may have a SessionManager: see `refuseSession`. */
  readonly keepsSession?: boolean
}

/** Before every other hook: a message must have its name when others see it. */
const FIRST = -1_000

const gated = new WeakSet<Agent>()

/** UsageError for agents that cannot be durable, or are so already. Called before the agent's first durable invocation. */
export function putGates(
  agent: unknown,
  { scope, wrap, ahead, linear, log, isOwn, keepsSession = false }: Gates,
): asserts agent is Agent {
  checkAgent(agent)
  if (!keepsSession) refuseSession(agent)
  gated.add(agent)
  knowRunOf(agent, () => scope() ?? scopeAround(agent))
  const gate = modelGate(scope)
  const model = linear ? makeLinear(agent, gate, log, () => scope()?.answersNext === true) : gate
  const tool = toolGate(scope)
  agent.addMiddleware(InvokeModelStage, model)
  agent.addMiddleware(ExecuteToolStage, tool)
  const isOutermost = makeOutermost(agent, InvokeModelStage, model) && makeOutermost(agent, ExecuteToolStage, tool)
  if (!isOutermost) {
    log(
      `Agent "${agent.name}": middleware that was added before Selvage's stands outside of it, and is done again when a run goes on.`,
    )
  }
  agent.addHook(MessageAddedEvent, ({ message }) => scope()?.added(message), { order: FIRST })
  gateDirectCalls(agent, scope, isOwn)
  noteOffloads(agent, scope, log)
  wrapInvocation(agent, wrap)
  if (!enterHooks(agent, ahead)) {
    log(
      `Agent "${agent.name}": this version of the Strands SDK calls hooks in a way that Selvage does not know; those of Before- and AfterInvocation are no part of the run.`,
    )
  }
}

/** Why what is of the SDK's classes may be taken for none of them. */
export const TWO_COPIES =
  'if it is one, two copies of the SDK are in this process: `npm ls @strands-agents/sdk` shows those that are installed; a bundler makes another where it takes in one of selvage and @strands-agents/sdk, and not both.'

/** Refuses what no gate can make durable. */
export function checkAgent(agent: unknown): asserts agent is Agent {
  if (!(agent instanceof Agent)) {
    throw new UsageError('BAD_INPUT', 'This is no Agent of the @strands-agents/sdk that @selvage/strands uses.', {
      hint: `Give an Agent; ${TWO_COPIES}`,
    })
  }
  if (gated.has(agent)) {
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

/**
 * A SessionManager loads its own state into each new agent, newer than what the journal folds to, and knows nothing of a
 * turn that is open: messages would be there twice, and its appState never. Only `durable()`, where one conversation may
 * have many runs, lets it be.
 */
function refuseSession(agent: Agent): void {
  if (!hasSessionManager(agent)) return
  throw new UsageError(
    'UNSUPPORTED',
    `Agent "${agent.name}" has a SessionManager, which would load a state of its own over that of the run.`,
    {
      hint: 'Leave it out: the journal keeps more than a session does. Many messages under one id are selvage.agent(…).session(id).',
    },
  )
}

/** Whether an agent has gates, of whatever kind. */
export function hasGates(agent: Agent): boolean {
  return gated.has(agent)
}
