/**
 * What must hold of runs that have ended, whatever was done to them: the invariants that show in a journal, in what
 * programs have seen, and in what happened outside. Those of the moment in which an effect begins are checked there
 * (outside.ts).
 */
import { type Entry, idempotencyKey, type Outcome } from '@selvage/core'
import type { Random } from '../random.ts'
import type { Case } from './case.ts'
import { planProgram } from './interpret.ts'
import { nameOf, Outside, type Seen } from './outside.ts'
import { type Replayed, replay } from './replay.ts'
import type { Stage } from './stage.ts'

export class Verdict {
  /** What does not hold. */
  readonly wrong: string[] = []
  private readonly each: Case
  private readonly stage: Stage
  private readonly outside: Outside
  private readonly random: Random

  constructor(each: Case, stage: Stage, outside: Outside, random: Random) {
    this.each = each
    this.stage = stage
    this.outside = outside
    this.random = random
  }

  async checkRun(runId: string): Promise<void> {
    const entries = this.stage.entries(runId)
    if (entries.at(0)?.type !== 'start' || entries.length < 2) {
      this.note(runId, 'I9', 'its journal is', entries)
      return
    }
    this.checkEntries(runId, entries)
    this.checkOnce(runId, entries)
    const lived = this.outside.sights.filter((sight) => sight.runId === runId)
    const whole = entries.slice(0, -1)
    const { seen, outcome, isLater } = await this.replayed(runId, whole)
    this.checkOrder(runId, whole, seen)
    for (const sight of lived) {
      if (!isPrefix(sight.seen, seen)) this.note(runId, 'I5/I13', `${sight.process} saw`, sight.seen, 'not', seen)
    }
    const end = entries.at(-1)
    const isSame = this.each.resume === 'fold' ? sameFolded(whole, isLater) : isLater ? sameLater : same
    if (end?.type === 'end' && outcome !== undefined && !isSame(outcome, end.outcome)) {
      this.note(runId, 'I5', 'replay ends with', outcome, 'not', end.outcome)
    }
    if (end?.type === 'end' && 'ok' in end.outcome && outcome === undefined)
      this.note(runId, 'I5', 'replay does not end')
    await this.checkPrefixes(runId, whole, seen)
  }

  private async checkPrefixes(runId: string, whole: readonly Entry[], seen: readonly Seen[]): Promise<void> {
    for (let length = whole.length - 1; length > 0; length -= 1 + this.random.below(1 + whole.length / 8)) {
      const given = (await this.replayed(runId, whole.slice(0, length))).seen
      const expected = upTo(length, whole, seen)
      if (!same(given, expected)) this.note(runId, 'I5/I13', `the first ${length} entries give`, given, 'not', expected)
    }
  }

  private async replayed(
    runId: string,
    entries: readonly Entry[],
  ): Promise<Replayed & { readonly seen: readonly Seen[] }> {
    const recorded = new Set(entries.filter(({ type }) => type === 'step').map(nameOf))
    const passive = new Outside({ entries: () => [], acknowledged: () => 0 }, this.random, false)
    passive.perform = async (_, at) => {
      if (recorded.has(`step ${at.key}`))
        this.note(runId, 'I1', `a replay of ${entries.length} entries executes`, at.key)
      return new Promise<never>(() => {})
    }
    passive.reconcile = () => new Promise<never>(() => {})
    let seen: readonly Seen[] = []
    const replayed = await replay({
      runId,
      entries,
      program: planProgram(passive, 'replay', this.each.resume),
      runtime: this.stage.runtime,
      blobs: this.stage.blobs,
      offloadBytes: this.stage.offloadBytes,
      onGiven: () => {
        seen = [...(passive.sights[0]?.seen ?? [])]
      },
    })
    if (passive.sights.length !== 1) this.note(runId, 'I5', 'fibers on one replay:', passive.sights.length)
    return { ...replayed, seen }
  }

  private checkEntries(runId: string, entries: readonly Entry[]): void {
    const signals = new Map<string, string>()
    const once = new Set<string>()
    const oneOnly = (what: string): void => {
      if (once.has(what)) this.note(runId, 'I4/I1', 'twice in the journal:', what)
      once.add(what)
    }
    for (const entry of entries) {
      if (entry.type === 'signal') {
        oneOnly(`signal ${entry.signal.id}`)
        signals.set(entry.signal.id, entry.signal.name)
      } else if (entry.type === 'intent' || entry.type === 'retry') {
        oneOnly(`${entry.type} ${entry.key} ${entry.attempt}`)
      } else if ('key' in entry) oneOnly(nameOf(entry))
      if (entry.type !== 'wait' || entry.signalId === undefined) continue
      oneOnly(`wait for ${entry.signalId}`)
      if (!signals.has(entry.signalId)) this.note(runId, 'I4', entry.key, 'ended by a signal that is not there')
    }
    if (entries.at(-1)?.type !== 'end') this.note(runId, 'the journal does not end')
  }

