/**
 * Pipelines: programs that run one after the other, each on what the one before it has made.
 *
 *   stage 1 ──passes on──▶ stage 2 ──passes on──▶ … ──▶ the result of the last stage is that of the pipeline
 *      └──fails──▶ again, while its retry policy says so ──▶ the pipeline fails; a retry of its run begins here
 *
 *   an attempt:  begun (its time counts) ──▶ child ends ──▶ done | failed
 *                  └──time is up──▶ child is cancelled ──▶ child ends ──▶ done after all | STEP_TIMEOUT
 *
 * Each stage is a child of the pipeline's run, so what is recorded of a stage is never done again: not after a crash,
 * not by a retry of the pipeline, and not by another attempt, where the engine can retry. A failed attempt that ends
 * the run leaves a mark, by which the run that goes on knows that the time of that attempt must begin anew. What is
 * never true: two stages of one pipeline at work at once; a stage that is called late while it is still at work.
 */
import type { Durable, Duration, Engine, Outbound, Outcome, Program } from '@selvage/core'
import { decode, errorFromJson, RunError, SelvageError, StepError, toMs, UsageError } from '@selvage/core'
import { isCancelled, whenCancelled } from './cancellation.ts'
import { type Child, type ChildProgram, startChild } from './child.ts'
import type { StandardSchema } from './input.ts'
import { type RetryPolicy, retryBehaviour } from './retry.ts'
import { sleepUntil } from './sleep.ts'
import type { Workflow } from './workflow.ts'

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
  readonly retry?: RetryPolicy
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
  readonly retry?: RetryPolicy
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

/** Makes a program of stages. UsageError BAD_INPUT for stages and options that make no sense. */
export function createPipeline<const Stages extends readonly PipelineStage[], Input = PipelineInput<Stages>>(
  name: string,
  stages: Stages,
  options: PipelineOptions<Input> = {},
): Workflow<Input, PipelineResult<Stages>> {
  const ready = readStages(name, stages, options)
  return {
    name,
    ...(options.version !== undefined && { version: options.version }),
    ...(options.input !== undefined && { input: options.input }),
    resume: 'replay',
    run: (durable) => new PipelineRun(durable, ready).run(),
  }
}

// ── stages as they are written ──────────────────────────────────────────────────────────────────────────────────────

interface ReadyStage {
  readonly name: string
  readonly program: ChildProgram
  readonly input: StageOptions['input']
  readonly timeoutMs: number | undefined
  readonly retry: RetryPolicy | undefined
}

const PIPELINE_OPTIONS = ['version', 'input', 'retry']
const STAGE_OPTIONS = ['program', 'name', 'input', 'timeout', 'retry']
const RETRY_OPTIONS = ['maxAttempts', 'initial', 'factor', 'max', 'jitter', 'on']
const PROGRAM_PROPERTIES = ['name', 'version', 'input', '~types', 'resume', 'run']

function readStages(name: string, stages: readonly unknown[], options: PipelineOptions): readonly ReadyStage[] {
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
  refuseUnknown(`The retry policy of ${what}`, policy, RETRY_OPTIONS)
  retryBehaviour(policy, () => 0)
}

