/**
 * The loop of a run on an engine that keeps the journal: one pure function on four primitives. It has an entry point of
 * its own (`@selvage/core/drive`) and imports nothing but types, so that it loads where host code cannot, such as a
 * workflow sandbox.
 */
import type { Outcome, Signal, Start } from './journal/entry.ts'
import type { Advance, Progress, Seed } from './ports.ts'

/** What an adapter supplies, in its engine's words. All are durable or deterministic on that engine. */
export interface Primitives {
  /** Runs the one registered function, retried until it returns. `name` is for display only. */
  advance(name: string, request: Advance): Promise<Progress>
  /** Resolves with every signal that arrived since the last call: as soon as one of `names` (or a `$` signal) is among them, or at `until`. A time in the past takes what is there. */
  waitFor(names: readonly string[], until: number | undefined): Promise<readonly Signal[]>
  /** Epoch milliseconds. */
  now(): number
  /** Ends this generation and starts the next one with `seed`. Does not return. */
  startAnew(seed: Seed, signals: readonly Signal[]): Promise<never>
  /** Whether the engine's own history has grown so long that it should be renewed. */
  isFull?(): boolean
  /** Whether every step is to be named by a reply before it starts: one advance more for each, and a console that shows them. */
  readonly announces?: boolean
}

export interface Drive {
  readonly runId: string
  readonly start: Start
  readonly seed?: Seed
  /** Signals carried over by `startAnew`. */
  readonly signals?: readonly Signal[]
}

export async function drive(run: Drive, engine: Primitives): Promise<Outcome> {
  const { runId, start, seed } = run
  let cursor = seed?.cursor ?? 0
  let acknowledges: Advance['acknowledges']
  let signals: readonly Signal[] = run.signals ?? []
  let name = start.program
  let announced: readonly string[] = []
  while (true) {
    signals = [...signals, ...(await engine.waitFor([], engine.now()))]
    const progress = await engine.advance(name, {
      runId,
      start,
      cursor,
      ...(acknowledges !== undefined && { acknowledges }),
      signals,
      now: engine.now(),
      ...(engine.isFull?.() === true && { rotate: true }),
      ...(engine.announces === true && { announced }),
      ...(seed !== undefined && { seed }),
    })
    acknowledges = progress.mark === undefined ? undefined : { mark: progress.mark, from: cursor }
    cursor = progress.cursor
    signals = signals.filter((signal) => !progress.received.includes(signal.id))
    announced = progress.next.map(({ key }) => key)
    name =
      progress.next.map((op) => (op.kind === 'tool' ? `tool ${op.name}#${op.key}` : op.key)).join(', ') || start.program
    if (progress.kind === 'done') return progress.outcome
    if (progress.kind === 'rotate') return engine.startAnew(progress.seed, signals)
    if (progress.kind === 'wait') {
      signals = [...signals, ...(await engine.waitFor(progress.signals, progress.until))]
    }
  }
}
