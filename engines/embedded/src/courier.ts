/**
 * Delivers the outbox: claims messages that are due of the topics that have a handler here, hands each to it, and writes
 * down how that went. Where nothing is due it costs one look into an empty index, and only when something was committed:
 * by this process (`poke`), by another one (the bell), or by nobody, but a message has become due (a timer).
 *
 * A delivery that fails is due again when its handler says; one that has no more attempts is dead, and kept. A delivery
 * whose worker died counts as an attempt, so that a message which kills its process does not do so for ever; and the worker
 * is told, so that it holds no run meanwhile that would be blamed for it. What cannot be
 * written down (a full disk) is tried until it can, while the message stays claimed: others must not deliver it meanwhile.
 */
import {
  type Delivered,
  errorToJson,
  type MessageClaim,
  type OutboxHandler,
  type OutboxStore,
  probe,
  SelvageError,
  StepError,
  SUSPECT_CRASHES,
} from '@selvage/core'
import { backoffMs } from './backoff.ts'
import { Lookout } from './lookout.ts'
import type { Parts } from './parts.ts'

/** Deliveries of one worker at once. */
const CONCURRENCY = 32

interface Delivery {
  readonly claim: MessageClaim
  readonly abort: AbortController
  /** Resolves when nothing more is done for it here. */
  readonly over: Promise<void>
}

export class Courier {
  private readonly parts: Parts
  private readonly store: OutboxStore
  private readonly handlers: () => readonly OutboxHandler[]
  private readonly workerId: () => string
  private readonly lookout: Lookout
  private readonly deliveries = new Map<string, Delivery>()
  private topics = 0
  private stopping = false

  constructor(parts: Parts, store: OutboxStore, handlers: () => readonly OutboxHandler[], workerId: () => string) {
    this.parts = parts
    this.store = store
    this.handlers = handlers
    this.workerId = workerId
    this.lookout = new Lookout(parts.runtime.clock, () => this.look(), parts.report)
  }

  /** Something may have become due. */
  poke(): void {
    this.lookout.poke()
  }

  /** Whether a message is being delivered whose deliveries have killed workers. Known when the look in progress is over. */
  async mayKill(): Promise<boolean> {
    await this.lookout.looked()
    for (const { claim } of this.deliveries.values())
      if (claim.recoveredFrom !== undefined && claim.attempt > SUSPECT_CRASHES) return true
    return false
  }

  /** Something happened that others may have asked to be told of. */
  happened(): void {
    if (this.handlers().some(({ topic }) => topic.startsWith('$'))) this.lookout.poke()
  }

  /** A handler may have been registered; and not all that happens is told of at once. */
  tick(): void {
    if (this.handlers().length !== this.topics) this.lookout.poke()
    else this.happened()
  }

  /** The worker was declared dead: others deliver what it had. */
  lose(): void {
    for (const { abort } of this.deliveries.values()) abort.abort()
  }

  /** Takes nothing more; what is being delivered has so long to end, and is then given back. */
  async close(graceMs: number): Promise<void> {
    this.stopping = true
    await this.lookout.close()
    const grace = setTimeout(() => this.lose(), graceMs)
    await Promise.all([...this.deliveries.values()].map(({ over }) => over))
    clearTimeout(grace)
  }

  private async look(): Promise<number | undefined> {
    const { clock } = this.parts.runtime
    while (this.deliveries.size < CONCURRENCY && !this.stopping) {
      const handlers = new Map(this.handlers().map((handler) => [handler.topic, handler]))
      this.topics = handlers.size
      if (handlers.size === 0) return undefined
      const topics = [...handlers.keys()]
      const now = clock.now()
      const due = await this.store.nextDue(topics)
      if (due === undefined) return undefined
      if (due > now) return due - now
      const claims = await this.store.claim(this.workerId(), topics, CONCURRENCY - this.deliveries.size, now)
      probe('engine.after-claim-message')
      for (const claim of claims) this.begin(claim, handlers.get(claim.topic) as OutboxHandler)
      if (claims.length === 0) return undefined
    }
    return undefined
  }

  private begin(claim: MessageClaim, handler: OutboxHandler): void {
    const abort = new AbortController()
    const over = this.deliver(claim, handler, abort).then(() => {
      this.deliveries.delete(claim.id)
      this.lookout.poke()
    })
    this.deliveries.set(claim.id, { claim, abort, over })
  }

  /** Never rejects. */
  private async deliver(claim: MessageClaim, handler: OutboxHandler, abort: AbortController): Promise<void> {
    if (claim.recoveredFrom !== undefined) {
      const error = diedWith(claim)
      if (handler.retryAfterMs(error, claim.attempt - 1) === undefined) {
        return await this.settle(claim, { kind: 'dead', error: errorToJson(error) })
      }
    }
    await this.settle(claim, await this.attempt(claim, handler, abort))
  }

  private async attempt(claim: MessageClaim, handler: OutboxHandler, abort: AbortController): Promise<Delivered> {
    const { clock } = this.parts.runtime
    const ended = Promise.withResolvers<never>()
    // A handler that succeeds leaves it unsettled; one that was given up may still reject.
    ended.promise.catch(() => {})
    let timedOut: StepError | undefined
    const cancel = clock.timer(handler.timeoutMs, () => {
      timedOut = tookTooLong(claim, handler.timeoutMs)
      abort.abort(timedOut)
    })
    abort.signal.addEventListener('abort', () => ended.reject(abort.signal.reason))
    try {
      const delivering = handler.deliver(claim, abort.signal)
      await Promise.race([delivering, ended.promise])
      probe('engine.after-delivery')
      return { kind: 'delivered' }
    } catch (caught) {
      if (timedOut === undefined && abort.signal.aborted) return { kind: 'released' }
      const error = timedOut ?? caught
      const delayMs = handler.retryAfterMs(error, claim.attempt)
      if (delayMs === undefined) return { kind: 'dead', error: errorToJson(error) }
      return { kind: 'retry', at: clock.now() + Math.max(0, Math.round(delayMs)), error: errorToJson(error) }
    } finally {
      cancel()
    }
  }

  private async settle(claim: MessageClaim, how: Delivered): Promise<void> {
    const { runtime, report } = this.parts
    for (let failures = 1; ; failures++) {
      try {
        await this.store.settle(claim, how, runtime.clock.now())
        probe('engine.after-settle-message')
        return
      } catch (error) {
        if (SelvageError.is(error, 'LEASE_LOST')) return
        report(error)
        if (this.stopping) return
      }
      await new Promise<void>((resolve) => void setTimeout(resolve, backoffMs(failures)).unref())
    }
  }
}

function diedWith({ id, topic, recoveredFrom }: MessageClaim): StepError {
  return new StepError('STEP_FAILED', `The worker that delivered message ${id} to "${topic}" died.`, {
    details: { messageId: id, worker: recoveredFrom },
  })
}

function tookTooLong({ id, topic, attempt }: MessageClaim, timeoutMs: number): StepError {
  return new StepError(
    'STEP_TIMEOUT',
    `Delivering message ${id} to "${topic}" took longer than ${timeoutMs} ms at attempt ${attempt}.`,
    { details: { messageId: id, attempt } },
  )
}
