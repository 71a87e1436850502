/**
 * What a program sees of its fiber: the implementation of `Durable`. Whatever it asks for becomes a step, a wait or a note
 * of the fiber, and is settled there.
 *
 * A cancel closes the gate. A shielded one stays open in spite of it: that of compensations and of `onCancel`. Keys of
 * `onCancel` are told apart from those of the program, because a retry of the cancelled run makes them void; a run that is
 * undone is not retried.
 */
import { UsageError } from '../errors.ts'
import type { Entry, Op, Question, Start } from '../journal/entry.ts'
import type { ForkView } from '../journal/fork-view.ts'
import { hashJson } from '../journal/keys.ts'
import { shieldedKey } from '../journal/known.ts'
import type { Durable, Outbound, StepBehaviour, StepContext, Undoing, WaitResult } from '../ports.ts'
import type { Transaction } from '../transaction.ts'
import { encode } from '../values/codec.ts'
import type { Json, JsonObject } from '../values/json.ts'
import type { AskedNote, AskedStep } from './asked.ts'
import type { Fiber } from './fiber.ts'
import { noTransactions } from './transacting.ts'

type KeyOf = (key: string) => string

export class Gate implements Durable {
  readonly runId: string
  readonly start: Start
  private readonly fiber: Fiber
  /** Of a shielded one: what its keys are in the journal. */
  private readonly keyOf: KeyOf | undefined

  /** With `keyOf` it is shielded. */
  constructor(fiber: Fiber, keyOf?: KeyOf) {
    this.fiber = fiber
    this.runId = fiber.runId
    this.start = fiber.start
    this.keyOf = keyOf
  }

  get abortSignal(): AbortSignal {
    return this.keyOf === undefined ? this.fiber.abortSignal : this.fiber.lifetimeSignal
  }

  get isReplaying(): boolean {
    return this.fiber.isReplaying
  }

  get history(): readonly Entry[] {
    return this.fiber.history
  }

  get fork(): ForkView | undefined {
    return this.fiber.fork
  }

  get outbound(): Outbound {
    return this.fiber.env.outbound
  }

  shielded(): Durable {
    return this.keyOf === undefined ? new Gate(this.fiber, shieldedKey) : this
  }

