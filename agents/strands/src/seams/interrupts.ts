/** The seams of interrupts: questions that tools, hooks and middleware raise, and where the SDK keeps their answers. */
import {
  type Agent,
  type ExecuteToolContext,
  type Interrupt,
  type InterruptResponseContentData,
  SNAPSHOT_SCHEMA_VERSION,
} from '@strands-agents/sdk'
import { inside } from './inside.ts'

/** An interrupt as its `toJSON` says it. */
export interface InterruptJson {
  readonly id: string
  readonly name: string
  readonly reason?: Interrupt['reason']
  readonly source?: Interrupt['source']
}

/** InterruptError is not exported: known by its name and its list. */
export function isInterruptError(error: unknown): error is Error & { interrupts: Interrupt[] } {
  return (
    error instanceof Error &&
    error.name === 'InterruptError' &&
    'interrupts' in error &&
    Array.isArray(error.interrupts)
  )
}

export function interruptJson(interrupt: Interrupt): InterruptJson {
  const { id, name, reason, source } = interrupt
  return { id, name, ...(reason !== undefined && { reason }), source }
}

/** `interrupt()` of a tool or of middleware looks its id up here, and returns the response if there is one. */
export function respond(
  agent: Agent,
  { id, name, reason, source }: InterruptJson,
  response: Interrupt['response'],
): void {
  const known = inside(agent)._interruptState.getOrCreateInterrupt(id, name, reason, response, source ?? 'tool')
  if (response !== undefined) known.response = response
}

/** Some providers use the id of a tool call again: an answer must not be there for the next one. */
export function forgetInterrupt(agent: Agent, id: string): void {
  delete inside(agent)._interruptState.interrupts[id]
}

/**
 * Raises recorded interrupts again: `ctx.interrupt` throws an InterruptError, whose list is replaced. They are also
 * registered, because the executor keeps only the last of several errors of one cycle.
 */
export function raiseInterrupts(ctx: ExecuteToolContext, agent: Agent, recorded: readonly InterruptJson[]): never {
  const error = probeInterrupt(ctx)
  const [sample] = error.interrupts
  const Class = sample?.constructor as new (data: InterruptJson) => Interrupt
  error.interrupts = recorded.map((data) => new Class(data))
  error.message = `Interrupt raised: ${recorded.map(({ name }) => name).join(', ')}`
  for (const data of recorded) respond(agent, data, undefined)
  throw error
}

function probeInterrupt(ctx: ExecuteToolContext): Error & { interrupts: Interrupt[] } {
  try {
    ctx.interrupt({ name: 'selvage' })
  } catch (error) {
    if (isInterruptError(error)) return error
    throw error
  }
  throw new Error('This version of the Strands SDK answered an interrupt that nobody had raised.')
}

export const NO_INTERRUPTS = { interrupts: {}, activated: false }

/**
 * The interrupt state of a new agent: nothing is pending, for the loop begins at the model call, and the gates answer for
 * what has been done since.
 */
export function resetInterrupts(agent: Agent): void {
  agent.loadSnapshot({
    scope: 'agent',
    schemaVersion: SNAPSHOT_SCHEMA_VERSION,
    createdAt: '',
    data: { interrupts: NO_INTERRUPTS },
    appData: {},
  })
}

/** What `Agent.stream` does with interrupt responses before each pass; needed where a pass is repeated below it. */
export function resumeInterrupts(agent: Agent, responses: readonly InterruptResponseContentData[]): void {
  inside(agent)._interruptState.resume(responses)
}

/** What the ids of interrupts begin with that hooks of an agent raise. */
export function isHookInterrupt(id: string): boolean {
  return id.startsWith('hook:')
}

/**
 * Hooks that raise these interrupts are answered at once: for a pass that begins at the model call, and is given the
 * responses as its input. The loop forgets them behind the next tools.
 */
export function answerHooks(agent: Agent, answered: readonly HookAnswer[]): void {
  for (const { interrupt, response } of answered) respond(agent, interrupt, response)
  inside(agent)._interruptState.activated = true
}

export interface HookAnswer {
  readonly interrupt: InterruptJson
  readonly response: NonNullable<Interrupt['response']> | null
}
