/**
 * The gate of the nodes of a graph or swarm.
 *
 *   recorded ─▶ its result, in the order of the journal
 *   else     ─▶ an agent, a graph, a swarm: what it does are steps of its own, in the frame of the visit
 *            ─▶ any other node: a step like the body of a tool
 *            ─▶ its result, or its error, is recorded
 *
 * A visit counts once it has a result: a node that waits for somebody, or that the process died in, is visited again
 * under the same key, and goes on inside. The orchestrator itself is not gated: it runs again from the top, at once past
 * what is recorded, and so its hooks and the conditions on its edges are heard again.
 */
import {
  type Durable,
  type ErrorJson,
  errorFromJson,
  errorToJson,
  type Json,
  LeaseLostError,
  type Op,
  StepError,
} from '@selvage/core'
import {
  Agent,
  type ContentBlockData,
  contentBlockFromData,
  type InvocationState,
  type Usage,
} from '@strands-agents/sdk'
import {
  AgentNode,
  Graph,
  MultiAgentNode,
  type MultiAgentState,
  type MultiAgentStreamEvent,
  type Node,
  type NodeResultUpdate,
  Swarm,
} from '@strands-agents/sdk/multiagent'
import { markReplayed } from '../conversation/events.ts'
import type { StatePatch } from '../conversation/record.ts'
import { restoreMetrics } from '../seams/metrics.ts'
import { Frame, frameNow, inFrame, type Nest, segment } from '../turns/frames.ts'
import { placeOfNode } from '../turns/places.ts'
import { applyInvocation, type WatchedInvocation, watchInvocation } from '../watches/invocation-watch.ts'
import { StateWatch } from '../watches/state-watch.ts'
import { pump, relay, type Send } from './relay.ts'

export type Orchestrator = Graph | Swarm

export function isOrchestrator(value: unknown): value is Orchestrator {
  return value instanceof Graph || value instanceof Swarm
}

type Handle = Node['handle']
type Events = ReturnType<Handle>

/** The recorded result of a node. */
interface NodeRecord {
  readonly content?: readonly ContentBlockData[]
  readonly structuredOutput?: Json
  readonly usage?: Usage
  readonly status?: NodeResultUpdate['status']
  readonly error?: ErrorJson
  /** What the body of a node wrote to the state of the orchestrator. */
  readonly app?: StatePatch
  /** What was written in it to the invocationState, values as the codec writes them. */
  readonly invocation?: StatePatch
}

const gated = new WeakSet<Node>()

/**
 * Puts gates around all nodes, and those of orchestrators among them; `outer`: where such a one stands (places.ts).
 * UsageError for agents that cannot be durable.
 */
export function gateNodes(orchestrator: Orchestrator, adopt: Nest['adopt'], outer?: string): void {
  for (const node of orchestrator.nodes.values()) {
    if (gated.has(node)) continue
    gated.add(node)
    const original: Handle = node.handle.bind(node)
    const isOpen = opens(node, adopt, placeOfNode(outer, node.id))
    node.handle = (input, state, options) => {
      const frame = frameNow()
      if (frame === undefined || frame.nest.durable.current() !== undefined) return original(input, state, options)
      const invocationState = options?.invocationState ?? {}
      const invocation = watchInvocation(invocationState)
      const body = (): Events => original(input, state, { ...options, invocationState: invocation.state })
      return visited({ frame, node, state, invocationState, invocation, isOpen, body }, options?.cancelSignal)
    }
  }
}

/** The agents of all nodes, those of orchestrators among them included. */
export function agentsOf(orchestrator: Orchestrator): Agent[] {
  return [...orchestrator.nodes.values()].flatMap((node) => {
    if (node instanceof AgentNode) return node.agent instanceof Agent ? [node.agent] : []
    return node instanceof MultiAgentNode && isOrchestrator(node.orchestrator) ? agentsOf(node.orchestrator) : []
  })
}

/** Whether what is inside of a node passes gates of its own. */
function opens(node: Node, adopt: Nest['adopt'], place: string): boolean {
  if (node instanceof AgentNode) return node.agent instanceof Agent && adopt(node.agent, place)
  if (!(node instanceof MultiAgentNode) || !isOrchestrator(node.orchestrator)) return false
  gateNodes(node.orchestrator, adopt, place)
  return true
}

interface Visit {
  readonly frame: Frame
  readonly node: Node
  readonly state: MultiAgentState
  /** Of whoever invokes the orchestrator, and the same as the node has it. */
  readonly invocationState: InvocationState
  readonly invocation: WatchedInvocation
  readonly isOpen: boolean
  readonly body: () => Events
}

async function* visited(visit: Visit, cancelSignal: AbortSignal | undefined): Events {
  const { frame, node } = visit
  const { durable } = frame.nest
  const count = (frame.visits.get(node.id) ?? 0) + 1
  const op: Op = { key: `${frame.prefix}node:${segment(node.id)}#${count}`, kind: 'code', name: node.id }
  const order = frame.nest.orderOf(frame.prefix)
  if (order.has(op.key)) {
    await order.turnOf(op.key)
    frame.visits.set(node.id, count)
    return await recalled(visit, op)
  }
  if (!visit.isOpen) {
    frame.visits.set(node.id, count)
    return yield* asStep(visit, op)
  }

  const inside = frameOf(visit, op)
  let update: NodeResultUpdate
  try {
    update = yield* inFrame(inside, visit.body)
  } catch (error) {
    if (inside.fatal !== undefined) {
      frame.nest.fatal ??= inside.fatal
      throw inside.fatal.error
    }
    if (durable.abortSignal.aborted || cancelSignal?.aborted === true) throw error
    frame.visits.set(node.id, count)
    await recordFailure(frame.nest, op, error)
    throw error
  }
  // Not over: somebody is asked, or the orchestrator has stopped it.
  const isOver = (update.interrupts ?? []).length === 0 && cancelSignal?.aborted !== true
  if (!isOver) return update
  frame.visits.set(node.id, count)
  frame.nest.forget(inside)
  // What it did are steps of their own.
  const record = { ...recordOf(update), ...writtenIn(visit) }
  return fromRecord(await durable.step({ ...op, effect: 'read' }, () => record))
}

