/**
 * A saga: what a run has done is undone when the run fails or is cancelled.
 *
 *   runs ──fails, is cancelled──▶ undoing (entry `undo`, the point of no return) ──▶ everything was tried ──▶ ended
 *                                   │ what is in flight ends, within the grace          with open items for a person,
 *                                   └ compensations, newest deed first, one after       whose answers let it go on
 *                                     the other, each a step `<key>/undo`
 *
 * Each compensation is bounded by its own policy (attempts, delays between them, time of each), and so is the whole: there
 * is no other grace. One that gives up becomes an open item, and the others still run. Where nobody knows whether a step
 * happened, it is asked of the target system (`reconcile`), and then its declaration decides: never guessed.
 *
 * What is never true: a recorded compensation that runs again; a run that ends otherwise than the entry `undo` says; a
 * deed that is neither undone nor an open item nor declared to be left alone.
 */
import type { Durable, Json, Op, StepBehaviour, StepContext, Undoing } from '@selvage/core'
import { checkReconciled, encode, errorFromJson, SelvageError, StepError } from '@selvage/core'
import { isCancelled, whenCancelled } from '../cancellation.ts'
import type { NormalEffect } from '../effects.ts'
import { retryBehaviour } from '../failures/retry.ts'
import type { Done } from './compensate.ts'
import { type Deed, Deeds, SETTLED_KEY, type Told, type Undo } from './deeds.ts'
import { type Item, openItem, wantsRetry } from './undo-item.ts'
import { undoKey } from './undo-key.ts'

export interface SagaOptions {
  /** How deeds of that name are undone, for a program that folds: its journal knows their names only. */
  readonly undoOf?: (name: string) => Undo | undefined
  /** Whether what was recorded as a result says that it did not happen, or that nobody knows. */
  readonly judge?: (result: unknown) => 'done' | 'failed' | 'unknown'
  /** A recorded result as compensations and people are shown it. */
  readonly present?: (result: unknown) => unknown
}

/** A child that may be undone. */
export interface ChildDeed {
  readonly id: string
  /** Of the step that starts it. */
  readonly key: string
  readonly told: Told
  readonly undo: Undo
  readonly result: Promise<unknown>
}

export class Saga {
  readonly #durable: Durable
  readonly #options: SagaOptions
  readonly #deeds: Deeds
  /** Children whose end this run has not heard of. */
  readonly #children = new Map<Deed, string>()

  constructor(durable: Durable, options: SagaOptions = {}) {
    this.#durable = durable
    this.#options = options
    this.#deeds = new Deeds(durable)
  }

  /** The journal of a program that folds says so: nothing of it is to be run but compensations. */
  get isUndoing(): boolean {
    return this.#durable.history.some(({ type }) => type === 'undo')
  }

