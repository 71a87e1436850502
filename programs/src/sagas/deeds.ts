/**
 * What a run has done that can be undone, in the order in which it was done.
 *
 *   begun ──▶ done | failed | unknown
 *
 * A deed is begun when its mark (a `state` entry `undo:<key>`) is durable; for an effect `once` the mark goes with the
 * intent. It is settled by the recorded outcome of its step, live and on replay in journal order. A program that folds is
 * not asked for its steps again: its deeds are read from the journal, by the same marks.
 *
 * What is never true: a deed that may have happened and is not known here; one that failed because it was aborted, or
 * took too long, and counts as not having happened.
 */
import type {
  Durable,
  Effect,
  Entry,
  ErrorJson,
  Json,
  Op,
  OpKind,
  StepBehaviour,
  StepContext,
  StepOutcome,
} from '@selvage/core'
import { errorFromJson } from '@selvage/core'
import { leavesOpen } from '../failures/open-outcome.ts'
import type { Compensation } from './compensate.ts'

/** How a kind of deed is undone. */
export interface Undo {
  readonly compensation: Compensation
  /** Of an effect `once`. */
  readonly reconcile?: StepBehaviour<unknown>['reconcile']
}

export type DeedState = 'begun' | 'done' | 'failed' | 'unknown'

export interface Told {
  readonly name: string
  readonly kind: OpKind
  readonly effect: Effect
  readonly input?: Json
}

const MARK = 'undo:'
/** Behind this step nothing that was in flight counts any more. */
export const SETTLED_KEY = 'undo/settled'

export class Deed {
  readonly key: string
  readonly told: Told
  /** Not there where only the journal knows of it. */
  readonly undo: Undo | undefined
  /** Host time of its mark. */
  readonly begunAt: number
  /** Its mark was in the journal before this process: its body may have run in another one. */
  readonly isOld: boolean
  state: DeedState = 'begun'
  /** Why nobody knows. */
  why: string | undefined
  /** The recorded result, as the journal has it. */
  result: Json | undefined
  /** Grows with each deed that is settled. */
  order: number = Number.POSITIVE_INFINITY
  /** Its body has begun in this process. */
  hasRun = false
  /** Until no body of it does anything more in this process. */
  over: Promise<unknown> | undefined
  readonly settlement: Promise<void>
  readonly #settled: () => void

  constructor(key: string, told: Told, undo: Undo | undefined, begunAt: number, isOld: boolean) {
    this.key = key
    this.told = told
    this.undo = undo
    this.begunAt = begunAt
    this.isOld = isOld
    const { promise, resolve } = Promise.withResolvers<void>()
    this.settlement = promise
    this.#settled = resolve
  }

  settle(outcome: StepOutcome, order: number): void {
    if ('ok' in outcome) {
      this.state = 'done'
      this.result = outcome.ok
    } else if ('unknown' in outcome) this.#unknown(outcome.unknown)
    else if ('error' in outcome && isAmbiguous(outcome.error)) this.#unknown(outcome.error.message)
    else this.state = 'failed'
    // Read from the journal and given to the program again: it was done when it was done.
    if (this.order === Number.POSITIVE_INFINITY) this.order = order
    this.#settled()
  }

  /** Its body begins in this process. */
  runs(): void {
    this.hasRun = true
    this.state = 'begun'
  }

  /** Its body, which may go on behind a time-out that has ended its step. */
  goesOn(body: Promise<unknown>): void {
    const over = Promise.allSettled([this.over, body])
    this.over = over
    void over.then(() => {
      if (this.over === over) this.over = undefined
    })
  }

  /** An attempt that failed in another process. */
  failedOnce(error: ErrorJson): void {
    if (isAmbiguous(error)) this.#unknown(error.message)
    else this.state = 'failed'
  }

  /** Somebody has looked at the target system. */
  answered(happened: boolean, result: Json | undefined): void {
    this.state = happened ? 'done' : 'failed'
    this.result = result
  }

  /** Its process died before its outcome was recorded, and this one has not begun it. */
  get isLost(): boolean {
    return this.state === 'begun' && this.isOld && !this.hasRun
  }

  /** May have happened, as far as anybody can tell. */
  get counts(): boolean {
    return this.state === 'done' || this.state === 'unknown' || (this.state === 'begun' && (this.hasRun || this.isOld))
  }

  #unknown(why: string): void {
    this.state = 'unknown'
    this.why = why
  }
}

export class Deeds {
  readonly #durable: Durable
  readonly #deeds = new Map<string, Deed>()
  #settled = 0
  /** What settles from now on is too late to be undone. */
  isClosed = false

  constructor(durable: Durable) {
    this.#durable = durable
    this.#readAll(durable.history)
  }