  /** I1, I2 and `once` are checked by the outside as effects begin; here is what shows at the end. */
  private checkOnce(runId: string, entries: readonly Entry[]): void {
    const [start] = entries
    if (start?.type !== 'start') return
    const harmed = this.stage.harmed(runId)
    const cancel = entries.find((entry) => entry.type === 'signal' && entry.signal.name === '$cancel')
    const graceEnds = (cancel?.at ?? Number.POSITIVE_INFINITY) + this.stage.cancelGraceMs
    const { zombies, hostility } = this.each
    const { affinity, countsDeliveries, journal } = this.stage.manifest
    // Rule 4: where nobody counts and nobody stays, another host than the one that intended cannot know.
    const alwaysKnows = journal === 'store' || affinity || countsDeliveries
    const alone = !zombies && !hostility.deliversTwice && !hostility.deliversLate
    this.checkLeft(runId, entries)
    for (const entry of entries) {
      if (entry.type !== 'step' || entry.op.effect !== 'once') continue
      const key = idempotencyKey(this.stage.runtime, start.salt, runId, entry.key)
      const { done } = this.outside.effectsOf(key)
      if ('ok' in entry.outcome && (done === 0 || (alone && done !== 1))) {
        this.note(runId, 'once', entry.key, `is recorded as done and happened ${done} times`)
      }
      // A run whose time is up ends with what is in flight.
      if (!('unknown' in entry.outcome) || entry.at >= graceEnds) continue
      const from = entries.findLast((other) => other.type === 'intent' && other.key === entry.key)?.seq ?? 0
      if (alwaysKnows && !harmed.some((at) => at >= from && at <= entry.seq)) {
        this.note(runId, 'I11', entry.key, `is unknown although nothing happened to it:`, entry.outcome)
      }
    }
  }

  /** I11: no run ends before something is said of what it intended. */
  private checkLeft(runId: string, entries: readonly Entry[]): void {
    const open = new Set<string>()
    for (const entry of entries) {
      if (entry.type === 'intent') open.add(entry.key)
      else if (entry.type === 'step' || entry.type === 'retry') open.delete(entry.key)
    }
    if (open.size > 0) this.note(runId, 'I11', 'ended with intents and no word of them:', [...open])
  }

  /** I13: the program was given things in the order in which they stand in the journal. */
  private checkOrder(runId: string, entries: readonly Entry[], seen: readonly Seen[]): void {
    let last = -1
    for (const each of seen) {
      const seq = seqOf(each, entries)
      if (seq === undefined) continue
      if (seq < last) this.note(runId, 'I13', each.what, `of entry ${seq} was seen after entry ${last}`)
      last = seq
    }
  }

  private note(runId: string, ...what: unknown[]): void {
    const text = what.map((part) => (typeof part === 'string' ? part : JSON.stringify(part))).join(' ')
    this.wrong.push(`${runId}: ${text}`)
  }
}

function seqOf({ what }: Seen, entries: readonly Entry[]): number | undefined {
  return entries.find((entry) => nameOf(entry) === what)?.seq
}

/** What a program has seen when it was given so many entries. */
function upTo(length: number, entries: readonly Entry[], seen: readonly Seen[]): readonly Seen[] {
  const end = seen.findIndex((each) => (seqOf(each, entries) ?? -1) >= length)
  return end < 0 ? seen : seen.slice(0, end)
}

function isPrefix(shorter: readonly Seen[], longer: readonly Seen[]): boolean {
  return same(shorter, longer.slice(0, shorter.length))
}

/** The replay knows of more that is void. */
function sameLater(replayed: Outcome, recorded: Outcome): boolean {
  return sameBut(replayed, recorded, (more, voids) => voids.every((key) => more.includes(key)))
}

/** A folding program guesses what followed from a failure: what has succeeded is never void on a guess. */
function sameFolded(entries: readonly Entry[], isLater: boolean): typeof sameLater {
  const succeeded = new Set(
    entries.flatMap((entry) => (entry.type === 'step' && 'ok' in entry.outcome ? [entry.key] : [])),
  )
  return (replayed, recorded) =>
    sameBut(replayed, recorded, (guessed, voids) =>
      guessed.every((key) => isLater || voids.includes(key) || !succeeded.has(key)),
    )
}

type Voids = readonly string[]

function sameBut(
  replayed: Outcome,
  recorded: Outcome,
  areVoid: (replayed: Voids, recorded: Voids) => boolean,
): boolean {
  if (!('voids' in replayed) || !('voids' in recorded)) return same(replayed, recorded)
  const { voids: ours = [], ...end } = replayed
  const { voids = [], ...expected } = recorded
  return same(end, expected) && areVoid(ours, voids)
}

/** Two replays have two stacks. */
function same(one: unknown, other: unknown): boolean {
  const text = (value: unknown): string => JSON.stringify(value, (key, part) => (key === 'stack' ? undefined : part))
  return text(one) === text(other)
}
