/** An agent as a program: a run is one invocation, made to the end by whatever process has the run. */
import { decode, type Program } from '@selvage/core'
import { forked } from '@selvage/programs'
import type { Agent, AgentResult, Message, MessageData, StopReason, Usage } from '@strands-agents/sdk'
import { argsOf, recordInput } from '../conversation/input.ts'
import { recordMcp } from '../gates/mcp.ts'
import { bindAgent } from '../turns/bind.ts'
import { type AgentOptions, readOptions, refuseNoFactory } from './program-options.ts'
import { undoable } from './undoing.ts'

export interface AgentContext {
  readonly runId: string
  readonly tenant: string | undefined
  /** The input of the run. It is also what the agent is invoked with. */
  readonly input: unknown
  /** Fires when the run is cancelled, and when another process has taken it over: for what the factory opens. */
  readonly abortSignal: AbortSignal
}

/** Makes the agent of a run, anew in each process that goes on with it. */
export type AgentFactory = (context: AgentContext) => Agent | Promise<Agent>

/** The result of a run. */
export interface AgentRunResult {
  /** The text of the message. */
  readonly text: string
  readonly message: Pick<MessageData, 'role' | 'content'>
  readonly stopReason: StopReason
  /** Of all model calls of the run, those of inner agents and of processes that died included. */
  readonly usage: Usage
  readonly structuredOutput?: unknown
}

/** UsageError for options that are not built yet (UNSUPPORTED) or make no sense (BAD_INPUT). */
export function createAgentProgram(name: string, factory: AgentFactory, options: AgentOptions = {}): Program {
  refuseNoFactory(`Agent program "${name}"`, factory, 'Agent')
  const { policy, onCodeChange, linear, log, ...head } = readOptions(`Agent program "${name}"`, options)
  return {
    name,
    ...head,
    async run(gate) {
      const durable = forked(gate)
      return await undoable(durable, policy, async (saga) => {
        const input = decode(durable.start.input)
        const { runId, start, abortSignal } = durable
        const args = argsOf(input)
        const made = await factory({ runId, tenant: start.tenant, input, abortSignal })
        const { agent, turns } = bindAgent(made, {
          policy,
          saga,
          waits: true,
          onCodeChange,
          log,
          open: async () => ({ durable }),
          sessionId: durable.id('', 'session'),
          firstInput: recordInput(args),
          linear,
          writesEnds: false,
        })
        recordMcp(agent, durable)
        const result = await agent.invoke(args)
        abortSignal.throwIfAborted()
        return resultOf(result, turns.usage)
      })
    },
  }
}

function resultOf({ lastMessage, stopReason, structuredOutput }: AgentResult, usage: Usage): AgentRunResult {
  return resultOfMessage(lastMessage, stopReason, structuredOutput, usage)
}

export function resultOfMessage(
  lastMessage: Message,
  stopReason: StopReason,
  structuredOutput: unknown,
  usage: Usage,
): AgentRunResult {
  const { role, content } = lastMessage.toJSON()
  return {
    text: textOf(lastMessage),
    message: { role, content },
    stopReason,
    usage,
    ...(structuredOutput !== undefined && { structuredOutput }),
  }
}

function textOf({ content }: AgentResult['lastMessage']): string {
  const texts = content.flatMap((block) => {
    if (block.type === 'textBlock') return [block.text]
    if (block.type !== 'citationsBlock') return []
    return block.content.flatMap((part) => ('text' in part ? [part.text] : []))
  })
  return texts.join('\n')
}