  all(): readonly Deed[] {
    return [...this.#deeds.values()]
  }

  get(key: string): Deed | undefined {
    return this.#deeds.get(key)
  }

  /** Makes the mark of a deed, before it begins. Undefined where there is nothing to wait for. */
  async begin(op: Op, effect: Effect, undo: Undo): Promise<Deed> {
    const { key, name, kind, input } = op
    const known = this.#deeds.get(key)
    if (known !== undefined) return known.undo === undefined ? this.#add(known.key, known.told, undo, known) : known
    const told: Told = { name, kind, effect, ...(input !== undefined && { input }) }
    const wasReplaying = this.#durable.isReplaying
    const marked = this.#durable.state(`${MARK}${key}`, { ...told })
    // An effect `once` does not begin before its intent is durable, and the mark is before it.
    if (effect !== 'once' || wasReplaying) await marked
    return this.#add(key, told, undo, undefined, wasReplaying && this.#durable.isReplaying)
  }

  /** A deed that needs no mark: how it is begun is recorded anyway. */
  add(key: string, told: Told, undo: Undo): Deed {
    return this.#add(key, told, undo, undefined, false)
  }

  settle(deed: Deed, outcome: StepOutcome): void {
    if (!this.isClosed) deed.settle(outcome, ++this.#settled)
  }

  /** The body of a deed, and what it tells of its end. */
  watched<T>(
    deed: Deed,
    live: (at: StepContext) => Promise<T> | T,
    behaviour: StepBehaviour<T>,
  ): [live: (at: StepContext) => Promise<T> | T, behaviour: StepBehaviour<T>] {
    const { reconcile } = behaviour
    const run =
      <A, B>(body: (at: A) => B) =>
      (at: A): B => {
        // What is undone has been decided: an intent that is settled behind that changes nothing of it.
        if (!this.isClosed) deed.runs()
        return body(at)
      }
    const followed = (at: StepContext): Promise<T> => {
      // Of a query that runs when it is waited for, once: two who wait for it would make it twice.
      const body = Promise.resolve(live(at))
      deed.goesOn(body)
      return body
    }
    return [
      run(followed),
      {
        ...behaviour,
        ...(reconcile !== undefined && { reconcile: run(reconcile) }),
        settled: (outcome) => this.settle(deed, outcome),
      },
    ]
  }

  #add(key: string, told: Told, undo: Undo | undefined, before?: Deed, isOld = before?.isOld ?? false): Deed {
    const deed = new Deed(key, told, undo, before?.begunAt ?? this.#durable.now(), isOld)
    if (before !== undefined) Object.assign(deed, carried(before))
    this.#deeds.set(key, deed)
    return deed
  }

  // ── from the journal of a program that folds ──────────────────────────────────────────────────────────────────────

  #readAll(entries: readonly Entry[]): void {
    const answers = new Map<string, Json>()
    const inherited = this.#durable.fork?.of.entries ?? -1
    for (const entry of entries) {
      // Of the original of a fork, which undoes it itself.
      if (entry.seq <= inherited) continue
      if (entry.type === 'signal') answers.set(entry.signal.id, entry.signal.payload)
      else if (entry.type === 'state' && entry.key.startsWith(MARK)) {
        const key = entry.key.slice(MARK.length)
        this.#deeds.set(key, new Deed(key, entry.patch as unknown as Told, undefined, entry.at, true))
      } else if (entry.type === 'step') this.#readStep(entry.key, entry.outcome)
      else if (entry.type === 'retry') this.#deeds.get(entry.key)?.failedOnce(entry.error)
      else if (entry.type === 'wait') this.#readAnswer(entry.key, answers.get(entry.signalId ?? ''))
    }
  }

  #readStep(key: string, outcome: StepOutcome): void {
    if (key === SETTLED_KEY) this.isClosed = true
    const deed = this.#deeds.get(key)
    if (deed !== undefined) this.settle(deed, outcome)
  }

  #readAnswer(key: string, answer: Json | undefined): void {
    const deed = this.#deeds.get(/^(.+)\/unknown(?:\/\d+)?$/s.exec(key)?.[1] ?? '')
    if (deed === undefined || typeof answer !== 'object' || answer === null) return
    const { approved, value, input } = answer as { approved?: Json; value?: Json; input?: Json }
    if (typeof approved === 'boolean') deed.answered(approved, value ?? input)
  }
}

function carried({ state, why, result, order, hasRun, over }: Deed): Partial<Deed> {
  return { state, why, result, order, hasRun, over }
}

/** The body was told to stop, nobody waited for it any longer, or no answer came: what it had begun may have happened. */
function isAmbiguous(error: ErrorJson): boolean {
  return leavesOpen(errorFromJson(error))
}
