/** One run, as this engine keeps it. */
import type { Entry, Outcome, RunDescription, RunStatus, Signal, Start } from '@selvage/core'

export class MemoryRun {
  readonly id: string
  readonly start: Start
  readonly createdAt: number = Date.now()
  readonly entries: Entry[] = []
  /** By id: the first one counts. */
  readonly accepted: Map<string, Signal> = new Map()
  status: RunStatus = 'pending'
  outcome: Outcome | undefined
  waitsFor: RunDescription['waitsFor']
  updatedAt: number = this.createdAt
  private inbox: Signal[] = []
  private isWoken = false
  private readonly listeners = new Set<() => void>()

  constructor(id: string, start: Start) {
    this.id = id
    this.start = start
  }

  arrive(signal: Signal): void {
    this.inbox.push(signal)
    this.tell()
  }

  /** The program asks for something while no advance is in progress. */
  wake(): void {
    this.isWoken = true
    this.tell()
  }

  /** Everything that has arrived, if there is a reason to advance: a name that is waited for, a command (`$…`), the time. */
  take(names: readonly string[], isDue: boolean): readonly Signal[] | undefined {
    const isCalled = this.inbox.some(({ name }) => names.includes(name) || name.startsWith('$'))
    if (!isCalled && !isDue && !this.isWoken) return undefined
    this.isWoken = false
    return this.inbox.splice(0)
  }

  becomes(status: RunStatus, waitsFor?: RunDescription['waitsFor']): void {
    this.status = status
    this.waitsFor = waitsFor
    this.updatedAt = Date.now()
    this.tell()
  }

  end(outcome: Outcome): void {
    this.outcome = outcome
    this.becomes('ok' in outcome ? 'completed' : 'error' in outcome ? 'failed' : 'cancelled')
  }

  /** Resolves with the next change, with the abort, or at that time (epoch ms). */
  nextChange({ abortSignal, until }: { abortSignal?: AbortSignal | undefined; until?: number | undefined } = {}) {
    return new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        this.listeners.delete(done)
        abortSignal?.removeEventListener('abort', done)
        resolve()
      }
      // A timer of Node's is no longer than 24 days; who is woken early looks again.
      const timer = until === undefined ? undefined : setTimeout(done, Math.min(until - Date.now(), 2 ** 31 - 1))
      this.listeners.add(done)
      abortSignal?.addEventListener('abort', done)
    })
  }

  describe(): RunDescription {
    const { program, version, parent, tenant, queue, tags = {} } = this.start
    return {
      id: this.id,
      status: this.status,
      program,
      start: this.start,
      tags,
      createdAt: this.createdAt,
      updatedAt: this.updatedAt,
      entries: this.entries.length,
      steps: this.entries.filter(({ type }) => type === 'step').length,
      crashes: 0,
      ...(version !== undefined && { version }),
      ...(parent !== undefined && { parent: parent.runId }),
      ...(tenant !== undefined && { tenant }),
      ...(queue !== undefined && { queue }),
      ...(this.waitsFor !== undefined && { waitsFor: this.waitsFor }),
      ...(this.outcome !== undefined && { outcome: this.outcome, endedAt: this.updatedAt }),
    }
  }

  private tell(): void {
    for (const listener of [...this.listeners]) listener()
  }
}
