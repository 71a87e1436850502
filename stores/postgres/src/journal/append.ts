/**
 * Appending to journals, by the holders of their runs: one statement for each group, which checks fence and place of every
 * run in it, and writes what may be written. What falls together while a group is on its way is the next group; an append
 * that is alone waits for nobody.
 *
 *   append() ──▶ queue ──(turn of the event loop)──▶ group ──▶ settle ──▶ ring
 *                 ▲                                    │ lost: the same again, for 5 s
 *                 └────────────────────────────────────┘
 *
 * A group that was lost on its way may have been written. A fence has one holder, which appends one after the other: if the
 * journal of that claim is exactly as long as it would be then, those are our entries.
 *
 * Entries that concern questions, signals or messages change other rows too; they are transactions of their own.
 */
import { type Entry, probe } from '@selvage/core'
import { fencedOut, gap } from '@selvage/core/stores'
import { type Database, type Rows, sleep } from '../database.ts'
import { closedError, failure, isCrossed, isFull, isLost } from '../failure.ts'
import { enqueue } from '../outbox/outbox.ts'
import { recordSignal } from '../questions/inbox.ts'
import { openQuestion, settleQuestion } from '../questions/questions.ts'
import { toText } from '../text.ts'
import { type EntryValues, isFinalStep, toRow } from './entries.ts'
import { insertEntries } from './journal.ts'

/** In one statement, unless a single append has more. */
const GROUP_ENTRIES = 2_000
const GROUP_CHARACTERS = 8_000_000
const PATIENCE_MS = 5_000
const RETRY_MS = 50

/** As it was before a test of an author's faked it: a commit must not wait for its clock. */
const immediate = setImmediate

/** $1–$5 for each run, $6–$11 for each entry: which run of those, … */
const APPEND = `with asked as (
    select * from unnest($1::text[], $2::bigint[], $3::int[], $4::int[], $5::int[], $6::float8[])
      with ordinality as t (id, fence, at, count, steps, last_at, place)
  ), found as materialized (
    select run.n, asked.* from asked join run on run.id = asked.id
      where run.fence = asked.fence and run.length = asked.at and run.status = 'running'
      order by run.n for update of run
  ), grown as (
    update run set length = found.at + found.count, steps = run.steps + found.steps, last_at = found.last_at
      from found where run.n = found.n returning found.place, run.n
  ), written as (
    insert into entry (run, seq, kind, at, key, body)
      select grown.n, t.seq, t.kind, t.at, t.key, t.body
      from unnest($7::int[], $8::int[], $9::text[], $10::float8[], $11::text[], $12::text[])
        as t (place, seq, kind, at, key, body) join grown on grown.place = t.place
  )
  select place from grown`

interface Append {
  readonly at: number
  readonly entries: readonly Entry[]
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** Appends of one claim that follow each other: all of them are written, or none. */
interface Batch {
  readonly runId: string
  readonly fence: number
  readonly at: number
  readonly appends: Append[]
  readonly rows: EntryValues[]
  steps: number
  characters: number
}

export class Appends {
  readonly #database: Database
  #queue: Batch[] = []
  #isOnItsWay = false
  #isClosed = false
  #idle: (() => void) | undefined

  constructor(database: Database) {
    this.#database = database
  }

  async append(runId: string, fence: number, at: number, entries: readonly Entry[]): Promise<void> {
    if (this.#isClosed) throw closedError(this.#database.location)
    entries.forEach((entry, index) => {
      if (entry.seq !== at + index) throw gap(runId, at + index, entry.seq)
    })
    if (entries.length === 0) return
    if (entries.some(projects)) return await this.#appendProjected(runId, fence, at, entries)
    const rows = entries.map(toRow)
    await new Promise<void>((resolve, reject) => {
      this.#enqueue(runId, fence, { at, entries, resolve, reject }, rows)
      this.#schedule()
    })
  }

  /** Takes nothing more; resolves when nothing is on its way. */
  async close(): Promise<void> {
    this.#isClosed = true
    if (this.#isOnItsWay) await new Promise<void>((resolve) => (this.#idle = resolve))
  }

  #enqueue(runId: string, fence: number, append: Append, rows: readonly EntryValues[]): void {
    const steps = append.entries.filter(isFinalStep).length
    const characters = rows.reduce((sum, { body }) => sum + body.length, 0)
    const before = this.#queue.findLast((batch) => batch.runId === runId)
    if (before?.fence === fence && before.at + before.rows.length === append.at) {
      before.appends.push(append)
      before.rows.push(...rows)
      before.steps += steps
      before.characters += characters
    } else {
      this.#queue.push({ runId, fence, at: append.at, appends: [append], rows: [...rows], steps, characters })
    }
  }

  #schedule(): void {
    if (this.#isOnItsWay) return
    this.#isOnItsWay = true
    immediate(() => void this.#flush())
  }

  async #flush(): Promise<void> {
    while (this.#queue.length > 0) {
      const group = this.#nextGroup()
      try {
        await this.#write(group)
      } catch (error) {
        for (const { appends } of group) for (const { reject } of appends) reject(error)
      }
    }
    this.#isOnItsWay = false
    this.#idle?.()
  }

  /** A run once: of two batches of one, the second waits. */
  #nextGroup(): Batch[] {
    const group: Batch[] = []
    const left: Batch[] = []
    const runs = new Set<string>()
    let entries = 0
    let characters = 0
    for (const batch of this.#queue) {
      entries += batch.rows.length
      characters += batch.characters
      const isTooMuch = group.length > 0 && (entries > GROUP_ENTRIES || characters > GROUP_CHARACTERS)
      if (isTooMuch || runs.has(batch.runId)) left.push(batch)
      else group.push(batch)
      runs.add(batch.runId)
    }
    this.#queue = left
    return group
  }

