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
import type { Durable, Outbound } from '@selvage/core'
import { decode, SelvageError, StepError } from '@selvage/core'
import { readBudget } from '../budgets/budget.ts'
import { metered } from '../budgets/metered.ts'
import { isCancelled, whenCancelled } from '../cancellation.ts'
import { type Child, type ChildProgram, isCancelledWith, startChild, untilEnded } from '../child.ts'
import { retryBehaviour } from '../failures/retry.ts'
import { forked } from '../forked.ts'
import { sleepUntil } from '../waits/sleep.ts'
import type { Workflow } from '../workflow.ts'
import {
  type PipelineInput,
  type PipelineOptions,
  type PipelineResult,
  type PipelineStage,
  type ReadyStage,
  readStages,
} from './pipeline-stages.ts'

/** Makes a program of stages. UsageError BAD_INPUT for stages and options that make no sense. */
export function createPipeline<const Stages extends readonly PipelineStage[], Input = PipelineInput<Stages>>(
  name: string,
  stages: Stages,
  options: PipelineOptions<Input> = {},
): Workflow<Input, PipelineResult<Stages>> {
  const ready = readStages(name, stages, options)
  const budget = options.budget === undefined ? undefined : readBudget(`pipeline "${name}"`, options.budget)
  return {
    name,
    ...(options.version !== undefined && { version: options.version }),
    ...(options.input !== undefined && { input: options.input }),
    resume: 'replay',
    run: (durable) => new PipelineRun(metered(forked(durable), budget), ready).run(),
  }
}

class PipelineRun {
  readonly #durable: Durable
  readonly #stages: readonly ReadyStage[]
  readonly #outbound: Outbound
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
    let since: number | undefined
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
        const now = durable.now()
        since ??= now
        delayMs = isWanted ? again?.(authorsError(error), attempt - spared, { now, since }) : undefined
        if (delayMs === undefined) {
          if (mark !== undefined) await durable.state(mark, {})
          throw error
        }
      }
      await sleepUntil(durable, `stage:${stage.name}/retry#${attempt}`, durable.now() + delayMs)
    }
  }

  /** The child of an attempt: after the first the same one, retried, or another one where that cannot be: undone, say. */
  #begin(stage: ReadyStage, input: unknown, attempt: number): { readonly id: string; readonly end: Promise<unknown> } {
    const { name, program } = stage
    const child = this.#child
    if (attempt > 1 && child !== undefined && this.#outbound.retry !== undefined) {
      const end = child.again(attempt).catch((error: unknown) => {
        if (!StepError.is(error) || !SelvageError.is(error.cause, 'RUN_UNDONE')) throw error
        return this.#anew(program, input, `${name}~${attempt}`).result
      })
      return { id: child.id, end }
    }
    const made = this.#anew(program, input, attempt === 1 ? name : `${name}~${attempt}`)
    return { id: made.id, end: made.result }
  }

  #anew(program: ChildProgram, input: unknown, key: string): Child {
    const made = startChild(this.#durable, program, input, key)
    this.#child = made
    return made
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
      await this.#stop(stage, this.#child?.id ?? id, at)
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

const tookLonger = ({ name }: ReadyStage): string => `stage "${name}" took longer than`

/** By the reason of the cancel: it is the same in whatever process the stage was late. */
function isLate(stage: ReadyStage, error: unknown): boolean {
  return SelvageError.is(error, 'RUN_CANCELLED') && error.message.includes(`: ${tookLonger(stage)} `)
}

function lateness({ runId }: Durable, { name, timeoutMs }: ReadyStage, attempt: number, cause: unknown): StepError {
  const message = `Stage "${name}" of run ${runId} took longer than ${timeoutMs} ms and was cancelled.`
  const hint = 'Raise its timeout, or retry the run: it goes on in this stage.'
  return new StepError('STEP_TIMEOUT', message, { hint, cause, details: { runId, step: name, attempt } })
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
