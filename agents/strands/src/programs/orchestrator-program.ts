/**
 * A graph or a swarm as a program. It runs from the top in each process; its nodes answer from the journal, and the open
 * ones go on inside.
 */
import { decode, encode, type Program, StepError, UsageError } from '@selvage/core'
import { askInterrupt, forked } from '@selvage/programs'
import type { ContentBlockData, Usage } from '@strands-agents/sdk'
import { Graph, type MultiAgentInput, type MultiAgentResult, Swarm } from '@strands-agents/sdk/multiagent'
import { argsOf } from '../conversation/input.ts'
import { TWO_COPIES } from '../gates/gates.ts'
import { agentsOf, gateNodes, type Orchestrator } from '../gates/node-gate.ts'
import { interruptJson } from '../seams/interrupts.ts'
import { inFrame, Nest } from '../turns/frames.ts'
import { bindInner, refuseOneStep, toolsWithin } from '../turns/inner.ts'
import type { AgentContext } from './agent-program.ts'
import { type AgentOptions, readOptions, refuseNoFactory } from './program-options.ts'
import { undoable } from './undoing.ts'

/** Makes the graph or swarm of a run, with its agents, anew in each process that goes on with it. */
export type OrchestratorFactory<Of extends Orchestrator> = (context: AgentContext) => Of | Promise<Of>

/** As for agents; effects and approvals go by the names of tools, whichever agent has them. */
export type OrchestratorOptions = AgentOptions

/** The result of a run. A graph or swarm in which a node failed has none: its run has failed, and can be retried. */
export interface OrchestratorRunResult {
  /** The text of the nodes at the end. */
  readonly text: string
  /** What the nodes at the end said. */
  readonly content: readonly ContentBlockData[]
  readonly status: 'COMPLETED' | 'CANCELLED'
  /** One for each visit of a node, in the order in which they ended. */
  readonly results: readonly {
    readonly nodeId: string
    readonly status: string
    readonly text: string
    readonly structuredOutput?: unknown
  }[]
  /** Of all model calls of the run, those of processes that died included. */
  readonly usage: Usage
}

const CLASSES = { graph: Graph, swarm: Swarm } as const

/** UsageError for options that are not built yet (UNSUPPORTED) or make no sense (BAD_INPUT). */
export function createOrchestratorProgram<Of extends Orchestrator>(
  kind: 'graph' | 'swarm',
  name: string,
  factory: OrchestratorFactory<Of>,
  options: OrchestratorOptions = {},
): Program {
  const what = `${kind === 'graph' ? 'Graph' : 'Swarm'} program "${name}"`
  refuseNoFactory(what, factory, CLASSES[kind].name)
  const { policy, onCodeChange, linear, log, ...head } = readOptions(what, options)
  return {
    name,
    ...head,
    async run(gate) {
      const durable = forked(gate)
      return await undoable(durable, policy, async (saga) => {
        const input = decode(durable.start.input)
        const { runId, start, abortSignal } = durable
        const orchestrator: Orchestrator = await factory({ runId, tenant: start.tenant, input, abortSignal })
        check(what, kind, orchestrator)
        const adopt: Nest['adopt'] = (agent, place) => bindInner(agent, place, { linear, log, durable })
        const nest = new Nest(durable, { policy, saga, waits: true, onCodeChange, log, adopt })
        gateNodes(orchestrator, adopt)
        const tools = agentsOf(orchestrator).flatMap((agent) => toolsWithin(agent))
        policy.refuseLive(name, tools)
        refuseOneStep(policy, tools)
        for (const line of policy.remarks(name, tools)) log(line)

        const result = await made(nest, orchestrator, argsOf(input) as MultiAgentInput)
        abortSignal.throwIfAborted()
        if (nest.fatal !== undefined) throw nest.fatal.error
        if (result.status === 'FAILED') throw failureOf(nest, kind, orchestrator.id, result)
        return resultOf(result, nest.usage)
      })
    },
  }
}