  async #write(group: readonly Batch[]): Promise<void> {
    probe('store.before-commit')
    const until = performance.now() + PATIENCE_MS
    for (let wasLost = false; ; ) {
      try {
        const written = await this.#send(group)
        probe('store.after-commit')
        await this.#settle(group, written, wasLost)
        this.#database.ring('soon')
        return
      } catch (error) {
        const passes = isLost(error) || isCrossed(error) || isFull(error)
        if (!passes && group.length > 1) return await this.#writeEach(group)
        if (!passes || performance.now() > until) throw failure(this.#database.location, error)
        wasLost ||= isLost(error)
      }
      await sleep(RETRY_MS)
    }
  }

  /** One of them cannot be written: it is to be told so, and nobody else. */
  async #writeEach(group: readonly Batch[]): Promise<void> {
    for (const batch of group) {
      await this.#write([batch]).catch((error: unknown) => {
        for (const { reject } of batch.appends) reject(error)
      })
    }
  }

  /** The places in the group of those that were written. */
  async #send(group: readonly Batch[]): Promise<ReadonlySet<number>> {
    const entries = group.flatMap(({ rows, at }, index) =>
      rows.map((row, offset) => ({ ...row, place: index + 1, seq: at + offset })),
    )
    const grown = await this.#database.once((rows) =>
      rows.all<{ place: number }>(
        APPEND,
        group.map(({ runId }) => toText(runId)),
        group.map(({ fence }) => fence),
        group.map(({ at }) => at),
        group.map(({ rows }) => rows.length),
        group.map(({ steps }) => steps),
        group.map(({ rows }) => rows.at(-1)?.at ?? 0),
        entries.map(({ place }) => place),
        entries.map(({ seq }) => seq),
        entries.map(({ kind }) => kind),
        entries.map(({ at }) => at),
        entries.map(({ key }) => key),
        entries.map(({ body }) => body),
      ),
    )
    return new Set(grown.map(({ place }) => place))
  }

  async #settle(group: readonly Batch[], written: ReadonlySet<number>, wasLost: boolean): Promise<void> {
    for (const [index, batch] of group.entries()) {
      if (written.has(index + 1)) for (const { resolve } of batch.appends) resolve()
      else await this.#refuse(batch, wasLost)
    }
  }

  async #refuse({ runId, fence, at, appends, rows }: Batch, wasLost: boolean): Promise<void> {
    const run = await this.#database.statement((connection) => stateOf(connection, runId))
    const isHeld = run?.fence === fence && run.status === 'running'
    if (wasLost && isHeld && run.length === at + rows.length) return appends.forEach(({ resolve }) => void resolve())
    for (const append of appends) {
      append.reject(isHeld ? gap(runId, run.length, append.at) : fencedOut(runId, fence, run?.fence))
    }
  }

  #appendProjected(runId: string, fence: number, at: number, entries: readonly Entry[]): Promise<void> {
    const isHeard = entries.some(({ type, sent }) => type === 'open' || sent !== undefined)
    return this.#database.writeUntilKnown(
      async (rows, mayStand) => {
        const run = await heldRun(rows, runId, fence)
        if (mayStand && run.length === at + entries.length) return
        if (run.length !== at) throw gap(runId, run.length, at)
        await rows.run(
          'update run set length = $2, steps = $3, last_at = $4 where n = $1',
          run.n,
          at + entries.length,
          run.steps + entries.filter(isFinalStep).length,
          entries.at(-1)?.at ?? 0,
        )
        await insertEntries(rows, run.n, entries)
        await project(rows, runId, run.n, entries)
      },
      isHeard ? 'now' : 'soon',
    )
  }
}

interface RunState {
  readonly n: number
  readonly fence: number
  readonly status: string
  readonly length: number
  readonly steps: number
}

const STATE = 'select n, fence, status, length, steps from run where id = $1'

function stateOf(rows: Rows, runId: string): Promise<RunState | undefined> {
  return rows.get<RunState>(STATE, toText(runId))
}

/** Inside a transaction: the run, its row locked, if that fence holds it; else LeaseLostError. */
export async function heldRun(rows: Rows, runId: string, fence: number): Promise<RunState> {
  const run = await rows.get<RunState>(`${STATE} for update`, toText(runId))
  if (run?.fence === fence && run.status === 'running') return run
  throw fencedOut(runId, fence, run?.fence)
}

function projects({ type, sent }: Entry): boolean {
  return sent !== undefined || type === 'signal' || type === 'open' || type === 'wait'
}

/** Inside a transaction: what the rows of signals, questions and messages say of these entries. */
export async function project(rows: Rows, runId: string, n: number, entries: readonly Entry[]): Promise<void> {
  for (const entry of entries) {
    if (entry.type === 'signal') await recordSignal(rows, runId, n, entry)
    else if (entry.type === 'open') await openQuestion(rows, runId, n, entry)
    else if (entry.type === 'wait') await settleQuestion(rows, n, entry)
    if (entry.sent !== undefined) await enqueue(rows, n, entry)
  }
}
