import type { Engine, Entry, Host, LiveNote, QuestionRecord, RunDescription } from '@selvage/core'
import { hasEnded, type OptionNames, refuseUnknown, UsageError } from '@selvage/core'
import { keepAlive } from '../keep-alive.ts'
import { Fresh } from '../live/fresh.ts'
import type { Elsewhere, Live } from '../live/live.ts'
import type { Position, RunEvent } from './event.ts'
import { cursorOf, entryEvent, positionOf } from './event.ts'
import { LiveNotes } from './live-notes.ts'
import { Takeovers } from './takeovers.ts'

export interface EventsOptions {
  /** The `cursor` of the last event seen: the stream goes on behind it. Default: from the beginning. */
  readonly after?: string
  /** Ends the stream. The run goes on: a reader that leaves is not a stop. */
  readonly abortSignal?: AbortSignal
  /** Reserved: streams in the words of UI protocols. */
  readonly as?: 'ai-sdk' | 'ag-ui'
}

const OPTIONS: OptionNames<EventsOptions> = { after: true, abortSignal: true, as: false }

export interface EventSource {
  readonly engine: Engine
  /** Live chunks of runs that this process works on. */
  readonly host: Pick<Host, 'subscribe'> | undefined
  /** Those of other processes. */
  readonly live?: Live | undefined
  load(from: number, limit: number): Promise<readonly Entry[]>
}

const PAGE = 500

/** Follows a run until it has ended. UsageError at once for options that are none. The stream of an ended run is its journal. */
export function follow(source: EventSource, runId: string, options: EventsOptions): AsyncGenerator<RunEvent, void> {
  refuseUnknown(`events() of run ${runId}`, options, OPTIONS, { runId })
  const reader = new Reader(source, runId, beginning(options))
  return reader.events(options.abortSignal ?? new AbortController().signal)
}

/** One reader of one run. */
class Reader {
  readonly #source: EventSource
  readonly #runId: string
  readonly #notes = new LiveNotes()
  readonly #takeovers: Takeovers
  /** What was told so far. */
  #seen: Position
  /** How many entries there were before this reader. */
  #known = 0
  #toldSuspended = false
  /** Entries told, the one that is being told included. */
  #told: number
  /** What notes from elsewhere are measured by; made of all that was told when the first one comes. */
  #fresh: Fresh | undefined
  #catchingUp: Promise<void> | undefined

  constructor(source: EventSource, runId: string, after: Position) {
    this.#source = source
    this.#runId = runId
    this.#seen = after
    this.#told = after.entries
    this.#takeovers = new Takeovers(source.engine, runId, after)
  }

