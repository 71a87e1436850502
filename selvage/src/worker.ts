/**
 * The worker of one opened Selvage. It begins once, with the first `start()`, with who waits for a run of a program that is
 * registered here, or with `work()`, and ends with `stop()` or with the Selvage. The engine keeps the process alive while it serves.
 *
 *   idle ──begin──▶ working ──stop──▶ idle
 */
import type { Engine, Host, Runtime, ServeOptions } from '@selvage/core'

export class Worker {
  readonly #engine: Engine
  readonly #host: Host
  readonly #context: Pick<Runtime['context'], 'outside'>
  readonly #options: ServeOptions
  #serving: ReturnType<Engine['serve']> | undefined
  #hasBegun = false

  constructor(engine: Engine, host: Host, context: Pick<Runtime['context'], 'outside'>, options: ServeOptions) {
    this.#engine = engine
    this.#host = host
    this.#context = context
    this.#options = options
  }

  /** It has never begun: a worker that was stopped is begun again by `start()` and `work()` alone. */
  get isNew(): boolean {
    return !this.#hasBegun
  }

  /** Resolves when runs are being claimed. Later calls join the first, whose options count. */
  async begin(options: ServeOptions = {}): Promise<void> {
    // Not in the context of the request that happens to begin it: its tenant would be seen in the runs of all others.
    const serve = () => this.#engine.serve(this.#host, { ...this.#options, ...options })
    const serving = this.#serving ?? this.#context.outside(serve)
    this.#serving = serving
    this.#hasBegun = true
    try {
      await serving
    } catch (error) {
      if (this.#serving === serving) this.#serving = undefined
      throw error
    }
  }

  /** Resolves when nothing is in flight here; runs that were are free to be claimed by others. */
  async stop(): Promise<void> {
    const serving = this.#serving
    this.#serving = undefined
    if (serving !== undefined) await (await serving).stop()
  }
}
