/**
 * A step whose body runs inside the commit that records it (transaction.ts). It waits in the fiber's queue until the turn
 * has nothing else to append, so that its entry has its place in the journal before its function runs.
 */
import { UsageError } from '../errors.ts'
import type { Entry, EntryBody } from '../journal/entry.ts'
import type { Manifest } from '../ports.ts'
import { probe } from '../probe.ts'
import type { Transaction, TransactionDatabase, TransactionWrite } from '../transaction.ts'
import { encode } from '../values/codec.ts'
import type { AskedStep } from './asked.ts'
import { attemptAt, failureOf, recorded, resultOf } from './attempt.ts'
import type { Fiber } from './fiber.ts'

/** Begins an attempt: the turn will write it. */
export function queueTransaction(fiber: Fiber, step: AskedStep): void {
  step.phase = 'running'
  const { op, attempt } = step
  fiber.env.note({ type: 'started', runId: fiber.runId, op, attempt, at: fiber.clock() })
  probe('host.before-effect')
  fiber.transactions.push(step)
  fiber.onEvent()
}

/** What the store is to write as the entry after those that are acknowledged. */
export function transactionWrite(fiber: Fiber, step: AskedStep): TransactionWrite {
  const seq = fiber.acknowledged
  const startedAt = fiber.clock()
  const whole = (body: EntryBody): Entry => ({ ...body, seq, at: fiber.clock() }) as Entry
  const fail = (error: unknown): Entry => whole(failureOf(fiber, step, startedAt, error))
  return {
    fail,
    run(database) {
      try {
        // A cancel that is durable by now comes first.
        if (fiber.abortSignal.aborted && !step.shielded) throw fiber.abortSignal.reason
        const ok = encode(bodyOf(fiber, step, database), resultOf(fiber, step))
        const { key } = step.op
        const body = {
          type: 'step',
          key,
          op: recorded(step),
          attempt: step.attempt,
          startedAt,
          outcome: { ok },
        } as const
        const entry = whole(body)
        return { entry: step.sent === undefined ? entry : { ...entry, sent: step.sent }, keep: true }
      } catch (error) {
        return { entry: fail(error), keep: false }
      }
    },
  }
}

function bodyOf(fiber: Fiber, step: AskedStep, database: TransactionDatabase): unknown {
  step.sent = undefined
  const at = attemptAt(fiber, step)
  const transaction: Transaction = {
    exec: (sql) => database.exec(sql),
    run: (sql, ...values) => database.run(sql, ...values),
    get: (sql, ...values) => database.get(sql, ...values),
    all: (sql, ...values) => database.all(sql, ...values),
    prepare: (sql) => database.prepare(sql),
    runId: fiber.runId,
    attempt: step.attempt,
    send: at.send,
  }
  const value = step.here(() => fiber.env.runtime.context.run(at, () => step.transact?.(transaction)))
  if (!isThenable(value)) return value
  // Whatever it does from here on finds the transaction closed.
  value.then(undefined, () => {})
  throw asynchronous(`The function of transaction "${step.op.name}" of run ${fiber.runId}`)
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

export function asynchronous(what: string): UsageError {
  return new UsageError('BAD_INPUT', `${what} returned a promise; what it wrote was rolled back.`, {
    hint: 'It runs inside of a commit and must be synchronous: await before it, or send a message for what comes after it.',
  })
}

export function noTransactions(manifest: Manifest): UsageError {
  return new UsageError('UNSUPPORTED', `Engine '${manifest.name}' has no transactions with the journal.`, {
    hint: 'Use ctx.step with an idempotent write, keyed by at.idempotencyKey, or the embedded engine on SQLite.',
  })
}