  // ── deeds ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Makes the mark of a step that can be undone, and gives what is to be asked for in its place. */
  async begin<T>(
    op: Op,
    { effect, undo }: Pick<NormalEffect, 'effect'> & { readonly undo: Undo },
    live: (at: StepContext) => Promise<T> | T,
    behaviour: StepBehaviour<T>,
  ): Promise<[live: (at: StepContext) => Promise<T> | T, behaviour: StepBehaviour<T>]> {
    // What the original of a fork has done is the original's to undo.
    if (this.#durable.fork?.inherited.has(op.key)) return [live, behaviour]
    const deed = await this.#deeds.begin(op, effect, undo)
    return this.#deeds.watched(deed, live, behaviour)
  }

  /** Somebody has said what became of a step of which nobody knew. */
  answered(key: string, happened: boolean, result: Json | undefined): void {
    this.#deeds.get(key)?.answered(happened, result)
  }

  /** A child undoes what it has done itself unless it completes. */
  follow({ id, key, told, undo, result }: ChildDeed): void {
    const deed = this.#deeds.add(key, told, undo)
    deed.runs()
    this.#children.set(deed, id)
    result.then(
      (value) => this.#childEnded(deed, { ok: encode(value, `the result of child ${id}`) }),
      (error: unknown) => {
        // A cancel of this run takes the child from it, and says nothing of its end.
        const isOver =
          SelvageError.is(error, 'RUN_FAILED') || SelvageError.is(error, 'RUN_CANCELLED') || StepError.is(error)
        if (isOver && !isCancelled(this.#durable)) this.#childEnded(deed, undefined)
      },
    )
  }

  #childEnded(deed: Deed, outcome: { readonly ok: Json } | undefined): void {
    if (!this.#children.delete(deed)) return
    this.#deeds.settle(deed, outcome ?? { interrupts: [] })
  }

  // ── undoing ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Runs `body`, and where it fails or the run is cancelled undoes what was done, if anything was. Then it rejects with
   * why. `aside`: what the program does in between, once it is journaled that the run is undone. `spares`: failures that
   * leave the run as it is, for a retry.
   */
  async around<T>(
    body: () => Promise<T>,
    { aside, spares }: { aside?: (undoing: Undoing) => Promise<void>; spares?: (error: unknown) => boolean } = {},
  ): Promise<T> {
    const durable = this.#durable
    if (this.isUndoing) return await this.#undo(undefined, aside)
    const running = body()
    running.catch(() => {})
    const ended = running.then(
      () => undefined,
      (error: unknown) => ({ error }),
    )
    const failed = await Promise.race([ended, whenCancelled(durable).then(() => undefined)])
    const isStopped = isCancelled(durable)
    if (!isStopped && (failed === undefined || spares?.(failed.error) === true)) return await running
    if (!this.#own().some(({ counts }) => counts)) return await running
    return await this.#undo(isStopped ? durable.abortSignal.reason : failed?.error, aside)
  }

  async #undo(error: unknown, aside?: (undoing: Undoing) => Promise<void>): Promise<never> {
    const lost = this.#deeds.all().filter(({ isLost }) => isLost)
    const undoing = await this.#durable.undo(
      error,
      lost.map(({ key }) => key),
    )
    await aside?.(undoing)
    await this.#settle(undoing)
    const open: Item[] = []
    for (const deed of this.#inOrder()) {
      const item = await this.#undoDeed(undoing, deed)
      if (item !== undefined) open.push(item)
    }
    undoing.leave()
    await Promise.all(open.map((item) => this.#follow(undoing, item)))
    throw error ?? reasonOf(undoing)
  }

  /** Lets what was in flight come to its end. What has none then is unknown; what never began is no deed. */
  async #settle({ gate, inFlight, lost, graceUntil }: Undoing): Promise<void> {
    await Promise.all([...this.#children].map(([deed, id]) => this.#lastWord(gate, deed, id, graceUntil)))
    const isOpen = (deed: Deed): boolean => deed.state === 'begun' && inFlight.includes(deed.key)
    const pending = this.#deeds.all().filter(isOpen)
    // Of what nobody knows the body may go on behind its time-out.
    const unknown = this.#deeds.all().filter(({ state }) => state === 'unknown')
    if (pending.length + unknown.length > 0 && !this.#deeds.isClosed) {
      const timeoutMs = Math.max(1, graceUntil - this.#durable.clock())
      const here = (): Promise<unknown> =>
        Promise.all([
          ...pending.filter(({ hasRun }) => hasRun).map((deed) => deed.settlement),
          ...unknown.map((deed) => deed.over),
        ])
      const op: Op = { key: SETTLED_KEY, kind: 'code', name: 'what was in flight', effect: 'read', timeoutMs }
      await gate
        .step(op, async () => void (await here()))
        .catch((error: unknown) => {
          if (!StepError.is(error)) throw error
        })
    }
    this.#deeds.isClosed = true
    for (const deed of this.#deeds.all()) {
      if (deed.state !== 'begun') continue
      const mayHaveHappened = inFlight.includes(deed.key) || lost.includes(deed.key) || this.#children.has(deed)
      deed.state = mayHaveHappened ? 'unknown' : 'failed'
      deed.why = 'it had begun, and its outcome was not recorded'
    }
  }

  /** Of a child that was open when this run was stopped. */
  async #lastWord(gate: Durable, deed: Deed, id: string, until: number): Promise<void> {
    const end = await gate.wait<{ ok?: unknown }>(`${deed.key}/end`, `child:${id}`, until)
    if (!end.ok) return
    const isDone = typeof end.value === 'object' && end.value !== null && 'ok' in end.value
    this.#childEnded(deed, isDone ? { ok: encode(end.value.ok, `the result of child ${id}`) } : undefined)
  }

  /** Without those whose result is that of the original of a fork. */
  #own(): readonly Deed[] {
    const { fork } = this.#durable
    const deeds = this.#deeds.all()
    return fork === undefined ? deeds : deeds.filter(({ key }) => !fork.reused.has(key))
  }

  /** Newest first; before them what nobody knows, as it may have been the last. */
  #inOrder(): readonly Deed[] {
    return this.#own()
      .filter(({ state }) => state === 'done' || state === 'unknown')
      .reverse()
      .sort((one, other) => (one.order === other.order ? 0 : other.order - one.order))
  }

  /** Resolves with what is left to a person, if anything is. */
  async #undoDeed(undoing: Undoing, deed: Deed): Promise<Item | undefined> {
    const undo = deed.undo ?? this.#options.undoOf?.(deed.told.name)
    if (deed.state === 'unknown') await this.#reconcile(undoing, deed, undo)
    if (deed.state === 'done' && this.#options.judge !== undefined)
      deed.state = this.#options.judge(await resultOf(undoing, deed))
    if (deed.state === 'failed') return undefined
    if (undo === undefined) return await this.#leaveOpen(undoing, deed, 1, 'this code does not say how it is undone')
    if (deed.state === 'unknown') {
      const { onUnknown } = undo.compensation
      if (onUnknown === 'skip') return undefined
      if (onUnknown === 'ask')
        return await this.#leaveOpen(
          undoing,
          deed,
          1,
          `nobody knows whether it happened: ${deed.why ?? 'no reason is known'}`,
        )
    }
    return await this.#compensate(undoing, deed, undo, undoKey(deed.key), 1)
  }

  async #reconcile({ gate, idempotencyKey }: Undoing, deed: Deed, undo: Undo | undefined): Promise<void> {
    const { reconcile } = undo ?? {}
    if (reconcile === undefined) return
    const { input } = deed.told
    const op: Op = {
      key: `${undoKey(deed.key)}/reconcile`,
      kind: 'code',
      name: `ask about ${deed.told.name}`,
      effect: 'read',
    }
    const asked = gate.step(op, async ({ abortSignal }) => {
      const answer = await reconcile({
        input,
        idempotencyKey: idempotencyKey(deed.key),
        intendedAt: deed.begunAt,
        attempt: 1,
        abortSignal,
      })
      const found = checkReconciled(answer)
      if (found === 'unknown') return 'unknown'
      // What is about to happen has not happened, and is to be undone.
      if (!found.done && deed.over !== undefined) return 'unknown'
      return found.done ? { result: encode(found.result, `the result of ${deed.key}`) } : 'not done'
    })
    const found = await asked.catch((error: unknown) => {
      if (!StepError.is(error)) throw error
      deed.why = `reconcile failed: ${error.message}`
      return 'unknown' as const
    })
    if (found !== 'unknown') deed.answered(found !== 'not done', found === 'not done' ? undefined : found.result)
  }

  async #compensate(
    undoing: Undoing,
    deed: Deed,
    { compensation }: Undo,
    key: string,
    count: number,
  ): Promise<Item | undefined> {
    const { gate } = undoing
    const { run, effect, retry, timeoutMs, reconcile } = compensation
    const op: Op = { key, kind: 'code', name: `undo ${deed.told.name}`, effect, timeoutMs }
    const outcome = deed.state === 'done' ? 'done' : 'unknown'
    const body = async (at: StepContext): Promise<unknown> => {
      const done: Done = {
        runId: gate.runId,
        step: deed.key,
        name: deed.told.name,
        input: deed.told.input,
        result: await this.#shown(undoing, deed),
        outcome,
        idempotencyKey: undoing.idempotencyKey(deed.key),
        reason: reasonText(undoing),
      }
      return await run(done, at)
    }
    const retryAfterMs = retryBehaviour(retry, () => gate.random(`retry:${key}`))
    try {
      await gate.step(op, body, { retryAfterMs, ...(reconcile !== undefined && { reconcile }) })
      return undefined
    } catch (error) {
      if (!StepError.is(error)) throw error
      return await this.#leaveOpen(
        undoing,
        deed,
        count,
        `its compensation gave up: ${error.message}`,
        error.cause ?? error,
      )
    }
  }

  async #leaveOpen(undoing: Undoing, deed: Deed, count: number, problem: string, error?: unknown): Promise<Item> {
    const isDone = deed.state === 'done'
    const facts = {
      outcome: isDone ? ('done' as const) : ('unknown' as const),
      ...(isDone && { result: await this.#shown(undoing, deed) }),
      idempotencyKey: undoing.idempotencyKey(deed.key),
      reason: reasonText(undoing),
      problem,
    }
    return await openItem(undoing.gate, deed, count, facts, error)
  }

  async #shown(undoing: Undoing, deed: Deed): Promise<unknown> {
    if (deed.result === undefined) return undefined
    const result = await resultOf(undoing, deed)
    return this.#options.present === undefined ? result : this.#options.present(result)
  }

  async #follow(undoing: Undoing, first: Item): Promise<void> {
    const { deed } = first
    let item: Item | undefined = first
    for (let again = 1; item !== undefined && (await wantsRetry(undoing.gate, item)); again++) {
      const undo: Undo | undefined = deed.undo ?? this.#options.undoOf?.(deed.told.name)
      item =
        undo === undefined
          ? await this.#leaveOpen(undoing, deed, again + 1, 'this code does not say how it is undone')
          : await this.#compensate(undoing, deed, undo, `${undoKey(deed.key)}/again#${again}`, again + 1)
    }
  }
}

async function resultOf({ read }: Undoing, { result }: Deed): Promise<unknown> {
  return result === undefined ? undefined : await read(result)
}

function reasonText({ outcome }: Undoing): string {
  return 'cancelled' in outcome ? outcome.cancelled : outcome.error.message
}

/** What the host makes of it is in the entry `undo`. */
function reasonOf({ outcome }: Undoing): Error {
  return 'cancelled' in outcome ? new Error(outcome.cancelled) : errorFromJson(outcome.error)
}
