/**
 * Brings requests to hosts: picks one, hands it what an engine hands over (journal, delivery, fence), looks at the
 * reply, and lets processes die on the way.
 */
import {
  type Advance,
  type Clock,
  type Control,
  EngineError,
  type Entry,
  type Host,
  LeaseLostError,
  type Manifest,
  type Progress,
  SelvageError,
} from '@selvage/core'
import type { Random } from '../random.ts'
import { copy } from './copy.ts'
import { type Harm, turns } from './hostility.ts'
import type { ProtocolCheck } from './protocol-check.ts'
import type { TurnRun } from './turn-run.ts'

export interface Delivery {
  readonly reply: Promise<Progress>
  /** Withdraws it. */
  readonly abort: AbortController
}

export class Deliveries {
  readonly hosts: Host[] = []
  private readonly manifest: Manifest
  private readonly clock: Clock
  private readonly random: Random
  private readonly check: ProtocolCheck
  /** See Hostility. */
  private readonly doubts: number
  private readonly trace: (what: string) => void
  private readonly inProgress = new Set<Promise<unknown>>()
  private closed = false

  constructor(
    manifest: Manifest,
    clock: Clock,
    random: Random,
    check: ProtocolCheck,
    doubts: number,
    trace: ((what: string) => void) | undefined,
  ) {
    this.manifest = manifest
    this.clock = clock
    this.random = random
    this.check = check
    this.doubts = doubts
    this.trace = trace ?? ((): void => {})
  }

  /** `isRival`: an engine that does not know that the run is being advanced. */
  async deliver(run: TurnRun, text: string, delivery: number, harm: Harm, isRival = false): Promise<Delivery> {
    const host = (isRival ? undefined : this.withWork(run)) ?? (await this.pick(run))
    const request = this.claimed(run, JSON.parse(text))
    const count = this.manifest.journal === 'store' ? run.claim(host) : delivery
    const abort = new AbortController()
    const what = `${run.id} on host ${this.hosts.indexOf(host)}: cursor ${request.cursor}, delivery ${count}`
    this.trace(`${what}${request.rotate === true ? ', rotate' : ''}`)
    const deaths = this.check.delivered(host, request)
    if (delivery > 1) run.harmed.push(run.entries.length)
    this.track(this.killLater(host, run, harm))
    const reply = host.advance(request, this.control(run, abort, count, harm)).then(
      (progress) => {
        this.trace(`${what} ◀ ${progress.kind} ${progress.entries.map(({ type }) => type).join(' ')}`)
        this.check.replied(host, request, progress, deaths)
        return copy(progress)
      },
      (error: unknown) => {
        this.trace(`${what} ✗ ${String(error)}`)
        this.rejected(host, run, request, error)
        throw error
      },
    )
    this.track(reply)
    return { reply, abort }
  }

  /** The process dies, as far as this run is concerned. */
  kill(host: Host, run: TurnRun): void {
    this.trace(`${run.id} on host ${this.hosts.indexOf(host)}: dies`)
    host.evict(run.id)
    this.check.forgot(host, run.id)
    run.harmed.push(run.entries.length)
    if (run.home === host) run.home = undefined
  }

  private async killLater(host: Host, run: TurnRun, harm: Harm): Promise<void> {
    if (await harm.strikesLater('kills')) this.kill(host, run)
  }

  /** The process that would be next dies. */
  async killNext(run: TurnRun): Promise<void> {
    this.kill(this.withWork(run) ?? (await this.pick(run)), run)
  }

  track(work: Promise<unknown>): void {
    this.inProgress.add(work)
    const done = (): void => void this.inProgress.delete(work)
    work.then(done, done)
  }

  async quiet(): Promise<void> {
    while (this.inProgress.size > 0) await Promise.allSettled(this.inProgress)
  }

  close(runs: Iterable<TurnRun>): void {
    this.closed = true
    for (const run of runs) for (const host of this.hosts) this.kill(host, run)
    this.hosts.length = 0
  }

  private rejected(host: Host, run: TurnRun, request: Advance, error: unknown): void {
    run.harmed.push(run.entries.length)
    if (!SelvageError.is(error, 'STALE_ADVANCE')) this.check.forgot(host, run.id)
    else if (run.entries.length === request.cursor) {
      this.check.note(run.id, `cursor ${request.cursor} was refused as stale, but is the newest`)
    }
  }

  /** Who could not write to the store has steps in flight still: the run stays there (docs/decisions/0056). */
  private withWork(run: TurnRun): Host | undefined {
    if (this.manifest.journal === 'engine') return undefined
    return this.hosts.find((host) => host === run.owner && host.holdsWork(run.id))
  }

  /** Any host, or where the fiber is. */
  private async pick(run: TurnRun): Promise<Host> {
    const { program, version } = run.start
    while (!this.closed) {
      const able = this.hosts.filter((host) =>
        host.registered().some((other) => other.name === program && other.version === version),
      )
      if (able.length > 0) {
        if (run.home === undefined || !this.manifest.affinity) run.home = this.random.pick(able)
        return run.home
      }
      await new Promise<void>((resolve) => void this.clock.timer(1, resolve))
    }
    throw new EngineError('UNAVAILABLE', 'The engine is closed.')
  }

  /** Where a store keeps the journal, whoever claims a run is told how long it is. */
  private claimed(run: TurnRun, request: Advance): Advance {
    return this.manifest.journal === 'store' ? { ...request, cursor: run.entries.length } : request
  }

  private control(run: TurnRun, abort: AbortController, delivery: number, harm: Harm): Control {
    const fence = ++run.fence
    const load = async (from: number): Promise<readonly Entry[]> => {
      await turns(this.random.below(2))
      return copy(run.load(from))
    }
    const append = (at: number, entries: readonly Entry[]): Promise<void> => this.append(run, fence, at, entries, harm)
    return {
      abortSignal: abort.signal,
      heartbeat: () => {},
      journal: this.manifest.journal === 'store' ? { load, append } : { load },
      delivery: this.manifest.countsDeliveries ? delivery : 0,
      untilSure: () => (this.random.chance(this.doubts) ? turns(1 + this.random.below(4)) : undefined),
      wake: () => run.wake(),
    }
  }

  /** The store that hosts share: compare-and-set on fence and length. What a process has sent off arrives, though it die. */
  private async append(run: TurnRun, fence: number, at: number, entries: readonly Entry[], harm: Harm): Promise<void> {
    await turns(1 + this.random.below(2))
    const fails = harm.strikes('failsAppends')
    const committed = !fails || this.random.chance(0.5)
    if (fence !== run.fence) throw new LeaseLostError('LEASE_LOST', `Fence ${fence} of run ${run.id} is old.`)
    if (at !== run.entries.length) throw new EngineError('JOURNAL_GAP', `Run ${run.id} ends at ${run.entries.length}.`)
    if (committed) {
      this.check.entries(run.id, run.entries, entries)
      run.entries.push(...copy(entries))
      run.changed()
    }
    await turns(this.random.below(2))
    if (fails) throw new EngineError('UNAVAILABLE', 'The store did not answer.')
  }
}
