/**
 * Effects over all runs: those of which nobody knows whether they happened come first, from an index of the store that
 * has nothing else in it; then those of one run after the other, the newest first, from their journals.
 *
 * A page examines so much and no more: it may be short, and its `next` says that there is more.
 */
import type { Effect, Engine, Page, Runtime } from '@selvage/core'
import { type OptionNames, refuseUnknown, UsageError } from '@selvage/core'
import { type EffectRecord, ledger, type Settled } from './effect-ledger.ts'
import { checkFilters } from './query.ts'
import type { Records } from './records.ts'

export interface EffectQuery {
  /** Effects of this run. Default: of all. */
  readonly runId?: string
  readonly state?: EffectRecord['state']
  /** Default: `idempotent` and `once`. */
  readonly effect?: Effect
  /** Of the tool or step. */
  readonly name?: string
  /** Effects of runs of this program. */
  readonly program?: string
  /** Effects of runs of this tenant. */
  readonly tenant?: string
  /** 1–1,000; default 50, of one run 1,000. Unknown ones first; then by run, the newest first, in the order of its journal. */
  readonly limit?: number
  /** `next` of the page before. */
  readonly after?: string
}

const QUERY: OptionNames<EffectQuery> = {
  runId: true,
  state: true,
  effect: true,
  name: true,
  program: true,
  tenant: true,
  limit: true,
  after: true,
}

/** Where a page goes on. */
type Cursor =
  | { readonly in: 'unknown'; readonly after?: string }
  /** `runId`: first those of that run from `from` on, then the runs behind `after`. */
  | { readonly in: 'runs'; readonly after?: string; readonly runId?: string; readonly from?: number }
  | { readonly in: 'run'; readonly from: number }

const MOST = 1_000
const STATES: readonly EffectRecord['state'][] = ['intended', 'done', 'failed', 'unknown']
const EFFECTS: readonly Effect[] = ['read', 'idempotent', 'once']
/** Unknown outcomes, and runs, that one page looks at. */
const EXAMINED = 200

export class Effects {
  readonly #engine: Engine
  readonly #runtime: Runtime
  readonly #records: Records

  constructor(engine: Engine, runtime: Runtime, records: Records) {
    this.#engine = engine
    this.#runtime = runtime
    this.#records = records
  }

  async page(query: EffectQuery): Promise<Page<EffectRecord>> {
    refuseUnknown('effects()', query, QUERY)
    const { runId, after } = query
    check(query)
    checkFilters('effects()', query)
    if (runId !== undefined) return this.#ofRun(runId, query, after === undefined ? 0 : fromOf(read(after)))
    const items: EffectRecord[] = []
    const limit = query.limit ?? 50
    let cursor: Cursor | undefined = after === undefined ? { in: 'unknown' } : read(after)
    if (cursor.in === 'unknown') {
      const wanted = query.state === undefined || query.state === 'unknown'
      cursor = wanted ? await this.#unknown(cursor, query, limit, items) : { in: 'runs' }
    }
    if (cursor?.in === 'runs' && query.state === 'unknown') cursor = undefined
    if (cursor?.in === 'runs' && items.length < limit) cursor = await this.#runs(cursor, query, limit, items)
    return cursor === undefined ? { items } : { items, next: Buffer.from(JSON.stringify(cursor)).toString('base64url') }
  }

  async #ofRun(runId: string, query: EffectQuery, from: number): Promise<Page<EffectRecord>> {
    const limit = query.limit ?? MOST
    const all = (await this.#ledger(runId)).map(({ record }) => record).filter((record) => matches(record, query))
    const unknown = all.filter(isUnknown)
    const sorted = [...unknown, ...all.filter((record) => !isUnknown(record))]
    const items = sorted.slice(from, from + limit)
    if (from + limit >= sorted.length) return { items }
    return { items, next: Buffer.from(JSON.stringify({ in: 'run', from: from + limit })).toString('base64url') }
  }

