/**
 * Stages of a pipeline that are agents with a model of their own.
 *
 *   { agent: handle }          ──▶ the registered program
 *   { agent: handle, model }   ──▶ a program `<pipeline>/<stage>` of the same factory and options, with that model
 *   { name, agent: factory }   ──▶ a program `<pipeline>/<stage>` of that factory
 *
 * The model is set on each agent that the factory has made, before anybody has used it.
 */
import { type OptionNames, refuseUnknown, UsageError } from '@selvage/core'
import { type ChildProgram, nameStages, type PipelineStage, type StageOptions } from '@selvage/programs'
import {
  type AgentContext,
  type AgentFactory,
  type AgentOptions,
  type AgentRunResult,
  createAgentProgram,
} from '@selvage/strands'
import { Agent, Model } from '@strands-agents/sdk'

export interface AgentStage extends StageOptions {
  /** What `selvage.agent()` of this Selvage returned, or a factory of an agent that only this pipeline has. */
  readonly agent: ChildProgram<unknown, AgentRunResult> | AgentFactory
  /** In place of the agent's own. */
  readonly model?: Model
  /** Effects, approvals and the like. Only with a factory: a registered agent has its own. */
  readonly options?: Omit<AgentOptions, 'version'>
}

export type AgentPipelineStage = PipelineStage | AgentStage

/** The stages as programs, for the types of the pipeline. */
export type AsPrograms<Stages extends readonly unknown[]> = {
  readonly [Index in keyof Stages]: Stages[Index] extends { readonly agent: unknown }
    ? Omit<Stages[Index], 'agent'> & { readonly program: ChildProgram<unknown, AgentRunResult> }
    : Stages[Index]
}

/** What an agent's program was made of. */
export interface AgentSource {
  readonly factory: AgentFactory
  readonly options: AgentOptions
}

interface ReadStages {
  /** All of them, as programs. */
  readonly stages: readonly PipelineStage[]
  /** Programs to be registered. */
  readonly agents: readonly { readonly program: string; readonly source: AgentSource }[]
}

const STAGE: OptionNames<AgentStage> = {
  agent: true,
  model: true,
  options: true,
  name: true,
  input: true,
  timeout: true,
  retry: true,
}

/** `sourceOf`: what a handle of this Selvage was made of. UsageError BAD_INPUT for stages that make no sense. */
export function readAgentStages(
  pipeline: string,
  version: string | undefined,
  stages: readonly AgentPipelineStage[],
  sourceOf: (handle: object) => AgentSource | undefined,
): ReadStages {
  // The pipeline says better what is wrong with it.
  if (!Array.isArray(stages)) return { stages: stages as never, agents: [] }
  for (const [index, stage] of stages.entries()) check(`Stage ${index + 1} of pipeline "${pipeline}"`, stage)
  const own = stages.some(isAgentStage) ? namesOf(pipeline, stages) : []
  const agents: { program: string; source: AgentSource }[] = []
  const ready = stages.map((stage: AgentPipelineStage, index): PipelineStage => {
    const name = own[index]
    if (name === undefined) return stage as PipelineStage
    if (!isAgentStage(stage)) return 'program' in stage ? { ...stage, name } : { program: stage, name }
    const { agent, model, options = {}, ...rest } = stage
    if (typeof agent !== 'function' && model === undefined) return { ...rest, program: agent, name }
    const source: AgentSource | undefined = typeof agent === 'function' ? { factory: agent, options } : sourceOf(agent)
    if (source === undefined) {
      throw bad(
        `Stage "${name}" of pipeline "${pipeline}" has a model for a program that is no agent of this Selvage.`,
        'Give a factory: { name, agent: () => new Agent({ … }), model }.',
      )
    }
    const program = `${pipeline}/${name}`
    const { version: _, ...others } = source.options
    const factory = model === undefined ? source.factory : withModel(source.factory, model, program)
    const made: AgentSource = { factory, options: { ...others, ...versioned(version) } }
    // Options that an agent cannot have are refused before anything is registered.
    createAgentProgram(program, made.factory, made.options)
    agents.push({ program, source: made })
    return { ...rest, program: { name: program, ...versioned(version) }, name }
  })
  return { stages: ready, agents }
}

function namesOf(pipeline: string, stages: readonly AgentPipelineStage[]): readonly string[] {
  return nameStages(
    pipeline,
    stages.map((stage) => {
      const program: unknown = isAgentStage(stage) ? stage.agent : 'program' in stage ? stage.program : stage
      // A program that is none is refused by the pipeline, which names it by its place.
      const derived = (program as { readonly name?: string } | null)?.name ?? ''
      return { own: program === stage ? undefined : stage.name, derived }
    }),
  )
}

function check(what: string, stage: unknown): void {
  if (typeof stage === 'function' || stage instanceof Agent) {
    throw bad(`${what} is an agent without a name, or a function.`, 'Write { name, agent: () => new Agent({ … }) }.')
  }
  if (typeof stage !== 'object' || stage === null) throw bad(`${what} is no program.`, FORMS)
  if ('program' in stage && 'model' in stage) {
    throw bad(`${what} has a program and a model.`, 'Only agents have models: write { agent, model }.')
  }
  if (!isAgentStage(stage)) return
  refuseUnknown(what, stage, STAGE)
  const { agent, model, options, name } = stage
  if (typeof agent === 'function') {
    if (name === undefined) throw bad(`${what} needs a name.`, 'Write { name, agent: () => new Agent({ … }) }.')
    if (options !== undefined && 'version' in options) {
      throw bad(`${what} has a version of its own.`, 'It is registered in the version of the pipeline: give it there.')
    }
  } else {
    if (agent instanceof Agent || typeof agent?.name !== 'string') throw bad(`${what} has no agent.`, FORMS)
    if (options !== undefined) {
      throw bad(`${what} has options for an agent that is registered.`, 'Give them to selvage.agent().')
    }
  }
  if (model !== undefined && !(model instanceof Model)) {
    throw bad(
      `${what} has a model that is no Model of the @strands-agents/sdk that selvage uses.`,
      'Give a Model, such as new BedrockModel({ modelId }).',
    )
  }
}

const FORMS =
  'Give what selvage.agent() returned, or { name, agent: () => new Agent({ … }) }: each run needs an agent of its own.'

function isAgentStage(stage: unknown): stage is AgentStage {
  return typeof stage === 'object' && stage !== null && 'agent' in stage
}

/** The SDK decides by the model of the constructor who keeps the conversation: that cannot be changed behind it. */
function withModel(factory: AgentFactory, model: Model, program: string): AgentFactory {
  return async (context: AgentContext) => {
    const agent = await factory(context)
    if (agent instanceof Agent) {
      if (agent.model.stateful !== model.stateful) {
        throw bad(
          `Of agent program "${program}" either the model keeps conversations or the one that its agent was made with.`,
          'Give the model to the Agent in the factory.',
        )
      }
      agent.model = model
    }
    return agent
  }
}

function versioned(version: string | undefined): { readonly version?: string } {
  return version === undefined ? {} : { version }
}

function bad(message: string, hint: string): UsageError {
  return new UsageError('BAD_INPUT', message, { hint })
}
