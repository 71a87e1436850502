/**
 * What an author gives to a pipeline, and what a run of it is given.
 *
 *   a program                          ──▶ a stage called like that program, then `name#2`, …
 *   { program, name?, input?, … }      ──▶ a stage that says more about itself
 *
 * Whatever makes no sense is refused where the pipeline is made, never by a run: no stages, two of one name, something
 * that is no program, an option that nobody knows.
 */
import type { Duration, Program } from '@selvage/core'
import { type OptionNames, refuseUnknown, toMs, UsageError } from '@selvage/core'
import type { BudgetOptions } from '../budgets/budget.ts'
import type { ChildProgram } from '../child.ts'
import { type Retry, retryBehaviour } from '../failures/retry.ts'
import type { StandardSchema } from '../input.ts'

/** What a stage may look at to make its input. */
export interface StageContext {
  /** The input of the pipeline. */
  readonly input: unknown
  /** The whole results of the stages before, by their names. */
  readonly results: { readonly [stage: string]: unknown }
}

/** What every form of stage may say. */
export interface StageOptions {
  /** Unique in the pipeline, and the last part of the stage's run id. Default: that of its program, then `name#2`, … */
  readonly name?: string
  /**
   * What the stage is given. `previous` is what the stage before passed on, or the pipeline's input. It is called again
   * on replay and must give the same each time. Default: `previous`.
   */
  input?(previous: unknown, context: StageContext): unknown
  /** How long an attempt may take from when it is asked for. Then it is cancelled: STEP_TIMEOUT. Default: for ever. */
  readonly timeout?: Duration
  /** When a failed attempt is made again. Default: that of the pipeline, and without one never. */
  readonly retry?: Retry
}

export interface ProgramStage<P extends ChildProgram = ChildProgram> extends StageOptions {
  readonly program: P
}

export type PipelineStage = ChildProgram | ProgramStage

export interface PipelineOptions<Input = unknown> {
  /** Runs go on with the version that they were started with: other stages, or another order, need a new one. */
  readonly version?: string
  /** Any Standard Schema: validates the input before a run starts. */
  readonly input?: StandardSchema<unknown, Input>
  /** For stages that have no policy of their own. Default: a failed stage fails the pipeline. */
  readonly retry?: Retry
  /** What all stages may use together: see docs/budgets.md. */
  readonly budget?: BudgetOptions
}

interface Types<Input, Result> {
  readonly '~types'?: { readonly input: Input; readonly result: Result } | undefined
}

type ProgramOf<Stage> = Stage extends { readonly program: infer P } ? P : Stage

/** What the first stage takes, unless it makes that itself. */
export type PipelineInput<Stages extends readonly unknown[]> = Stages extends readonly [infer First, ...unknown[]]
  ? First extends { input: (previous: infer Previous, ...rest: never[]) => unknown }
    ? Previous
    : ProgramOf<First> extends Types<infer Input, unknown>
      ? Input
      : unknown
  : unknown

/** What the last stage results in. */
export type PipelineResult<Stages extends readonly unknown[]> = Stages extends readonly [...unknown[], infer Last]
  ? ProgramOf<Last> extends Types<unknown, infer Result>
    ? Result
    : unknown
  : unknown

/** A stage with everything decided. */
export interface ReadyStage {
  readonly name: string
  readonly program: ChildProgram
  readonly input: StageOptions['input']
  readonly timeoutMs: number | undefined
  readonly retry: Retry | undefined
}

const PIPELINE_OPTIONS: OptionNames<PipelineOptions> = { version: true, input: true, retry: true, budget: true }
const STAGE_OPTIONS: OptionNames<ProgramStage> = { program: true, name: true, input: true, timeout: true, retry: true }
const PROGRAM_PROPERTIES = ['name', 'version', 'input', '~types', 'resume', 'run']

/** UsageError BAD_INPUT for a name, stages or options that make no sense. */
export function readStages(name: string, stages: readonly unknown[], options: PipelineOptions): readonly ReadyStage[] {
  if (typeof name !== 'string' || name === '') throw bad('A pipeline needs a name.', 'Name it by what it makes.')
  const what = `Pipeline "${name}"`
  if (!Array.isArray(stages) || stages.length === 0)
    throw bad(`${what} has no stages.`, 'Give it at least one program.')
  refuseUnknown(what, options, PIPELINE_OPTIONS)
  checkRetry(what, options.retry)
  const written = stages.map((stage, index) => writtenStage(`Stage ${index + 1} of pipeline "${name}"`, stage))
  const names = nameStages(
    name,
    written.map(({ name: own, program }) => ({ own, derived: program.name })),
  )
  return written.map(({ program, input, timeout, retry = options.retry }, index) => {
    const stage = names[index] ?? ''
    const label = `timeout of stage "${stage}" of pipeline "${name}"`
    return { name: stage, program, input, retry, timeoutMs: timeout === undefined ? undefined : toMs(timeout, label) }
  })
}

function writtenStage(what: string, stage: unknown): ProgramStage {
  if (isProgram(stage)) return { program: stage }
  if (typeof stage !== 'object' || stage === null || !('program' in stage)) throw noProgram(what)
  refuseUnknown(what, stage, STAGE_OPTIONS)
  const { program, input, retry } = stage as ProgramStage
  if (!isProgram(program)) throw noProgram(what)
  if (input !== undefined && typeof input !== 'function') {
    throw bad(`${what} has an input that is no function.`, 'Write input: (previous) => ….')
  }
  checkRetry(what, retry)
  return stage as ProgramStage
}

/** A handle, a program, or plain data that names one: never something else that happens to have a name. */
function isProgram(value: unknown): value is ChildProgram {
  if (typeof value !== 'object' || value === null || 'program' in value) return false
  const { name, run } = value as Partial<Program>
  if (typeof name !== 'string' || name === '') return false
  if (typeof run === 'function') return true
  return Object.hasOwn(value, 'name') && Object.keys(value).every((key) => PROGRAM_PROPERTIES.includes(key))
}

function noProgram(what: string): UsageError {
  return bad(
    `${what} is no program.`,
    'Give what selvage.workflow(), selvage.agent() or selvage.reference() returns, or { program, … }.',
  )
}

function checkRetry(what: string, policy: unknown): void {
  if (policy === undefined) return
  if (typeof policy !== 'object' || policy === null) {
    throw bad(`${what} has a retry that is no policy.`, 'Write for example retry: { maxAttempts: 3 }.')
  }
  retryBehaviour(policy, () => 0)
}

/** What a stage calls itself, or a name made of `derived` that nobody else has: `planner`, `planner#2`, … */
export function nameStages(
  pipeline: string,
  stages: readonly { readonly own: string | undefined; readonly derived: string }[],
): readonly string[] {
  const taken = new Set<string>()
  for (const { own } of stages) {
    if (own === undefined) continue
    if (typeof own !== 'string' || own === '' || /~\d+$/.test(own)) {
      const hint = 'Name it by what it does; an end such as ~2 is that of an attempt.'
      throw bad(`A stage of pipeline "${pipeline}" is called ${JSON.stringify(own)}.`, hint)
    }
    if (taken.has(own)) throw bad(`Two stages of pipeline "${pipeline}" are called "${own}".`, 'Rename one of them.')
    taken.add(own)
  }
  return stages.map(({ own, derived }) => {
    if (own !== undefined) return own
    let name = derived
    for (let count = 2; taken.has(name); count++) name = `${derived}#${count}`
    taken.add(name)
    return name
  })
}

function bad(message: string, hint: string): UsageError {
  return new UsageError('BAD_INPUT', message, { hint })
}
