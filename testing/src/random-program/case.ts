/**
 * One case of the property tests: a random program on a hostile engine, and everything that must hold whatever the
 * engine did. `runCase` returns what did not hold.
 */
import {
  createHost,
  type Entry,
  type Host,
  idempotencyKey,
  type Json,
  type Outcome,
  type Program,
  type Runtime,
} from '@selvage/core'
import { memoryBlobs } from '../memory-blobs.ts'
import { type Random, seededRandom } from '../random.ts'
import { type TickingClock, tickingClock } from '../ticking-clock.ts'
import { type Hostility, turns } from '../turn-engine/hostility.ts'
import { type TurnEngine, turnEngine } from '../turn-engine/turn-engine.ts'
import { planProgram } from './interpret.ts'
import { nameOf, Outside, type Seen } from './outside.ts'
import type { Plan } from './plan.ts'
import { replay } from './replay.ts'

export interface Case {
  readonly plan: Plan
  /** Default `replay`. */
  readonly resume?: Program['resume']
  readonly journal: 'engine' | 'store'
  readonly affinity: boolean
  readonly countsDeliveries: boolean
  readonly hostility: Hostility
  readonly seed: number
  /** Processes that lost a run finish what they have begun. */
  readonly zombies: boolean
  /** Sent after so many turns; the id is that of the place in the list, or of an earlier one. */
  readonly signals: readonly { readonly after: number; readonly name: string; readonly again?: boolean }[]
  readonly cancelAfter?: number
}

export type MakeRuntime = (clock: TickingClock, random: Random) => Runtime

const HOSTS = ['0', '1']
/** Turns after which a run that has not ended is stuck. */
const PATIENCE = 5_000
const GRACE_MS = 80
/** So small that results of runs go to blobs. */
const OFFLOAD_BYTES = 64

/** `trace` is told what the engine does and which steps begin. */
export async function runCase(
  each: Case,
  makeRuntime: MakeRuntime,
  trace?: (what: string) => void,
): Promise<readonly string[]> {
  const clock = tickingClock()
  try {
    return await new CaseRun(each, clock, makeRuntime, trace).check()
  } finally {
    clock.stop()
  }
}

class CaseRun {
  private readonly each: Case
  private readonly random: Random
  private readonly runtime: Runtime
  private readonly blobs = memoryBlobs()
  private readonly engine: TurnEngine
  private readonly outside: Outside
  private readonly hosts = new Map<string, Host>()
  private readonly wrong: string[] = []

  constructor(each: Case, clock: TickingClock, makeRuntime: MakeRuntime, trace: (what: string) => void = () => {}) {
    const { journal, affinity, countsDeliveries, hostility, zombies } = each
    this.each = each
    this.random = seededRandom(each.seed)
    this.runtime = makeRuntime(clock, this.random.fork())
    const random = this.random.fork()
    this.engine = turnEngine({ clock, journal, affinity, countsDeliveries, hostility, random, trace })
    const ledger = {
      entries: (runId: string) => this.engine.entries(runId),
      acknowledged: (runId: string, process: string) => {
        const host = this.hosts.get(process)
        return host === undefined ? 0 : this.engine.granted(host, runId)
      },
    }
    this.outside = new Outside(ledger, this.random.fork(), zombies, trace)
  }

  async check(): Promise<readonly string[]> {
    await this.serve()
    const { plan } = this.each
    await this.engine.start('r', { program: 'plan', input: plan as unknown as Json })
    void this.send()
    const outcome = await this.finish('r')
    if (outcome === undefined) return [...this.wrong, ...this.outside.violations, ...this.engine.violations]
    const runIds = new Set(this.outside.sights.map(({ runId }) => runId))
    for (const runId of runIds) if (runId !== 'r') await this.finish(runId)
    await this.engine.close()
    await this.engine.quiet()
    this.wrong.push(...this.engine.violations, ...this.outside.violations)
    for (const runId of runIds) await this.checkRun(runId)
    if (this.wrong.length > 0) for (const runId of runIds) this.wrong.push(`${runId}: ${this.story(runId)}`)
    return this.wrong
  }

  /** The journal in a line. */
  private story(runId: string): string {
    const one = (entry: Entry): string => `${nameOf(entry)}${'attempt' in entry ? `@${entry.attempt}` : ''}`
    return this.engine.entries(runId).map(one).join(', ')
  }

  private async serve(): Promise<void> {
    for (const process of HOSTS) {
      const host = createHost({
        runtime: { ...this.runtime, identity: process },
        manifest: this.engine.manifest,
        programs: () => [planProgram(this.outside, process, this.each.resume)],
        outbound: this.engine,
        blobs: this.blobs,
        offloadBytes: OFFLOAD_BYTES,
        cancelGraceMs: GRACE_MS,
      })
      this.hosts.set(process, host)
      await this.engine.serve(host)
    }
  }

