import { decode, encode, refuseNoObject, withDefaults } from '@selvage/core'
import type { PipelineInput, PipelineOptions, PipelineResult, PipelineStage } from '@selvage/programs'
import {
  type AgentFactory,
  type AgentOptions,
  type AgentRunResult,
  busy,
  type Conversation,
  conversationOf,
  createAgentProgram,
  createOrchestratorProgram,
  createSessionProgram,
  innerConversationsOf,
  isIdleSession,
  MESSAGE,
  type OrchestratorFactory,
  type OrchestratorOptions,
  type OrchestratorRunResult,
  ReplyReader,
  sessionProgramName,
} from '@selvage/strands'
import type { Graph, Swarm } from '@strands-agents/sdk/multiagent'
import { assemble, type OpenOptions, type Parts } from './assemble.ts'
import { CoreSelvage } from './core-selvage.ts'
import { type AgentPipelineStage, type AgentSource, type AsPrograms, readAgentStages } from './pipeline-stages.ts'
import type { ProgramHandle } from './program-handle.ts'
import type { SessionProgram } from './runs/session.ts'

/** An opened Selvage: agents, workflows, runs, their questions and their workers. */
export class Selvage extends CoreSelvage {
  readonly #warn: (line: string) => void
  /** What the agents that were registered here are made of. */
  readonly #agents = new WeakMap<object, AgentSource>()

  constructor(parts: Parts, settings: Pick<OpenOptions, 'work' | 'concurrency'>) {
    super(parts, {
      ...settings,
      conversation: async (_runId, entries) => messagesOf(entries),
      sessions: sessionsOf,
    })
    this.#warn = (line) => parts.logger.warn(line)
  }

  /**
   * Registers an ordinary agent as a program: each run is one invocation, made to its end by whatever process has it.
   * `factory` makes the agent anew in each of them. The input is a text or anything else that `invoke` takes; any other
   * value is given to the agent as JSON. Its sessions are runs of `<name>:session`. ALREADY_REGISTERED for a name and
   * version twice.
   */
  agent(name: string, factory: AgentFactory, options: AgentOptions = {}): ProgramHandle<unknown, AgentRunResult> {
    const told = withDefaults(`Agent program "${name}"`, { log: this.#warn }, options)
    const handle = this.program<unknown, AgentRunResult>(
      createAgentProgram(name, factory, told),
      {
        input: (input) => encode(input, `the input of agent '${name}'`),
        result: (recorded) => decode(recorded) as AgentRunResult,
      },
      sessionsOf(name, options.version),
    )
    this.program(createSessionProgram(name, factory, told), { input: () => null, result: () => null })
    this.#agents.set(handle, { factory, options })
    return handle
  }

  /**
   * Registers a graph of agents: each run is one invocation. What its nodes have done is recorded; a run goes on inside of
   * the node that was open. A node that fails fails the run, and `run.retry()` goes on inside of that node. `factory` makes
   * the graph and its agents anew in each process. ALREADY_REGISTERED for a name and version twice.
   */
  graph(
    name: string,
    factory: OrchestratorFactory<Graph>,
    options: OrchestratorOptions = {},
  ): ProgramHandle<unknown, OrchestratorRunResult> {
    return this.#orchestrator('graph', name, factory, options)
  }

  /** Registers a swarm of agents, which hand the task on to each other: as for `graph`. */
  swarm(
    name: string,
    factory: OrchestratorFactory<Swarm>,
    options: OrchestratorOptions = {},
  ): ProgramHandle<unknown, OrchestratorRunResult> {
    return this.#orchestrator('swarm', name, factory, options)
  }

  #orchestrator<Of extends Graph | Swarm>(
    kind: 'graph' | 'swarm',
    name: string,
    factory: OrchestratorFactory<Of>,
    options: OrchestratorOptions,
  ): ProgramHandle<unknown, OrchestratorRunResult> {
    const what = `${kind === 'graph' ? 'Graph' : 'Swarm'} program "${name}"`
    return this.program<unknown, OrchestratorRunResult>(
      createOrchestratorProgram(kind, name, factory, withDefaults(what, { log: this.#warn }, options)),
      {
        input: (input) => encode(input, `the input of ${kind} '${name}'`),
        result: (recorded) => decode(recorded) as OrchestratorRunResult,
      },
    )
  }

  /**
   * As that of `selvage/core`; a stage may also be an agent with a model of its own, or one that only this pipeline has.
   * Such an agent is registered as `<pipeline>/<stage>`, in the version of the pipeline.
   */
  override pipeline<
    const Stages extends readonly AgentPipelineStage[],
    Input = PipelineInput<AsPrograms<Stages>>,
    Result = PipelineResult<AsPrograms<Stages>>,
  >(name: string, stages: Stages, options: PipelineOptions<Input> = {}): ProgramHandle<Input, Result> {
    refuseNoObject(`Pipeline "${name}"`, options)
    const ready = readAgentStages(name, options.version, stages, (handle) => this.#agents.get(handle))
    const pipeline = super.pipeline<readonly PipelineStage[], Input, Result>(name, ready.stages, options)
    for (const { program, source } of ready.agents) this.agent(program, source.factory, source.options)
    return pipeline
  }
}

function sessionsOf(name: string, version: string | undefined): SessionProgram<AgentRunResult> {
  return {
    name: sessionProgramName(name),
    ...(version !== undefined && { version }),
    message: MESSAGE,
    reader: (runId, messageId) => new ReplyReader(runId, messageId),
    isIdle: isIdleSession,
    busy,
  }
}

/**
 * Messages that the agent has, and those of the cycle under way that are complete. Of a graph or swarm: those of its nodes,
 * each with `of`, the visit of the node.
 */
function messagesOf(entries: Parameters<typeof conversationOf>[0]): unknown[] {
  const own = messagesIn(conversationOf(entries))
  if (entries.some((entry) => entry.type === 'step' && entry.key === 'model#1')) return own
  const inner = [...innerConversationsOf(entries)].flatMap(([of, conversation]) =>
    messagesIn(conversation).map((message) => ({ of, ...message })),
  )
  return inner.length > 0 ? inner : own
}

function messagesIn(conversation: Conversation): { readonly role: string; readonly content: unknown[] }[] {
  return [...conversation.messages, ...conversation.implied()].map(({ role, content }) => ({
    role,
    content: content.map((block) => block.toJSON()),
  }))
}

/**
 * Opens the database of the options (default `./.selvage/selvage.db`).
 * BAD_INPUT, UNSUPPORTED for options; READ_ONLY, SCHEMA_TOO_NEW, CORRUPT, UNAVAILABLE for a database that cannot be used.
 */
export async function openSelvage(options: OpenOptions = {}): Promise<Selvage> {
  return new Selvage(await assemble(options), options)
}
