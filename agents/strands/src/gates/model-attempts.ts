/**
 * The attempts of one model call: which model is asked, when it is asked again, and when the next one stands in for it.
 *
 *   primary ──fails──▶ again, by its policy ──▶ … ──▶ the next model that stands in for that kind of failure ──▶ …
 *      └──answers──▶ recorded, with the name of a model that stood in
 *
 * All attempts are those of one step. Each failure that is followed by another attempt is journaled as `retry` before
 * that attempt begins, and says which model it asks (`next`): a process that goes on with the call begins there, and a
 * model that was given up for this call is not asked again. The next call begins with the agent's own model.
 *
 * A policy that its author wrote holds for each model of the chain; the built-in one only where no model is left.
 */
import type { AttemptTimes, Entry, Json, NextAttempt } from '@selvage/core'
import { CircuitOpenError, classifyUnder, type Failure, type RetryPolicies, retryBehaviour } from '@selvage/programs'
import type { Model, Usage } from '@strands-agents/sdk'
import { usageOfError } from '../conversation/record.ts'
import type { FailurePolicy, Guard } from '../policies/failure-policy.ts'
import { BudgetRefusal } from './metering.ts'
import { ConsumerLeft } from './relay.ts'

/** `next` of a `retry` entry of a model call. */
export interface NextModel {
  /** Of the chain: 0 for the agent's own model. */
  readonly at: number
  readonly model: string
  /** Why the one before it was given up; absent where the same one is asked again. */
  readonly because?: Failure['kind']
  /** What the failed attempt has cost, where the model said so. */
  readonly usage?: Usage
}

export interface ModelAttemptsOptions {
  readonly policy: FailurePolicy
  /** Whether the built-in policy holds for this agent. */
  readonly hasDefault: boolean
  readonly primary: Model
  readonly random: () => number
  /** Epoch milliseconds by host time. */
  readonly now: () => number
  /** The failed attempts of this step in the journal. */
  readonly recorded: readonly Entry[]
  /** Called with what a failed attempt has cost. */
  readonly spend: (attempt: number, usage: Usage) => void
}

export class ModelAttempts {
  readonly #options: ModelAttemptsOptions
  /** Which of the chain is asked; -1: not known yet. */
  #at = 0
  /** Attempts before those of that model. */
  #before = 0
  #begun = false
  #guard: Guard | undefined
  #letGo = (): void => {}

  constructor(options: ModelAttemptsOptions) {
    this.#options = options
  }

  /** Whether an answer that is a failure may be followed by another attempt. */
  get mindsOutput(): boolean {
    const { policy } = this.#options
    const minds = (on: ReadonlySet<string>): boolean =>
      on.has('model') || on.has('refusal') || on.has('malformed-output')
    return Boolean(policy.modelRetry?.model) || policy.candidates.some(({ on }) => minds(on))
  }

  /** The model of this attempt. */
  begin(attempt: number): Model {
    this.#letGo()
    if (!this.#begun) this.#resume(attempt)
    this.#begun = true
    const model = this.#model(this.#at)
    this.#guard = this.#options.policy.modelCircuit(nameOf(model))
    this.#guard?.circuit.enter(this.#options.now())
    return model
  }

  /** The model of this attempt has answered. */
  succeeded(): void {
    this.#guard?.circuit.succeeded()
  }

  /** Its name, where it is not the agent's own. */
  get standIn(): string | undefined {
    return this.#at === 0 ? undefined : nameOf(this.#model(this.#at))
  }

  /** `retryAfterMs` of the step. */
  readonly after = (error: unknown, attempt: number, times: AttemptTimes): NextAttempt | undefined => {
    if (error instanceof ConsumerLeft || error instanceof BudgetRefusal) return undefined
    const { policy, hasDefault } = this.#options
    const failure = classifyUnder(policy.modelRetry, error)
    const standIn = this.#standInFor(failure)
    if (error instanceof CircuitOpenError) {
      // Not made, and so not counted.
      if (this.#guard?.waits && standIn === undefined) {
        this.#before++
        return this.#next(error.openUntil - times.now, undefined)
      }
    } else if (failure.class === 'transient') this.#guard?.circuit.failed(times.now)
    else this.succeeded()
    const retry = policy.modelRetry ?? (hasDefault && standIn === undefined ? policy.defaultRetry : undefined)
    const afterMs = this.#backoff(retry, error, attempt - this.#before, times)
    if (afterMs === undefined && standIn === undefined) return undefined
    const usage = usageOfError(error)
    // Of the last one it is in the outcome of the call.
    if (usage !== undefined) this.#options.spend(attempt, usage)
    if (afterMs !== undefined) return this.#next(afterMs, usage)
    this.#at = standIn ?? this.#at
    this.#before = attempt
    return this.#next(0, usage, failure.kind)
  }

  #backoff(retry: RetryPolicies | undefined, error: unknown, n: number, times: AttemptTimes): number | undefined {
    // What an author throws to be tried again is tried again, under whatever policy.
    return retryBehaviour(retry ?? { transient: { on: () => false } }, this.#options.random)(error, n, times)
  }

  #next(afterMs: number, usage: Usage | undefined, because?: Failure['kind']): NextAttempt {
    const { policy } = this.#options
    const next: NextModel = {
      at: this.#at,
      model: nameOf(this.#model(this.#at)),
      ...(because !== undefined && { because }),
      ...(usage !== undefined && { usage }),
    }
    this.#letGo = policy.holdProcess(afterMs)
    return { afterMs, next: JSON.parse(JSON.stringify(next)) as Json }
  }

  #standInFor({ class: of, kind }: Failure): number | undefined {
    const { candidates } = this.#options.policy
    const found = candidates.findIndex(({ on }, index) => index >= this.#at && (on.has(kind) || on.has(of)))
    return found < 0 ? undefined : found + 1
  }

  #model(at: number): Model {
    const { primary, policy } = this.#options
    return at === 0 ? primary : (policy.candidates[at - 1]?.model() ?? primary)
  }

  /** Goes on where the journal says. Attempts that it does not know of were those of a call that was given up. */
  #resume(attempt: number): void {
    this.#before = attempt - 1
    const last = this.#options.recorded.at(-1)
    if (last?.type !== 'retry' || last.attempt !== attempt - 1) return
    this.#before = 0
    const { waitsForModels: waits } = this.#options.policy
    for (const entry of this.#options.recorded) {
      if (entry.type !== 'retry') continue
      const { at, because } = (entry.next ?? { at: 0 }) as unknown as NextModel
      // A chain that has become shorter since goes on with the agent's own model.
      this.#at = at <= this.#options.policy.candidates.length ? at : 0
      if (because !== undefined) this.#before = entry.attempt
      else if (entry.error.name === 'CircuitOpenError' && waits) this.#before++
    }
  }
}

function nameOf(model: Model): string {
  return model.modelId ?? model.constructor.name
}
