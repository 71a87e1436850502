/**
 * Waiting for people, with reminders: one wait after the other on the same signal, each until the next reminder, the last
 * one until time is up. A wait that time has ended before the last one *is* the reminder; nothing else is kept.
 *
 * When the next reminder is due follows from when the question was asked and from when the last one was recorded, never
 * from a clock: all that fall due while no worker runs are one. Waits that a retry has left from an earlier asking lie
 * before the question, and are passed over.
 */
import type { Durable, WaitResult } from '@selvage/core'
import { reminderKey } from '@selvage/core'
import type { NormalPolicy } from './approval-options.ts'

export class Patience {
  readonly #durable: Durable
  readonly #key: string
  readonly #askedAt: number
  readonly #until: number | undefined
  readonly #reminders: NormalPolicy['reminders']
  #remindedAt: number
  #reminded = 0

  /** `key`: of the question. `askedAt`, `until`: epoch ms. */
  constructor(
    durable: Durable,
    key: string,
    times: { readonly askedAt: number; readonly until: number | undefined },
    reminders: NormalPolicy['reminders'],
  ) {
    this.#durable = durable
    this.#key = key
    this.#askedAt = times.askedAt
    this.#until = times.until
    this.#reminders = reminders
    this.#remindedAt = times.askedAt
  }

  /** The next signal of that name, or no more time. `key`: of the wait that is the last. */
  async wait<T>(key: string, signalName: string): Promise<WaitResult<T>> {
    for (;;) {
      const next = this.#nextReminder()
      if (next === undefined) return this.#durable.wait<T>(key, signalName, this.#until)
      this.#reminded += 1
      const result = await this.#durable.wait<T>(reminderKey(this.#key, this.#reminded), signalName, next)
      if (result.ok) return result
      this.#remindedAt = Math.max(this.#remindedAt, result.at)
    }
  }

  /** Whether a wait that is over by time is one of an earlier asking. */
  isStale({ at }: { readonly at: number }): boolean {
    return at <= this.#askedAt && at !== this.#until
  }

  #nextReminder(): number | undefined {
    const passed = this.#remindedAt - this.#askedAt
    const next = this.#reminders === undefined ? undefined : after(this.#reminders, passed)
    if (next === undefined) return undefined
    const at = this.#askedAt + next
    return this.#until === undefined || at < this.#until ? at : undefined
  }
}

function after(reminders: NonNullable<NormalPolicy['reminders']>, passed: number): number | undefined {
  if ('afterMs' in reminders) return reminders.afterMs.find((ms) => ms > passed)
  const { everyMs } = reminders
  return (Math.floor(passed / everyMs) + 1) * everyMs
}