  async *events(abortSignal: AbortSignal): AsyncGenerator<RunEvent, void> {
    const { engine, host, live: processes, load } = this.#source
    const runId = this.#runId
    this.#known = (await engine.describe(runId)).entries
    if (this.#seen.entries > this.#known) throw noCursor(cursorOf(this.#seen), `Run ${runId} is not that long.`)
    const unsubscribe = host?.subscribe(runId, (note) => this.#notes.push(note))
    const elsewhere = processes?.listen(runId, {
      heard: (note, source) => this.#hear(note, source),
      left: (source) => this.#fresh?.forget(source),
    })
    const release = keepAlive()
    try {
      while (!abortSignal.aborted) {
        const page = await load(this.#seen.entries, PAGE)
        const run = await engine.describe(runId)
        await this.#takeovers.look(run)
        await this.#allHeard(page, elsewhere)
        for (const entry of page) {
          yield* this.#recorded(entry)
          if (abortSignal.aborted) return
        }
        // There is more by now, and it comes before what is live.
        if (this.#seen.entries < run.entries) continue
        yield* this.#taken()
        if (hasEnded(run.status)) return
        yield* this.#status(run)
        yield* this.#notes.all(this.#seen)
        const { status, owner } = run
        const since = { status, entries: this.#seen.entries, ...(owner !== undefined && { worker: owner.worker }) }
        yield* live(engine, runId, since, this.#notes, this.#seen, abortSignal)
      }
    } finally {
      release()
      unsubscribe?.()
      elsewhere?.close()
    }
  }

  #hear(note: LiveNote, source: string): void {
    this.#catchingUp ??= this.#catchUp()
    this.#catchingUp.then(
      () => {
        if (this.#fresh?.isFresh(note, source)) this.#notes.push(note)
      },
      // The reader finds the same in its own turn.
      () => {},
    )
  }

  async #catchUp(): Promise<void> {
    const fresh = new Fresh()
    for (let from = 0; from < this.#told; ) {
      const page = await this.#source.load(from, Math.min(PAGE, this.#told - from))
      if (page.length === 0) return
      for (const entry of page) fresh.read(entry)
      from += page.length
    }
    this.#fresh = fresh
  }

  /** Chunks of a step are told before its entry, and take longer than it to come from another process. */
  async #allHeard(page: readonly Entry[], elsewhere: Elsewhere | undefined): Promise<void> {
    if (elsewhere === undefined || !page.some(({ seq, type }) => seq >= this.#known && type !== 'state')) return
    await elsewhere.settled()
    await this.#catchingUp
  }

  /** What an entry says, behind everything that came before it. */
  async *#recorded(entry: Entry): AsyncGenerator<RunEvent> {
    this.#told = entry.seq + 1
    this.#fresh?.read(entry)
    yield* this.#taken()
    if (this.#toldSuspended) yield this.#resumed(entry.at)
    if (entry.type === 'step' || entry.type === 'retry') {
      yield* this.#notes.through(entry.key, entry.attempt, this.#seen)
    }
    if (entry.type === 'end') yield* this.#notes.all(this.#seen)
    this.#seen = { entries: entry.seq + 1 }
    const event = entryEvent(entry, entry.seq < this.#known)
    if (event?.type === 'questionOpened') yield { ...event, ...(await this.#answered(event.question.id)) }
    else if (event !== undefined) yield event
  }

  *#taken(): Generator<RunEvent> {
    for (const event of this.#takeovers.before(this.#seen.entries)) {
      this.#seen = positionOf(event.cursor) ?? this.#seen
      this.#fresh?.forget()
      yield event
    }
  }

  *#status({ status, waitsFor, updatedAt }: RunDescription): Generator<RunEvent> {
    if (this.#toldSuspended && status !== 'suspended') yield this.#resumed(updatedAt)
    if (this.#toldSuspended || waitsFor === undefined) return
    this.#toldSuspended = true
    yield { ...this.#now(updatedAt), type: 'runSuspended', waitsFor }
  }

  #resumed(at: number): RunEvent {
    this.#toldSuspended = false
    return { ...this.#now(at), type: 'runResumed' }
  }

  #now(at: number): { readonly cursor: string; readonly at: number; readonly replayed: false } {
    return { cursor: cursorOf(this.#seen), at, replayed: false }
  }

  async #answered(questionId: string): Promise<{ readonly status?: QuestionRecord['status'] }> {
    const { engine } = this.#source
    return engine.question === undefined ? {} : { status: (await engine.question(questionId)).status }
  }
}

/** Chunks as they come, until the journal must be read again. */
async function* live(
  engine: Engine,
  runId: string,
  since: Parameters<Engine['changed']>[1],
  notes: LiveNotes,
  seen: Position,
  abortSignal: AbortSignal,
): AsyncGenerator<RunEvent, void> {
  const left = new AbortController()
  let changed = false
  let failure: { readonly error: unknown } | undefined
  engine
    .changed(runId, since, AbortSignal.any([abortSignal, left.signal]))
    .then(
      () => {
        changed = true
      },
      (error: unknown) => {
        failure = { error }
      },
    )
    .finally(() => notes.wake())
  try {
    for (;;) {
      await notes.next()
      if (failure !== undefined && !abortSignal.aborted) throw failure.error
      if (changed || notes.hasStart() || abortSignal.aborted) return
      yield* notes.all(seen)
    }
  } finally {
    left.abort()
  }
}

function beginning(options: EventsOptions): Position {
  if (options.as !== undefined) {
    throw new UsageError('UNSUPPORTED', `events({ as: '${options.as}' }) is not built yet.`, {
      hint: 'Read events() and translate them yourself.',
    })
  }
  if (options.after === undefined) return { entries: 0 }
  const position = positionOf(options.after)
  if (position !== undefined) return position
  throw noCursor(options.after, 'Cursors are not made by hand.')
}

function noCursor(after: string, why: string): UsageError {
  return new UsageError('BAD_INPUT', `events({ after: '${after}' }): that is no cursor of this run. ${why}`, {
    hint: 'Hand in the cursor of one of its events as it was.',
  })
}