/** An agent that keeps its context from visit to visit has one scope for all of them. */
function frameOf({ frame, node }: Visit, { key }: Op): Frame {
  if (node instanceof AgentNode && node.preserveContext) {
    return new Frame(frame.nest, `${frame.prefix}agent:${segment(node.id)}/`, key.slice(frame.prefix.length))
  }
  return frame.nest.frame(`${key}/`)
}

/** A node that is neither agent nor orchestrator: its body is recorded as a whole. */
async function* asStep(visit: Visit, op: Op): Events {
  const { frame, state, body } = visit
  const { durable } = frame.nest
  const isLost = (): boolean => durable.abortSignal.aborted && LeaseLostError.is(durable.abortSignal.reason)
  const watch = watchOf(state, durable)
  let ran = false
  const made = (send: Send<MultiAgentStreamEvent>): Promise<NodeRecord> =>
    durable.step(op, async (at) => {
      ran = true
      const update = await pump(body(), send)
      const app = watch.take(at.key)
      return { ...recordOf(update), ...(app !== undefined && { app }), ...writtenIn(visit) }
    })
  try {
    const record = yield* relay(made, isLost)
    if (!ran) writeAgain(visit, record)
    return fromRecord(record)
  } catch (error) {
    throw causeOf(frame.nest, error)
  }
}

async function recalled(visit: Visit, op: Op): Promise<NodeResultUpdate> {
  const { node } = visit
  const { nest } = visit.frame
  try {
    const record = await nest.durable.step<NodeRecord>(op, () => {
      throw new Error(`Node ${op.key} is recorded.`)
    })
    writeAgain(visit, record)
    // The SDK tells of an agent's usage in all of its visits.
    if (record.usage !== undefined && node instanceof AgentNode && node.agent instanceof Agent)
      restoreMetrics(node.agent, record.usage, 0, [])
    return markReplayed(fromRecord(record))
  } catch (error) {
    throw causeOf(nest, error)
  }
}

function writtenIn({ frame, node, invocation }: Visit): Pick<NodeRecord, 'invocation'> {
  const written = invocation.take((keys) => frame.nest.tellLost(`Node ${node.id}`, keys))
  return written === undefined ? {} : { invocation: written }
}

function writeAgain({ frame, state, invocationState }: Visit, { app, invocation }: NodeRecord): void {
  if (app !== undefined) watchOf(state, frame.nest.durable).apply(app)
  if (invocation !== undefined) applyInvocation(invocationState, invocation)
}

/** The error of a node stays what it was; a retry begins at the step inside that failed, or at the node. */
async function recordFailure(nest: Nest, op: Op, error: unknown): Promise<void> {
  const failing = nest.durable.step(op, () => {
    throw error
  })
  await failing.catch((failed: unknown) => {
    if (!StepError.is(failed)) throw failed
    if (typeof error === 'object' && error !== null && !nest.outcomes.has(error)) nest.outcomes.set(error, failed)
  })
}

function causeOf(nest: Nest, error: unknown): unknown {
  if (!StepError.is(error, 'STEP_FAILED') || !(error.cause instanceof Error)) return error
  const { step } = error.details
  const last = typeof step === 'string' ? nest.entriesOf(`${step}/`).findLast(({ type }) => type === 'step') : undefined
  if (last?.type === 'step' && 'error' in last.outcome) nest.durable.blame(error.cause, last.key)
  nest.outcomes.set(error.cause, error)
  return error.cause
}

const watches = new WeakMap<MultiAgentState, StateWatch>()

function watchOf(state: MultiAgentState, durable: Durable): StateWatch {
  const watch = watches.get(state) ?? new StateWatch(state.app, () => durable.current()?.key)
  watches.set(state, watch)
  return watch
}

function recordOf({ content, structuredOutput, usage, status, error }: NodeResultUpdate): NodeRecord {
  return {
    ...(content !== undefined && { content: content.map((block) => block.toJSON() as ContentBlockData) }),
    ...(structuredOutput !== undefined && { structuredOutput: structuredOutput as Json }),
    ...(usage !== undefined && { usage }),
    ...(status !== undefined && { status }),
    ...(error !== undefined && { error: errorToJson(error) }),
  }
}

function fromRecord({ content, structuredOutput, usage, status, error }: NodeRecord): NodeResultUpdate {
  return {
    ...(content !== undefined && { content: content.map(contentBlockFromData) }),
    ...(structuredOutput !== undefined && { structuredOutput }),
    ...(usage !== undefined && { usage: usage as Usage }),
    ...(status !== undefined && { status }),
    ...(error !== undefined && { error: errorFromJson(error) }),
  }
}
