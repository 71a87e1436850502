/** The waits of a fiber that nothing has ended yet: by what they wait for, and by when they are over. */
import { earlier } from '../values/time.ts'
import type { AskedWait } from './asked.ts'

const NONE: readonly AskedWait[] = []

export class OpenWaits {
  /** In the order in which they were asked for. */
  private readonly byName = new Map<string, Set<AskedWait>>()
  /** Those that end by themselves. */
  private readonly timed = new Set<AskedWait>()

  add(wait: AskedWait): void {
    const named = this.byName.get(wait.signalName)
    if (named === undefined) this.byName.set(wait.signalName, new Set([wait]))
    else named.add(wait)
    if (wait.until !== undefined) this.timed.add(wait)
  }

  has(wait: AskedWait): boolean {
    return this.byName.get(wait.signalName)?.has(wait) === true
  }

  delete(wait: AskedWait): void {
    const named = this.byName.get(wait.signalName)
    named?.delete(wait)
    if (named?.size === 0) this.byName.delete(wait.signalName)
    this.timed.delete(wait)
  }

  get isEmpty(): boolean {
    return this.byName.size === 0
  }

  /** What they wait for. */
  names(): IterableIterator<string> {
    return this.byName.keys()
  }

  /** For people: the first that was asked for, by its key. */
  get described(): string {
    for (const waits of this.byName.values()) for (const { key } of waits) return `wait "${key}"`
    return 'another attempt'
  }

  /** The first that was asked for of those that wait for that. */
  oldest(signalName: string): AskedWait | undefined {
    return this.byName.get(signalName)?.values().next().value
  }

  /** Those whose time has come, in the order of their times. */
  due(now: number): readonly AskedWait[] {
    if (this.timed.size === 0) return NONE
    const over: { readonly wait: AskedWait; readonly until: number }[] = []
    for (const wait of this.timed) {
      const { until } = wait
      if (until !== undefined && until <= now) over.push({ wait, until })
    }
    return over.sort((a, b) => a.until - b.until).map(({ wait }) => wait)
  }

  /** When the first of them ends by itself. */
  firstUntil(): number | undefined {
    let first: number | undefined
    for (const { until } of this.timed) first = earlier(first, until)
    return first
  }
}
