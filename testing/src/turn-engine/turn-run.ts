/** One run as the turn engine keeps it: journal, inbox, and how it ended. */
import {
  EngineError,
  type Entry,
  type Host,
  type Outcome,
  type RunDescription,
  type RunStatus,
  type Seed,
  type Signal,
  type Start,
} from '@selvage/core'

export class TurnRun {
  readonly id: string
  readonly start: Start
  readonly createdAt: number
  /** All generations. */
  readonly entries: Entry[] = []
  /** First writers, by id. */
  readonly accepted: Map<string, Signal> = new Map()
  readonly ended: Promise<Outcome>
  seed: Seed | undefined
  /** How many there were. */
  generations = 0
  /** Advances of this generation. */
  advances = 0
  /** Of a store: the newest right to append, and whose it is. */
  fence = 0
  owner: Host | undefined
  /** How long the journal was when a host lost that right. */
  readonly lostAt: Map<Host, number> = new Map()
  /** Host that has the fiber, where the engine is faithful to it. */
  home: Host | undefined
  outcome: Outcome | undefined
  status: RunStatus = 'pending'
  updatedAt: number
  waitsFor: RunDescription['waitsFor']
  readonly harmed: number[] = []
  /** In a row that came to no reply and did not move the journal. */
  claims = 0
  private inbox: Signal[] = []
  private woken = false
  private claimedAt = -1
  private readonly listeners = new Set<() => void>()
  private readonly settle: { resolve(outcome: Outcome): void; reject(error: unknown): void }

  constructor(id: string, start: Start, now: number) {
    this.id = id
    this.start = start
    this.createdAt = now
    this.updatedAt = now
    const { promise, resolve, reject } = Promise.withResolvers<Outcome>()
    this.ended = promise
    this.settle = { resolve, reject }
    promise.catch(() => {})
  }

  /** What this engine's history would still show: entries of earlier generations are gone. */
  load(from: number): readonly Entry[] {
    const first = this.seed?.cursor ?? 0
    if (from < first) {
      throw new EngineError('UNAVAILABLE', `Entries ${from} to ${first} of run ${this.id} were rotated away.`)
    }
    return this.entries.slice(from)
  }

  /** Which in a row this claim is. */
  claim(host: Host): number {
    if (this.owner !== undefined && this.owner !== host) this.lostAt.set(this.owner, this.entries.length)
    this.owner = host
    if (this.claimedAt !== this.entries.length) this.claims = 0
    this.claimedAt = this.entries.length
    return ++this.claims
  }

  /** An advance came back in good order. */
  returned(): void {
    this.claims = 0
  }

  arrive(signal: Signal): void {
    this.inbox.push(signal)
    this.changed()
  }

  wake(): void {
    this.woken = true
    this.changed()
  }

  /** Everything that has arrived, if there is a reason to advance. */
  take(names: readonly string[], due: boolean): readonly Signal[] | undefined {
    const called = this.inbox.some(({ name }) => names.includes(name) || name.startsWith('$'))
    if (!called && !due && !this.woken) return undefined
    this.woken = false
    return this.inbox.splice(0)
  }

  end(outcome: Outcome, now: number): void {
    this.outcome = outcome
    this.updatedAt = now
    this.status = 'ok' in outcome ? 'completed' : 'error' in outcome ? 'failed' : 'cancelled'
    this.settle.resolve(outcome)
    this.changed()
  }

  breakDown(error: unknown): void {
    this.settle.reject(error)
  }

  changed(): void {
    for (const listener of this.listeners) listener()
  }

  /** Resolves with the next change, or when `stop` has been called. */
  nextChange(arm?: (done: () => void) => (() => void) | undefined): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.listeners.delete(done)
        disarm?.()
        resolve()
      }
      this.listeners.add(done)
      const disarm = arm?.(done)
    })
  }
}
