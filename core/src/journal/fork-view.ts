/** What a forked run knows of the run that it was forked from. */
import type { Json } from '../values/json.ts'
import type { Entry, EntryOf, ForkEffects, Op, Start } from './entry.ts'

/** What the original did behind the place where it was forked. */
export interface PastStep {
  readonly key: string
  readonly op: Op
  /** Why nobody knows what became of it; undefined: it was done. */
  readonly unknown: string | undefined
  /** Its result. */
  read(): Promise<unknown>
}

export class ForkView {
  readonly of: NonNullable<Start['forkedFrom']>
  /** Keys of steps that the prefix holds: the fork did not make them. */
  readonly inherited: ReadonlySet<string>
  /** Keys of steps of the fork whose result is the original's. */
  readonly reused: Set<string> = new Set()
  readonly #past: readonly PastStep[]
  /** Which step of the fork took what, by the key of the original's. */
  readonly #taken = new Map<string, string>()

  constructor(of: NonNullable<Start['forkedFrom']>, entries: readonly Entry[], read: (json: Json) => Promise<unknown>) {
    this.of = of
    this.inherited = new Set(
      entries.slice(0, of.entries + 1).flatMap((entry) => (entry.type === 'step' ? [entry.key] : [])),
    )
    this.#past = entries.flatMap((entry) => (entry.type === 'past' ? [pastStep(entry, read)] : []))
    for (const entry of entries) {
      if (entry.type !== 'state' || !entry.key.startsWith(REUSED)) continue
      const key = entry.key.slice(REUSED.length)
      this.reused.add(key)
      this.#taken.set(String(entry.patch.of), key)
    }
  }

  get effects(): ForkEffects {
    return this.of.effects
  }

  /**
   * The same thing as the original did it, if no other step has taken it: of a tool the same call, of a step the same key.
   * A process may have died between the note that says who took it and the record of the step.
   */
  find(op: Op): PastStep | undefined {
    const same = this.#past.filter((past) => isSame(past.op, op))
    const own = same.find(({ key }) => this.#taken.get(key) === op.key)
    if (own !== undefined) return own
    const free = same.filter(({ key }) => !this.#taken.has(key))
    return free.find(({ key }) => key === op.key) ?? (op.kind === 'tool' ? free[0] : undefined)
  }

  /** The key and patch of the note that says so. */
  reuse(key: string, past: PastStep): readonly [key: string, patch: { readonly of: string }] {
    this.reused.add(key)
    this.#taken.set(past.key, key)
    return [`${REUSED}${key}`, { of: past.key }]
  }
}

const REUSED = 'reused:'

function isSame(past: Op, op: Op): boolean {
  return past.kind === op.kind && past.name === op.name && (past.check ?? '') === (op.check ?? '')
}

function pastStep({ key, op, outcome }: EntryOf<'past'>, read: (json: Json) => Promise<unknown>): PastStep {
  if ('ok' in outcome) return { key, op, unknown: undefined, read: () => read(outcome.ok) }
  return { key, op, unknown: outcome.unknown, read: () => Promise.resolve(undefined) }
}