  private async send(): Promise<void> {
    const { signals, cancelAfter } = this.each
    const sent: Promise<unknown>[] = signals.map(async ({ after, name, again = false }, index) => {
      await turns(after)
      await this.engine.signal('r', { id: again && index > 0 ? 's0' : `s${index}`, name, payload: index })
    })
    if (cancelAfter !== undefined) sent.push(turns(cancelAfter).then(() => this.engine.cancel('r', 'enough')))
    // The run may have ended before.
    await Promise.allSettled(sent)
  }

  /** Answers what a run waits for without end, until it is over. */
  private async finish(runId: string): Promise<Outcome | undefined> {
    const ended = this.engine.ended(runId).catch((error: unknown) => void this.wrong.push(`${runId}: ${error}`))
    let over = false
    void ended.then(() => {
      over = true
    })
    for (let turn = 0; turn < PATIENCE && !over; turn += 20) {
      await turns(20)
      for (const each of [runId, ...this.outside.sights.map((sight) => sight.runId)]) await this.answer(each, turn)
    }
    if (over) return (await ended) ?? undefined
    this.wrong.push(`${runId} is stuck: ${this.story(runId)}`)
    return undefined
  }

  private async answer(runId: string, turn: number): Promise<void> {
    const { status, waitsFor } = await this.engine.describe(runId)
    if (status !== 'suspended' || waitsFor === undefined || waitsFor.until !== undefined) return
    const name = waitsFor.signals.find((each) => !each.startsWith('child:'))
    if (name === undefined) return
    const id = name.startsWith('ap_') ? name : `answer ${turn}`
    await this.engine.signal(runId, { id, name, payload: { turn } }).catch(() => {})
  }

  // ── what must hold ────────────────────────────────────────────────────────────────────────────────────────────────

  private async checkRun(runId: string): Promise<void> {
    const entries = this.engine.entries(runId)
    this.checkEntries(runId, entries)
    this.checkOnce(runId, entries)
    const lived = this.outside.sights.filter((sight) => sight.runId === runId)
    const whole = entries.slice(0, -1)
    const { seen, outcome } = await this.replayed(runId, whole)
    this.checkOrder(runId, whole, seen)
    for (const sight of lived) {
      if (!isPrefix(sight.seen, seen)) this.note(runId, 'I5/I13', `${sight.process} saw`, sight.seen, 'not', seen)
    }
    const end = entries.at(-1)
    if (end?.type === 'end' && outcome !== undefined && !same(outcome, end.outcome)) {
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
  ): Promise<{ seen: readonly Seen[]; outcome: Outcome | undefined }> {
    const recorded = new Set(entries.filter(({ type }) => type === 'step').map(nameOf))
    const passive = new Outside({ entries: () => [], acknowledged: () => 0 }, this.random, false)
    passive.perform = async (_, at) => {
      if (recorded.has(`step ${at.key}`))
        this.note(runId, 'I1', `a replay of ${entries.length} entries executes`, at.key)
      return new Promise<never>(() => {})
    }
    passive.reconcile = () => new Promise<never>(() => {})
    let seen: readonly Seen[] = []
    const outcome = await replay({
      runId,
      entries,
      program: planProgram(passive, 'replay', this.each.resume),
      runtime: this.runtime,
      blobs: this.blobs,
      offloadBytes: OFFLOAD_BYTES,
      onGiven: () => {
        seen = [...(passive.sights[0]?.seen ?? [])]
      },
    })
    if (passive.sights.length !== 1) this.note(runId, 'I5', 'fibers on one replay:', passive.sights.length)
    return { seen, outcome }
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
    const harmed = this.engine.harmed(runId)
    const { affinity, countsDeliveries, journal, zombies, hostility } = this.each
    // Rule 4: where nobody counts and nobody stays, another host than the one that intended cannot know.
    const alwaysKnows = journal === 'store' || affinity || countsDeliveries
    const alone = !zombies && !hostility.deliversTwice && !hostility.deliversLate
    for (const entry of entries) {
      if (entry.type !== 'step' || entry.op.effect !== 'once') continue
      const key = idempotencyKey(this.runtime, start.salt, runId, entry.key)
      const { done } = this.outside.effectsOf(key)
      if ('ok' in entry.outcome && (done === 0 || (alone && done !== 1))) {
        this.note(runId, 'once', entry.key, `is recorded as done and happened ${done} times`)
      }
      if (!('unknown' in entry.outcome)) continue
      const from = entries.findLast((other) => other.type === 'intent' && other.key === entry.key)?.seq ?? 0
      if (alwaysKnows && !harmed.some((at) => at >= from && at <= entry.seq)) {
        this.note(runId, 'I11', entry.key, `is unknown although nothing happened to it:`, entry.outcome)
      }
    }
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

/** Two replays have two stacks. */
function same(one: unknown, other: unknown): boolean {
  const text = (value: unknown): string => JSON.stringify(value, (key, part) => (key === 'stack' ? undefined : part))
  return text(one) === text(other)
}