  // ── steps ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  step<T>(op: Op, live: (at: StepContext) => Promise<T> | T, behaviour: StepBehaviour<T> = {}): Promise<T> {
    return this.ask(op, live, behaviour)
  }

  async transaction<T>(op: Op, body: (transaction: Transaction) => T, behaviour: StepBehaviour<T> = {}): Promise<T> {
    const { manifest } = this.fiber.env
    if (manifest.abilities.transaction !== true) throw noTransactions(manifest)
    const inside = (at: StepContext): never => {
      throw new UsageError('ALREADY_OPEN', `Transaction "${op.name}" was asked for inside of step "${at.key}".`, {
        hint: 'It is a step of its own: call it beside the other one.',
        details: { runId: this.runId, step: at.key },
      })
    }
    return this.ask(op, inside, behaviour, body)
  }

  private ask<T>(
    asked: Op,
    live: (at: StepContext) => Promise<T> | T,
    behaviour: StepBehaviour<T>,
    transact?: (transaction: Transaction) => T,
  ): Promise<T> {
    const { fiber, keyOf } = this
    const op = keyOf === undefined ? asked : { ...asked, key: keyOf(asked.key) }
    const outer = this.current()
    if (outer !== undefined) return new Promise((resolve) => resolve(live(outer)))
    const closed = this.closed<T>()
    if (closed !== undefined) return closed
    if (fiber.steps.has(op.key)) return Promise.reject(this.keyInUse('step', op.key))
    fiber.consequences.asked(op.key, fiber.isFolded(fiber.known.steps.has(op.key)))
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const retried = fiber.known.attempts.get(op.key)
    const step: AskedStep = {
      op,
      live,
      here: fiber.env.runtime.context.here(),
      behaviour: behaviour as StepBehaviour<unknown>,
      transact,
      shielded: keyOf !== undefined,
      resolve: resolve as (value: unknown) => void,
      reject: (error) => {
        promise.catch(ignored)
        reject(error)
      },
      phase: 'asked',
      attempt: retried === undefined ? 1 : retried.attempt + 1,
      notBefore: retried?.retryAt ?? 0,
      sent: undefined,
    }
    const passed = fiber.known.steps.get(op.key)
    if (passed !== undefined) {
      fiber.known.steps.delete(op.key)
      if (fiber.agreement.matches(op, passed)) fiber.owed.watch(fiber.settling.deliver(step, passed))
      return promise
    }
    fiber.steps.set(op.key, step)
    if (fiber.live) fiber.startsAtOnce?.(step)
    fiber.asked()
    return promise
  }

  current(): StepContext | undefined {
    const outer = this.fiber.env.runtime.context.get()
    return outer?.runId === this.runId ? outer : undefined
  }

  blame(error: object, key: string): void {
    this.fiber.failures.blame(error, key)
    this.fiber.consequences.failed(key)
  }

  renewed(key: string): number | undefined {
    return this.fiber.renewed(key)
  }

  // ── waits and notes ───────────────────────────────────────────────────────────────────────────────────────────────

  wait<T>(asked: string, signalName: string, until?: number): Promise<WaitResult<T>> {
    const { fiber, keyOf } = this
    const key = keyOf === undefined ? asked : keyOf(asked)
    const closed = this.closed<WaitResult<T>>()
    if (closed !== undefined) return closed
    if (fiber.mailbox.holds(key)) return Promise.reject(this.keyInUse('wait', key))
    fiber.consequences.asked(key, fiber.isFolded(fiber.known.waits.has(key)))
    const promise = fiber.mailbox.ask<T>(key, signalName, until, keyOf !== undefined)
    promise.catch(ignored)
    return promise
  }

  arrived(signalName: string): boolean {
    return this.fiber.mailbox.arrived(signalName)
  }

  open(key: string, question: Question): Promise<number> {
    const { input, inputHash } = question
    const whole =
      input === undefined || inputHash !== undefined
        ? question
        : { ...question, inputHash: hashJson(this.fiber.env.runtime, input) }
    return this.note({ type: 'open', key: this.keyOf?.(key) ?? key, question: whole })
  }

  state(key: string, patch: JsonObject): Promise<void> {
    return this.note({ type: 'state', key, patch }) as Promise<unknown> as Promise<void>
  }

  private note(body: AskedNote['body']): Promise<number> {
    const { fiber } = this
    return fiber.dropped ? new Promise(() => {}) : fiber.notes.write(body)
  }

  marked(key: string): boolean {
    return this.fiber.notes.marked(key)
  }

  beyond(): boolean {
    return this.fiber.isBeyond
  }

  status(value: Json): void {
    this.fiber.shown.show(encode(value, `the status of run ${this.runId}`))
  }

  undo(error: unknown, lost: readonly string[]): Promise<Undoing> {
    const { fiber } = this
    return fiber.dropped ? new Promise(() => {}) : fiber.undoNote.ask(error, lost)
  }

  // ── time and chance ───────────────────────────────────────────────────────────────────────────────────────────────

  now(): number {
    return this.fiber.settling.toldAt
  }

  clock(): number {
    return this.fiber.clock()
  }

  random(stream: string): number {
    return this.fiber.chance.random(stream)
  }

  id(prefix: string, label: string): string {
    return this.fiber.chance.id(prefix, label)
  }

  // ── refusals ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** What nobody is given who asks now: a dropped fiber settles nothing, and a cancel closes the gate. */
  private closed<T>(): Promise<T> | undefined {
    const { fiber } = this
    if (fiber.dropped) return new Promise(() => {})
    if (this.keyOf === undefined && fiber.abortSignal.aborted) return Promise.reject(fiber.cancelError())
    return undefined
  }

  private keyInUse(what: string, key: string): UsageError {
    return new UsageError('KEY_IN_USE', `Run ${this.runId} has a ${what} with the key "${key}" open already.`, {
      hint: 'Give each of the two a key of its own.',
      details: { runId: this.runId, key },
    })
  }
}

const ignored = (): void => {}