/** UsageError BAD_INPUT for an option that nobody knows. */
function refuseUnknown(what: string, options: object, known: readonly string[]): void {
  const unknown = Object.entries(options).find(([key, value]) => value !== undefined && !known.includes(key))
  if (unknown !== undefined) throw bad(`${what} has no option "${unknown[0]}".`, `It knows ${known.join(', ')}.`)
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

// ── a run ────────────────────────────────────────────────────────────────────────────────────────────────────────────

class PipelineRun {
  readonly #durable: Durable
  readonly #stages: readonly ReadyStage[]
  /** What programs may do to runs, and what engines that can retry are able to do as well. */
  readonly #outbound: Outbound & Pick<Engine, 'retry'>
  /** The child of the stage under way: told to stop if the run is cancelled. */
  #child: Child | undefined

  constructor(durable: Durable, stages: readonly ReadyStage[]) {
    this.#durable = durable
    this.#stages = stages
    this.#outbound = durable.outbound
  }

  async run(): Promise<unknown> {
    const running = this.#stagesInOrder()
    const ended = running.catch(() => {})
    await Promise.race([ended, whenCancelled(this.#durable)])
    if (isCancelled(this.#durable)) await this.#child?.cancel(this.#durable.shielded())
    return running
  }

  async #stagesInOrder(): Promise<unknown> {
    const durable = this.#durable
    const input = decode(durable.start.input)
    const results: Record<string, unknown> = Object.create(null)
    let previous = input
    let result: unknown
    for (const [index, stage] of this.#stages.entries()) {
      durable.status({ stage: stage.name, number: index + 1, of: this.#stages.length })
      const given = stage.input === undefined ? previous : await stage.input(previous, { input, results })
      result = await this.#stage(stage, given)
      this.#child = undefined
      results[stage.name] = result
      previous = passedOn(result)
    }
    return result
  }

  /** The result of a stage, of as many attempts as its policy grants. */
  async #stage(stage: ReadyStage, input: unknown): Promise<unknown> {
    const durable = this.#durable
    const stream = `retry:stage:${stage.name}`
    const again = stage.retry && retryBehaviour(stage.retry, () => durable.random(stream))
    /** Attempts that ended with a cancel of the pipeline: no failures of the stage. */
    let spared = 0
    for (let attempt = 1; ; attempt++) {
      const { id, end } = this.#begin(stage, input, attempt)
      // Looked at below, after what must be recorded first.
      end.catch(() => {})
      const mark = await this.#untilOver(stage, id, end, attempt)
      let delayMs: number | undefined
      try {
        return await end
      } catch (ended) {
        if (isCancelled(durable)) throw ended
        const error = isLate(stage, ended) ? lateness(durable, stage, attempt, ended) : ended
        if (isCancelledWith(durable, error)) {
          spared++
          continue
        }
        // Who cancels a stage does not want it again.
        const isWanted = !SelvageError.is(error, 'RUN_CANCELLED')
        delayMs = isWanted ? again?.(authorsError(error), attempt - spared) : undefined
        if (delayMs === undefined) {
          if (mark !== undefined) await durable.state(mark, {})
          throw error
        }
      }
      await sleepUntil(durable, `stage:${stage.name}/retry#${attempt}`, durable.now() + delayMs)
    }
  }

  /** The child of an attempt: after the first the same one, retried, or another one where the engine cannot do that. */
  #begin(stage: ReadyStage, input: unknown, attempt: number): { readonly id: string; readonly end: Promise<unknown> } {
    const { name, program } = stage
    const child = this.#child
    if (attempt > 1 && child !== undefined && this.#outbound.retry !== undefined) {
      return { id: child.id, end: this.#retried(stage, child.id, attempt) }
    }
    const made = startChild(this.#durable, program, input, attempt === 1 ? name : `${name}~${attempt}`)
    this.#child = made
    return { id: made.id, end: made.result }
  }

  /** Makes an ended child go on, and follows it to its next end. */
  async #retried(stage: ReadyStage, id: string, attempt: number): Promise<unknown> {
    const durable = this.#durable
    const key = `child:${stage.name}/retry#${attempt}`
    const retry = async (): Promise<void> => {
      // It has ended once more already: this process's forerunner died behind the retry.
      if (durable.arrived(`child:${id}`)) return
      try {
        await this.#outbound.retry?.(id)
      } catch (error) {
        if (!SelvageError.is(error, 'RUN_ENDED')) throw error
      }
    }
    await durable.step({ key, kind: 'child', name: stage.program.name }, retry, { retryAfterMs: untilEnded })
    const endKey = `child:${stage.name}/done#${attempt}`
    const result = await durable.wait(endKey, `child:${id}`)
    // Without a deadline a wait is only over by its signal.
    if (!result.ok) return undefined
    const outcome = result.signal.payload as unknown as Outcome
    if ('ok' in outcome) return decode(outcome.ok)
    const failure = failureOf(id, outcome)
    durable.blame(failure, endKey)
    throw failure
  }

  /**
   * Resolves when the attempt has ended, or its time is up and its child has been told so. Gives the mark that it is to
   * leave if it fails the run: a run that comes upon that was retried since, and gives the attempt its time anew.
   */
  async #untilOver(stage: ReadyStage, id: string, end: Promise<unknown>, attempt: number): Promise<string | undefined> {
    const durable = this.#durable
    const { timeoutMs } = stage
    if (timeoutMs === undefined) return undefined
    const ended = end.then(
      () => false,
      () => false,
    )
    for (let round = 1; ; round++) {
      const at = `stage:${stage.name}@${attempt}#${round}`
      const [failed, wasLate] = [`${at}/failed`, `${at}/late`]
      // Time in a run is that of its latest entry: what is timed begins with one.
      await durable.state(`${at}/begun`, {})
      if (durable.marked(failed)) continue
      const over = sleepUntil(durable, `${at}/timeout`, durable.now() + timeoutMs).then(() => true)
      // Beside a cancel nobody looks at it.
      over.catch(() => {})
      if (!(await Promise.race([ended, over]))) return failed
      await this.#stop(stage, id, at)
      if (durable.marked(wasLate)) continue
      return wasLate
    }
  }

  async #stop(stage: ReadyStage, id: string, at: string): Promise<void> {
    const stop = async (): Promise<void> => {
      try {
        await this.#outbound.cancel(id, `${tookLonger(stage)} ${stage.timeoutMs} ms`)
      } catch (error) {
        if (!SelvageError.is(error, 'NOT_FOUND') && !SelvageError.is(error, 'RUN_ENDED')) throw error
      }
    }
    const op = { key: `${at}/cancel`, kind: 'child', name: stage.program.name } as const
    await this.#durable.step(op, stop, { retryAfterMs: untilEnded })
  }
}

/**
 * A child says that it has failed just before it ends, and only then can it be retried; an engine may be away. Both are
 * over soon. A child that was retried by a process that died then is asked until it has ended, at least every 10 s.
 */
function untilEnded(error: unknown, attempt: number): number | undefined {
  const soon = SelvageError.is(error, 'BAD_INPUT') || SelvageError.is(error, 'UNAVAILABLE')
  return soon ? Math.min(10_000, 10 * 2 ** attempt) : undefined
}

const tookLonger = ({ name }: ReadyStage): string => `stage "${name}" took longer than`

/** By the reason of the cancel: it is the same in whatever process the stage was late. */
function isLate(stage: ReadyStage, error: unknown): boolean {
  return SelvageError.is(error, 'RUN_CANCELLED') && error.message.includes(`: ${tookLonger(stage)} `)
}

/** The stage was told to stop by a cancel of this run, which goes on: it was retried since. */
function isCancelledWith({ runId }: Durable, error: unknown): boolean {
  return SelvageError.is(error, 'RUN_CANCELLED') && error.message.includes(`: its parent ${runId} has ended`)
}

function lateness({ runId }: Durable, { name, timeoutMs }: ReadyStage, attempt: number, cause: unknown): StepError {
  const message = `Stage "${name}" of run ${runId} took longer than ${timeoutMs} ms and was cancelled.`
  const hint = 'Raise its timeout, or retry the run: it goes on in this stage.'
  return new StepError('STEP_TIMEOUT', message, { hint, cause, details: { runId, step: name, attempt } })
}

function failureOf(id: string, outcome: Exclude<Outcome, { ok: unknown }>): RunError {
  const details = { runId: id }
  if ('cancelled' in outcome) {
    return new RunError('RUN_CANCELLED', `Child ${id} was cancelled: ${outcome.cancelled}.`, { details })
  }
  const cause = errorFromJson(outcome.error)
  return new RunError('RUN_FAILED', `Child ${id} failed: ${cause.message}`, { cause, details })
}

/** What a policy judges: the error that somebody threw, without the runs and steps that it has passed. */
function authorsError(error: unknown): unknown {
  let inner = error
  while (SelvageError.is(inner, 'RUN_FAILED') || SelvageError.is(inner, 'STEP_FAILED')) {
    if (!(inner.cause instanceof Error)) break
    inner = inner.cause
  }
  return inner
}

/** Of an agent: what it was made to say; of any other program its result. */
function passedOn(result: unknown): unknown {
  if (!isAgentResult(result)) return result
  return result.structuredOutput === undefined ? result.text : result.structuredOutput
}

interface AgentResult {
  readonly text: string
  readonly structuredOutput?: unknown
}

/** Known by its shape: a pipeline knows no agents, and a stage may be a program that another process has registered. */
function isAgentResult(value: unknown): value is AgentResult {
  if (typeof value !== 'object' || value === null) return false
  const { text, message, stopReason, usage } = value as { readonly [key: string]: unknown }
  const isMessage = typeof message === 'object' && message !== null && 'role' in message && 'content' in message
  return typeof text === 'string' && isMessage && typeof stopReason === 'string' && typeof usage === 'object'
}
