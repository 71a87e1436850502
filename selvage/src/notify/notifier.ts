/**
 * Tells those outside what happens. Each target is a topic of the outbox, so deliveries survive every death, are made at
 * least once, and are in order per run and target. What is told was put into the outbox by the commit that made it true
 * (core/src/notices.ts); everything beside it is read when it is delivered.
 */
import {
  type EngineOutbox,
  type MessageClaim,
  NOTICES,
  type Notice,
  noOutbox,
  type OutboxHandler,
  type QuestionRecord,
  SelvageError,
  toMs,
  UsageError,
  withDefaults,
} from '@selvage/core'
import { type RetryPolicy, retryBehaviour } from '@selvage/programs'
import type { Parts } from '../assemble.ts'
import type { Approval } from '../people/inbox.ts'
import type { Notification, Notify, NotifyTarget } from './notification.ts'

const TOPIC = '$notify/'
const RETRY: RetryPolicy = { maxAttempts: 20, initial: 1_000, factor: 2, max: 3_600_000 }
const TIMEOUT_MS = 30_000
/** How often a subscriber that is served says so. */
const SERVED_MS = 86_400_000

/** One for each of the list. BAD_INPUT for two of one name, and for what is none. */
export function targetsOf(notify: readonly Notify[]): readonly NotifyTarget[] {
  const targets = notify.map((one, index) => targetOf(one, index))
  const names = targets.map(({ name }) => name)
  for (const { name, deliver, events = [] } of targets) {
    if (typeof name !== 'string' || name === '' || typeof deliver !== 'function')
      throw bad(name, 'is nobody to be told')
    if (names.indexOf(name) !== names.lastIndexOf(name)) throw bad(name, 'is there twice')
    if (!Array.isArray(events)) throw bad(name, 'has events that are no list')
    const unknown = events.find((event) => !NOTICES.includes(event))
    if (unknown !== undefined) throw bad(name, `wants "${unknown}", which is never told`)
  }
  return targets
}

function targetOf(notify: Notify, index: number): NotifyTarget {
  if (typeof notify !== 'function') return notify
  return { name: notify.name === '' ? `function ${index + 1}` : notify.name, deliver: notify }
}

function bad(name: unknown, what: string): UsageError {
  return new UsageError('BAD_INPUT', `The target ${JSON.stringify(name)} of notify ${what}.`, {
    hint: `Each is a function or { name, events?, deliver }; events are ${NOTICES.join(', ')}.`,
  })
}

export class Notifier {
  readonly #parts: Parts
  readonly #present: (question: QuestionRecord) => Promise<Approval>
  readonly handlers: readonly OutboxHandler[]
  #stop: (() => void) | undefined

  /** What happens from now on is told to these. UNSUPPORTED on an engine without an outbox that takes notices. */
  static async subscribe(
    { engine, runtime }: Pick<Parts, 'engine' | 'runtime'>,
    targets: readonly NotifyTarget[],
  ): Promise<() => void> {
    const { outbox } = engine
    if (targets.length === 0) return () => {}
    if (outbox?.subscribe === undefined) throw noOutbox(engine.manifest)
    await outbox.subscribe(subscriptionsOf(targets))
    let cancel = (): void => {}
    const again = (): void => {
      cancel = runtime.clock.timer(SERVED_MS, () => {
        void (outbox as Required<EngineOutbox>).subscribe(subscriptionsOf(targets)).catch(() => {})
        again()
      })
    }
    again()
    return () => cancel()
  }

  constructor(parts: Parts, present: (question: QuestionRecord) => Promise<Approval>) {
    this.#parts = parts
    this.#present = present
    this.#stop = parts.stopNotifying
    this.handlers = parts.notify.map((target) => this.#handler(target))
  }

  close(): void {
    this.#stop?.()
    this.#stop = undefined
  }

  #handler({ name, deliver, retry, timeout }: NotifyTarget): OutboxHandler {
    const { runtime } = this.#parts
    const random = (): number => Number.parseInt(runtime.random(6), 16) / 2 ** 48
    return {
      topic: `${TOPIC}${name}`,
      deliver: async (claim, abortSignal) => {
        const notification = await this.#notification(claim)
        if (notification !== undefined) await deliver(notification, { attempt: claim.attempt, abortSignal })
      },
      retryAfterMs: retryBehaviour(withDefaults(`retry of the target "${name}" of notify`, RETRY, retry ?? {}), random),
      timeoutMs: timeout === undefined ? TIMEOUT_MS : toMs(timeout, `timeout of the target "${name}"`),
    }
  }

  /** Undefined where nothing is left of what it tells of. */
  async #notification({ id, runId, payload }: MessageClaim): Promise<Notification | undefined> {
    const { engine } = this.#parts
    const { type, at, question: questionId, from, to, seat, step, waitsFor } = payload as unknown as Notice
    try {
      const { start, outcome, ...run } = await engine.describe(runId)
      const record = questionId === undefined ? undefined : await engine.question?.(questionId)
      return {
        id,
        type,
        at: at ?? momentOf(type, record, to, seat) ?? run.updatedAt,
        run: {
          id: run.id,
          program: run.program,
          ...(run.version === undefined ? {} : { version: run.version }),
          status: run.status,
          ...(run.parent === undefined ? {} : { parent: run.parent }),
          ...(run.tenant === undefined ? {} : { tenant: run.tenant }),
          tags: run.tags,
          ...endOf(outcome),
        },
        ...(record === undefined ? {} : { question: await this.#present(record) }),
        ...(to === undefined
          ? {}
          : { delegated: { to, ...(from == null ? {} : { from }), ...(seat === undefined ? {} : { seat }) } }),
        ...(type !== 'question.voted' || seat === undefined ? {} : { seat }),
        ...(step === undefined ? {} : { step }),
        ...(waitsFor === undefined ? {} : { waitsFor }),
      }
    } catch (error) {
      if (SelvageError.is(error, 'NOT_FOUND')) return undefined
      throw error
    }
  }
}

function subscriptionsOf(targets: readonly NotifyTarget[]): Parameters<Required<EngineOutbox>['subscribe']>[0] {
  return targets.map(({ name, events }) => ({ topic: `${TOPIC}${name}`, notices: [...new Set(events ?? NOTICES)] }))
}

/** Where its commit did not say when, the record of it does. */
function momentOf(
  type: Notice['type'],
  question: QuestionRecord | undefined,
  to: string | undefined,
  seat: string | undefined,
): number | undefined {
  switch (type) {
    case 'question.answered':
      return question?.answer?.at
    case 'question.delegated':
      return question?.delegations?.findLast((delegation) => delegation.to === to)?.at
    case 'question.voted':
      return question?.votes?.find((vote) => vote.seat === seat)?.at
    default:
      return question?.openedAt
  }
}

type Outcome = Awaited<ReturnType<Parts['engine']['describe']>>['outcome']

function endOf(outcome: Outcome): Pick<Notification['run'], 'error' | 'reason'> {
  if (outcome === undefined || 'ok' in outcome) return {}
  if ('cancelled' in outcome) return { reason: outcome.cancelled }
  const { name, message, code } = outcome.error
  return { error: { name, message, ...(code === undefined ? {} : { code }) } }
}
