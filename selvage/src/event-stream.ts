import type { Engine, Entry, Host, RunStatus } from '@selvage/core'
import { UsageError } from '@selvage/core'
import type { RunEvent } from './event.ts'
import { entriesBefore, entryEvent } from './event.ts'
import { keepAlive } from './keep-alive.ts'
import { LiveNotes } from './live-notes.ts'

export interface EventsOptions {
  /** The `cursor` of the last event seen: the stream goes on behind it. Default: from the beginning. */
  readonly after?: string
  /** Ends the stream. The run goes on: a reader that leaves is not a stop. */
  readonly abortSignal?: AbortSignal
  /** Reserved: streams in the words of UI protocols. */
  readonly as?: 'ai-sdk' | 'ag-ui'
}

export interface EventSource {
  readonly engine: Engine
  /** Live chunks come from here: only of runs that this process works on. */
  readonly host: Host | undefined
  load(from: number, limit: number): Promise<readonly Entry[]>
}

const PAGE = 500

/** Follows a run until it has ended. UsageError at once for options that are none. The stream of an ended run is its journal. */
export function follow(source: EventSource, runId: string, options: EventsOptions): AsyncGenerator<RunEvent, void> {
  return read(source, runId, beginning(options), options.abortSignal ?? new AbortController().signal)
}

async function* read(
  source: EventSource,
  runId: string,
  from: number,
  abortSignal: AbortSignal,
): AsyncGenerator<RunEvent, void> {
  const { engine, host } = source
  const known = (await engine.describe(runId)).entries
  const notes = new LiveNotes()
  const unsubscribe = host?.subscribe(runId, (note) => notes.push(note))
  const release = keepAlive()
  try {
    let seen = from
    while (!abortSignal.aborted) {
      const { status, entries } = await engine.describe(runId)
      for (let page = await source.load(seen, PAGE); page.length > 0; page = await source.load(seen, PAGE)) {
        for (const entry of page) {
          if (entry.type === 'step' || entry.type === 'retry') yield* notes.through(entry.key, entry.attempt, seen)
          if (entry.type === 'end') yield* notes.all(seen)
          seen = entry.seq + 1
          const event = entryEvent(entry, entry.seq < known)
          if (event !== undefined) yield event
          if (abortSignal.aborted) return
        }
      }
      if (hasEnded(status) && seen >= entries) return
      yield* notes.all(seen)
      yield* live(engine, runId, { entries: seen, status }, notes, abortSignal)
    }
  } finally {
    release()
    unsubscribe?.()
  }
}

/** Chunks as they come, until the journal must be read again. */
async function* live(
  engine: Engine,
  runId: string,
  since: { readonly entries: number; readonly status: RunStatus },
  notes: LiveNotes,
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
      yield* notes.all(since.entries)
    }
  } finally {
    left.abort()
  }
}

function beginning(options: EventsOptions): number {
  if (options.as !== undefined) {
    throw new UsageError('UNSUPPORTED', `events({ as: '${options.as}' }) is not built yet.`, {
      hint: 'Read events() and translate them yourself.',
    })
  }
  if (options.after === undefined) return 0
  const entries = entriesBefore(options.after)
  if (entries !== undefined) return entries
  throw new UsageError('BAD_INPUT', `events({ after: '${options.after}' }): that is no cursor.`, {
    hint: 'Hand in the cursor of an event of this run as it was.',
  })
}

export function hasEnded(status: RunStatus): boolean {
  return status === 'completed' || status === 'failed' || status === 'cancelled'
}
