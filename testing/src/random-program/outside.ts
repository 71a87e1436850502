/**
 * The outside of a random program: where its effects happen and are counted, and what its fibers have seen. Whoever
 * starts an effect is checked against the journal at that moment.
 *
 * A process that is dead does nothing more; a process that only lost its run (a zombie) finishes what it has begun.
 * With fibers dropped inside one process a body cannot tell the two apart, so `zombies` says which it was.
 */
import type { Entry, Json, StepContext } from '@selvage/core'
import { SelvageError } from '@selvage/core'
import type { Random } from '../random.ts'
import { turns } from '../turn-engine/hostility.ts'
import type { StepPlan } from './plan.ts'

/** One thing that a program was given: the entry behind it, and the value. */
export interface Seen {
  readonly what: string
  readonly value: string
}

/** What one fiber of a run has been given, in order. */
export interface Sight {
  readonly runId: string
  readonly process: string
  readonly seen: Seen[]
}

/** What is durable, as whoever starts an effect could know. */
export interface Ledger {
  entries(runId: string): readonly Entry[]
  /** Entries of the run that this process was told are durable. */
  acknowledged(runId: string, process: string): number
}

export interface Effects {
  readonly begun: number
  readonly done: number
  readonly results: readonly Json[]
}

export class Outside {
  readonly violations: string[] = []
  readonly sights: Sight[] = []
  readonly zombies: boolean
  private readonly ledger: Ledger
  private readonly random: Random
  private readonly trace: (what: string) => void
  private readonly effects = new Map<string, { begun: number; done: number; results: Json[] }>()
  private readonly begunOnce = new Set<string>()
  private results = 0

  constructor(ledger: Ledger, random: Random, zombies: boolean, trace: (what: string) => void = () => {}) {
    this.trace = trace
    this.ledger = ledger
    this.random = random
    this.zombies = zombies
  }

  /** What a new fiber will have seen. */
  sight(runId: string, process: string): Sight {
    const sight: Sight = { runId, process, seen: [] }
    this.sights.push(sight)
    return sight
  }

  /** The body of a step. */
  async perform(plan: StepPlan, at: StepContext, sight: Sight): Promise<Json> {
    this.trace(`${at.runId} on host ${sight.process}: begins ${at.key}, attempt ${at.attempt}`)
    this.begin(at, sight)
    const { idempotencyKey, abortSignal, attempt } = at
    await this.pass(plan.before, at)
    if (attempt <= plan.fails) throw new Error(`${at.key} failed at attempt ${attempt}`)
    if (plan.flaky && this.random.chance(0.3)) throw new Error(`${at.key} was flaky`)
    if (plan.heeds) abortSignal.throwIfAborted()
    const effect = this.effectOf(idempotencyKey)
    const result = { of: at.key, nonce: ++this.results }
    effect.done++
    effect.results.push(result)
    await this.pass(plan.after, at)
    return result
  }

  /** What the target system knows. */
  async reconcile(idempotencyKey: string): Promise<{ done: true; result: Json } | { done: false }> {
    await turns(this.random.below(4))
    const result = this.effects.get(idempotencyKey)?.results.at(-1)
    return result === undefined ? { done: false } : { done: true, result }
  }

  effectsOf(idempotencyKey: string): Effects {
    return this.effectOf(idempotencyKey)
  }

  private begin(at: StepContext, sight: Sight): void {
    const { runId, key } = at
    const entries = this.ledger.entries(runId)
    const acknowledged = this.ledger.acknowledged(runId, sight.process)
    const known = entries.slice(0, acknowledged)
    const where = `${runId}: ${sight.process} begins ${key} at attempt ${at.attempt} with ${acknowledged} acknowledged`
    if (known.some((entry) => entry.type === 'step' && entry.key === key)) {
      this.violations.push(`I1: ${where}, although it is recorded`)
    }
    const durable = new Set(known.map(nameOf))
    for (const { what } of sight.seen) {
      if (!durable.has(what) && !what.startsWith('-')) this.violations.push(`I2: ${where}, but has seen ${what}`)
    }
    if (durable.has('$cancel') && !key.startsWith('$cancel/')) this.violations.push(`I7: ${where}, after the cancel`)
    this.effectOf(at.idempotencyKey).begun++
    if (at.effect !== 'once') return
    const intended = known.some((entry) => entry.type === 'intent' && entry.key === key && entry.attempt === at.attempt)
    if (!intended) this.violations.push(`I2: ${where}, without an intent`)
    const attempt = `${runId} ${key} ${at.attempt}`
    if (this.begunOnce.has(attempt)) this.violations.push(`once: ${where}, for the second time`)
    this.begunOnce.add(attempt)
  }

  /** Passes turns, unless the process dies meanwhile. */
  private async pass(count: number, at: StepContext): Promise<void> {
    for (let turn = 0; turn < count; turn++) {
      await turns(1)
      if (!this.zombies && SelvageError.is(at.abortSignal.reason, 'LEASE_LOST')) await new Promise<never>(() => {})
    }
  }

  private effectOf(idempotencyKey: string): { begun: number; done: number; results: Json[] } {
    const effect = this.effects.get(idempotencyKey) ?? { begun: 0, done: 0, results: [] }
    this.effects.set(idempotencyKey, effect)
    return effect
  }
}

/** What a program is given by an entry. */
export function nameOf(entry: Entry): string {
  if (entry.type === 'signal') return entry.signal.name
  return 'key' in entry ? `${entry.type} ${entry.key}` : entry.type
}
