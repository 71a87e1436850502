/**
 * How long an attempt may take, and how long it may be silent. Whichever is over first aborts it with STEP_TIMEOUT; the
 * attempt is then given up, whether its code heeds the abort or not: what it still does is recorded nowhere.
 */
import { StepError } from '../errors.ts'
import type { AskedStep } from './asked.ts'
import type { Fiber } from './fiber.ts'

export function hasLimit({ op, behaviour }: AskedStep): boolean {
  return op.timeoutMs !== undefined || behaviour.heartbeatTimeoutMs !== undefined
}

/** For an effect `once` that was given up. */
export function lateness({ op, behaviour }: AskedStep): string {
  const { heartbeatTimeoutMs } = behaviour
  const silence = heartbeatTimeoutMs === undefined ? '' : ` or was silent for ${heartbeatTimeoutMs} ms`
  return op.timeoutMs === undefined
    ? `it was silent for ${heartbeatTimeoutMs} ms`
    : `it did not answer within ${op.timeoutMs} ms${silence}`
}

export class AttemptLimit {
  readonly expired: Promise<never>
  readonly #fiber: Fiber
  readonly #step: AskedStep
  readonly #parent: AbortSignal
  readonly #own = new AbortController()
  readonly #forward: () => void
  #reject: (error: unknown) => void = () => {}
  #stopTotal = (): void => {}
  #stopSilence = (): void => {}
  #isOver = false

  constructor(fiber: Fiber, step: AskedStep, parent: AbortSignal) {
    this.#fiber = fiber
    this.#step = step
    this.#parent = parent
    this.expired = new Promise((_, reject) => {
      this.#reject = reject
    })
    this.#forward = () => this.#own.abort(parent.reason)
    if (parent.aborted) this.#forward()
    else parent.addEventListener('abort', this.#forward)
    const { timeoutMs } = step.op
    if (timeoutMs !== undefined) {
      this.#stopTotal = fiber.env.runtime.clock.timer(timeoutMs, () => this.#expire(`took longer than ${timeoutMs} ms`))
    }
    this.heartbeat()
  }

  get abortSignal(): AbortSignal {
    return this.#own.signal
  }

  /** The attempt is alive: its silence begins anew. */
  heartbeat(): void {
    const { heartbeatTimeoutMs } = this.#step.behaviour
    if (heartbeatTimeoutMs === undefined || this.#isOver) return
    this.#stopSilence()
    this.#stopSilence = this.#fiber.env.runtime.clock.timer(heartbeatTimeoutMs, () =>
      this.#expire(`gave no heartbeat for ${heartbeatTimeoutMs} ms`),
    )
  }

  /** The attempt has settled. */
  end(): void {
    this.#isOver = true
    this.#stopTotal()
    this.#stopSilence()
    this.#parent.removeEventListener('abort', this.#forward)
  }

  #expire(how: string): void {
    const { op, attempt } = this.#step
    const { runId } = this.#fiber
    const error = new StepError('STEP_TIMEOUT', `Step ${op.key} of run ${runId} ${how} at attempt ${attempt}.`, {
      details: { runId, step: op.key, attempt },
    })
    this.end()
    this.#own.abort(error)
    this.#reject(error)
  }
}
