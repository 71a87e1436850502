/**
 * Circuit breakers: what fails again and again is left alone for a while, by all runs of a worker.
 *
 *   closed ──n transient failures within the window──▶ open ──cooldown──▶ half-open: one attempt
 *     ▲                                                  ▲                   │
 *     └────────────────── it succeeds ───────────────────┼───────────────────┤
 *                                                        └──── it fails ─────┘
 *
 * Its state is that of this process and is not recorded: what it decides is only whether an attempt is made now. What
 * follows from that, a wait or a failure, is journaled with the step like that of any other attempt.
 */
import { type Duration, type OptionNames, refuseUnknown, toMs, UsageError } from '@selvage/core'

export interface CircuitBreakerOptions {
  /** So many transient failures within `window` open a circuit; at least 1. Default 5. */
  readonly failures?: number
  /** Default 1 minute. */
  readonly window?: Duration
  /** How long an open circuit lets nothing through, before one attempt tries it. Default 30 seconds. */
  readonly cooldown?: Duration
  /**
   * What an attempt does that is not let through. `wait` (default): it waits durably until the circuit may be tried; the
   * wait is no attempt. `fail`: it fails as overloaded, for retry policies and fallbacks to deal with.
   */
  readonly whileOpen?: 'wait' | 'fail'
}

export type CircuitState = 'closed' | 'open' | 'half-open'

export interface CircuitReport {
  /** `model <id>` or `tool <name>`. */
  readonly name: string
  readonly state: CircuitState
  /** Transient failures within the window. */
  readonly failures: number
  /** Of an open one: epoch milliseconds from which on it may be tried. */
  readonly openUntil?: number
}

/** An attempt was not made because its circuit is open. */
export class CircuitOpenError extends Error {
  override readonly name = 'CircuitOpenError'
  /** Epoch milliseconds. */
  readonly openUntil: number

  constructor(circuit: string, openUntil: number) {
    super(`The circuit of ${circuit} is open until ${new Date(openUntil).toISOString()}.`)
    this.openUntil = openUntil
  }
}

/** One circuit for each model and each tool that it is given for. May be shared by several agents. */
export class CircuitBreaker {
  readonly whileOpen: 'wait' | 'fail'
  readonly #settings: Settings
  readonly #circuits = new Map<string, Circuit>()

  /** UsageError BAD_INPUT for settings that make no sense. */
  constructor(options: CircuitBreakerOptions = {}) {
    refuseUnknown('A circuit breaker', options, OPTIONS)
    const { failures = 5, window = '1m', cooldown = '30s', whileOpen = 'wait' } = options
    if (!Number.isInteger(failures) || failures < 1) {
      throw bad(`failures of a circuit breaker is ${failures}.`, 'It must be a whole number of at least 1.')
    }
    if (whileOpen !== 'wait' && whileOpen !== 'fail') {
      throw bad(`whileOpen of a circuit breaker is ${String(whileOpen)}.`, 'Use wait or fail.')
    }
    this.whileOpen = whileOpen
    const windowMs = toMs(window, 'window of a circuit breaker')
    this.#settings = { failures, windowMs, cooldownMs: toMs(cooldown, 'cooldown of a circuit breaker') }
  }

  circuit(name: string): Circuit {
    const circuit = this.#circuits.get(name) ?? new Circuit(name, this.#settings)
    this.#circuits.set(name, circuit)
    return circuit
  }

  /** All circuits that were ever used. `now`: epoch milliseconds. */
  report(now: number = Date.now()): readonly CircuitReport[] {
    return [...this.#circuits.values()].map((circuit) => circuit.report(now))
  }
}

const OPTIONS: OptionNames<CircuitBreakerOptions> = { failures: true, window: true, cooldown: true, whileOpen: true }

interface Settings {
  readonly failures: number
  readonly windowMs: number
  readonly cooldownMs: number
}

export class Circuit {
  readonly name: string
  readonly #settings: Settings
  /** Times of transient failures, oldest first. */
  #failures: number[] = []
  #openUntil: number | undefined
  /** Until when the attempt under way that tries it is waited for. */
  #probedUntil = 0

  constructor(name: string, settings: Settings) {
    this.name = name
    this.#settings = settings
  }

  /** Throws CircuitOpenError where no attempt may be made. */
  enter(now: number): void {
    if (this.#openUntil === undefined) return
    if (now < this.#openUntil) throw new CircuitOpenError(this.name, this.#openUntil)
    if (now < this.#probedUntil) throw new CircuitOpenError(this.name, this.#probedUntil)
    // One that never says how it went is not waited for longer than this.
    this.#probedUntil = now + this.#settings.cooldownMs
  }

  succeeded(): void {
    this.#failures = []
    this.#openUntil = undefined
    this.#probedUntil = 0
  }

  failed(now: number): void {
    const { failures, windowMs, cooldownMs } = this.#settings
    this.#failures = [...this.#failures.filter((at) => at > now - windowMs), now]
    const wasTried = this.#openUntil !== undefined && now >= this.#openUntil
    if (!wasTried && this.#failures.length < failures) return
    this.#openUntil = now + cooldownMs
    this.#probedUntil = 0
  }

  report(now: number): CircuitReport {
    const failures = this.#failures.filter((at) => at > now - this.#settings.windowMs).length
    if (this.#openUntil === undefined) return { name: this.name, state: 'closed', failures }
    const state = now < this.#openUntil ? 'open' : 'half-open'
    return { name: this.name, state, failures, openUntil: this.#openUntil }
  }
}

function bad(message: string, hint: string): UsageError {
  return new UsageError('BAD_INPUT', message, { hint })
}