  /** Adds those that are still unknown; where to go on. */
  async #unknown(
    { after }: Extract<Cursor, { in: 'unknown' }>,
    query: EffectQuery,
    limit: number,
    items: EffectRecord[],
  ): Promise<Cursor | undefined> {
    const { engine } = { engine: this.#engine }
    if (engine.unknownSteps === undefined) throw lacks(engine)
    const known = new Map<string, readonly Settled[]>()
    let examined = 0
    let next = after
    while (items.length < limit && examined < EXAMINED) {
      const page = await engine.unknownSteps({
        limit: limit - items.length,
        ...(next !== undefined && { after: next }),
      })
      for (const { runId, seq } of page.items) {
        examined += 1
        const settled = known.get(runId) ?? (await this.#ledger(runId, query))
        known.set(runId, settled)
        // Somebody may have answered it since, or it was made again.
        const found = settled.find((each) => each.seq === seq)
        if (found !== undefined && isUnknown(found.record) && matches(found.record, query)) items.push(found.record)
      }
      next = page.next
      if (next === undefined) return { in: 'runs' }
    }
    return { in: 'unknown', ...(next !== undefined && { after: next }) }
  }

  async #runs(
    cursor: Extract<Cursor, { in: 'runs' }>,
    query: EffectQuery,
    limit: number,
    items: EffectRecord[],
  ): Promise<Cursor | undefined> {
    const { program, tenant } = query
    const filters = { ...(program !== undefined && { program }), ...(tenant !== undefined && { tenant }) }
    let { after } = cursor
    if (cursor.runId !== undefined) {
      const left = await this.#addKnown(cursor.runId, cursor.from ?? 0, query, limit, items)
      if (left !== undefined) return { ...cursor, from: left }
      if (after === undefined) return undefined
    }
    if (this.#engine.list === undefined) throw lacks(this.#engine)
    for (let examined = 0; examined < EXAMINED; examined++) {
      // One at a time: a page of runs gives no cursor for a place inside of it.
      const page = await this.#engine.list({ ...filters, limit: 1, ...(after !== undefined && { after }) })
      const [run] = page.items
      if (run === undefined) return undefined
      const left = run.entries > 1 ? await this.#addKnown(run.id, 0, query, limit, items) : undefined
      after = page.next
      const behind = after === undefined ? {} : { after }
      if (left !== undefined) return { in: 'runs', runId: run.id, from: left, ...behind }
      if (after === undefined) return undefined
      if (items.length >= limit) return { in: 'runs', after }
    }
    return { in: 'runs', ...(after !== undefined && { after }) }
  }

  /** Adds those of one run, but the unknown ones, which came first; where to go on in it, if not all had room. */
  async #addKnown(
    runId: string,
    from: number,
    query: EffectQuery,
    limit: number,
    items: EffectRecord[],
  ): Promise<number | undefined> {
    const all = (await this.#ledger(runId)).map(({ record }) => record)
    const found = all.filter((record) => !isUnknown(record) && matches(record, query))
    const taken = found.slice(from, from + limit - items.length)
    items.push(...taken)
    return from + taken.length < found.length ? from + taken.length : undefined
  }

  /** With the filters by run: none of a run that they leave out. */
  async #ledger(runId: string, { program, tenant }: EffectQuery = {}): Promise<readonly Settled[]> {
    const { claims = [], start } = await this.#engine.describe(runId, { claims: true })
    if (program !== undefined && start.program !== program) return []
    if (tenant !== undefined && start.tenant !== tenant) return []
    return ledger(this.#runtime, { runId, entries: await this.#records.all(runId), claims })
  }
}

function isUnknown({ state }: EffectRecord): boolean {
  return state === 'unknown'
}

function matches(record: EffectRecord, { state, effect, name }: EffectQuery): boolean {
  if (state !== undefined && record.state !== state) return false
  if (name !== undefined && record.name !== name) return false
  return effect === undefined ? record.effect !== 'read' : record.effect === effect
}

function check({ limit, state, effect, runId, program, tenant }: EffectQuery): void {
  if (limit !== undefined && !(Number.isInteger(limit) && limit >= 1 && limit <= MOST)) {
    throw bad(`A page cannot have ${limit} items.`, `limit is a whole number from 1 to ${MOST}.`)
  }
  if (state !== undefined && !STATES.includes(state)) {
    throw bad(`Effects have no state "${state}".`, `It is one of ${STATES.join(', ')}.`)
  }
  if (effect !== undefined && !EFFECTS.includes(effect)) {
    throw bad(`"${effect}" is not an effect.`, `It is one of ${EFFECTS.join(', ')}.`)
  }
  if (runId !== undefined && (program !== undefined || tenant !== undefined)) {
    throw bad(
      'effects() was given a runId and a filter of runs.',
      'A run has one program and one tenant: leave them out.',
    )
  }
}

function read(cursor: string): Cursor {
  try {
    const found = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as Cursor
    if (['unknown', 'runs', 'run'].includes(found.in)) return found
  } catch {
    // Told below.
  }
  throw bad(`"${cursor}" is no cursor of this list.`, 'Pass `next` of the page before as `after`, as it is.')
}

function fromOf(cursor: Cursor): number {
  if (cursor.in === 'run') return cursor.from
  throw bad('The cursor is of another list.', 'Pass `next` of the page before as `after`, with the same runId.')
}

function bad(message: string, hint: string): UsageError {
  return new UsageError('BAD_INPUT', message, { hint })
}

function lacks(engine: Engine): UsageError {
  return new UsageError('UNSUPPORTED', `Engine '${engine.manifest.name}' cannot list effects over all runs.`, {
    hint: 'Give a runId.',
  })
}