/** Until nobody is asked any more: hooks of an orchestrator may ask before a node begins. */
async function made(nest: Nest, orchestrator: Orchestrator, input: MultiAgentInput): Promise<MultiAgentResult> {
  const { durable } = nest
  const root = nest.frame('')
  const asked = new Map<string, number>()
  // One for all passes, as in a process that makes them anew.
  const invocationState = {}
  const invoke = async (given: MultiAgentInput): Promise<MultiAgentResult> => {
    const options = { invocationState, cancelSignal: durable.abortSignal }
    const events = inFrame(root, () => orchestrator.stream(given, options))
    let next = await events.next()
    while (!next.done) next = await events.next()
    return next.value
  }
  let result = await invoke(input)
  while (result.status === 'INTERRUPTED' && !durable.abortSignal.aborted) {
    const responses = await Promise.all(
      (result.interrupts ?? []).map(async (interrupt) => {
        const { id, name, reason } = interruptJson(interrupt)
        const count = (asked.get(id) ?? 0) + 1
        asked.set(id, count)
        const question = await askInterrupt(durable, `interrupt:${id}@${count}`, {
          name,
          ...(reason !== undefined && { reason: encode(reason, `the reason of interrupt ${name}`) }),
        })
        return { interruptResponse: { interruptId: id, response: (await question.wait()) as never } }
      }),
    )
    result = await invoke(responses)
  }
  return result
}

function check(what: string, kind: 'graph' | 'swarm', made: unknown): void {
  if (!(made instanceof CLASSES[kind])) {
    throw new UsageError('BAD_INPUT', `The factory of ${what} gave no ${CLASSES[kind].name} of @strands-agents/sdk.`, {
      hint: `Return a new ${CLASSES[kind].name}; ${TWO_COPIES}`,
    })
  }
  if (made.sessionManager === undefined) return
  throw new UsageError('UNSUPPORTED', `${what} has a SessionManager, which would go on from a state of its own.`, {
    hint: 'Leave it out: the journal keeps more than a session does.',
  })
}

function failureOf(nest: Nest, kind: string, id: string, { results, error }: MultiAgentResult): Error {
  const failed = results.filter(({ status }) => status === 'FAILED')
  const [first] = failed
  const causes = failed.length === 0 ? [error] : failed.map((result) => result.error ?? error)
  const names = failed.map(({ nodeId }) => `"${nodeId}"`).join(', ')
  const which = first === undefined ? '' : failed.length === 1 ? `Node ${names} of ` : `Nodes ${names} of `
  const why = [...new Set(causes.map((cause) => cause?.message ?? 'no reason is known'))].join('; ')
  const behind = causes.map((cause) => (cause === undefined ? undefined : (nest.outcomes.get(cause) ?? cause)))
  const { step } = StepError.is(behind[0]) ? behind[0].details : {}
  const key = typeof step === 'string' ? step : `node:${first?.nodeId ?? id}`
  return new StepError('STEP_FAILED', `${which}${kind} "${id}" failed: ${why}`, {
    hint: 'Retry the run once the cause is mended: what is recorded is not done again.',
    details: { runId: nest.durable.runId, step: key, attempt: 1 },
    // A retry goes on in all of them. Of a node that is recalled the error inside is known by its cause.
    cause: failed.length > 1 ? new AggregateError(new Set([...behind, ...causes]), why) : behind[0],
  })
}

function resultOf({ status, content, results }: MultiAgentResult, usage: Usage): OrchestratorRunResult {
  return {
    text: textOf(content),
    content: content.map((block) => block.toJSON() as ContentBlockData),
    status: status as OrchestratorRunResult['status'],
    results: results.map(({ nodeId, status, content, structuredOutput }) => ({
      nodeId,
      status,
      text: textOf(content),
      ...(structuredOutput !== undefined && { structuredOutput }),
    })),
    usage,
  }
}

function textOf(content: MultiAgentResult['content']): string {
  return content.flatMap((block) => (block.type === 'textBlock' ? [block.text] : [])).join('\n')
}
