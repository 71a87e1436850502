/**
 * What the journal says so far: the part of a fiber that is derived from entries alone. Entries are taken in one by
 * one, in order; the same function serves the first pass, replay and fold, so that they cannot differ.
 */
import { RunError } from '../errors.ts'
import { type CancelCause, causeFrom } from '../fibers/deadline.ts'
import type { Entry, EntryOf, Failure, Outcome, Signal } from './entry.ts'

const NONE: readonly Signal[] = []

export interface EndedWait {
  /** What ended it; without one, time did. */
  readonly signal: Signal | undefined
  readonly at: number
}

/** That the run was cancelled, when, and by what if it was nobody. */
export interface Cancelled {
  readonly reason: string
  readonly at: number
  readonly because: CancelCause | undefined
}

export function cancelledOutcome({ reason, because }: Cancelled): Failure {
  return { cancelled: reason, ...(because !== undefined && { because }) }
}

export class Known {
  salt = ''
  /** Host time of the newest entry. */
  lastAt = 0
  /** Reason, once a cancel is in the journal. */
  cancelled: Cancelled | undefined
  /** How the run will end, once it is past its point of no return. */
  undo: EntryOf<'undo'> | undefined
  outcome: Outcome | undefined
  /** Final outcomes that nobody has asked for yet. */
  readonly steps: Map<string, EntryOf<'step'>> = new Map()
  /** Ended waits that nobody has asked for yet. */
  readonly waits: Map<string, EndedWait> = new Map()
  /** Questions that were asked, and when. */
  readonly opened: Map<string, number> = new Map()
  /** Failed attempts of steps without a final outcome. */
  readonly attempts: Map<string, EntryOf<'retry'>> = new Map()
  /** When the first attempt of each of those steps failed. */
  readonly failedSince: Map<string, number> = new Map()
  /** Intents without an outcome. */
  readonly intents: Map<string, EntryOf<'intent'>> = new Map()
  /** Journaled and not consumed, oldest first, by name. */
  private readonly unconsumed = new Map<string, Signal[]>()
  /** The name of each signal that was journaled, by its id. */
  private readonly signalNames = new Map<string, string>()

  seen(signalId: string): boolean {
    return this.signalNames.has(signalId)
  }

  /** Signals of that name that no wait has consumed, oldest first. */
  inbox(name: string): readonly Signal[] {
    return this.unconsumed.get(name) ?? NONE
  }

  /** `asked`: somebody waits for the outcome of that step, and is given it. */
  take(entry: Entry, asked = false): void {
    this.lastAt = entry.at
    switch (entry.type) {
      case 'start':
        this.salt = entry.salt
        break
      case 'intent':
        this.intents.set(entry.key, entry)
        break
      case 'retry':
        if (!this.failedSince.has(entry.key)) this.failedSince.set(entry.key, entry.at)
        this.attempts.set(entry.key, entry)
        this.intents.delete(entry.key)
        break
      case 'step':
        if (!asked) this.steps.set(entry.key, entry)
        if (this.attempts.delete(entry.key)) this.failedSince.delete(entry.key)
        this.intents.delete(entry.key)
        break
      case 'signal':
        this.takeSignal(entry.signal, entry.at)
        break
      case 'open':
        this.opened.set(entry.key, entry.at)
        break
      case 'wait':
        this.waits.set(entry.key, {
          signal: entry.signalId === undefined ? undefined : this.consume(entry.signalId),
          at: entry.at,
        })
        break
      case 'undo':
        this.undo ??= entry
        break
      case 'end':
        this.outcome = entry.outcome
        break
      case 'state':
      case 'past':
      case 'reopen':
        break
    }
  }

  private takeSignal(signal: Signal, at: number): void {
    this.signalNames.set(signal.id, signal.name)
    if (signal.name === '$cancel') {
      const reason = typeof signal.payload === 'string' ? signal.payload : 'cancelled'
      this.cancelled ??= { reason, at, because: causeFrom(signal.by) }
      return
    }
    const queue = this.unconsumed.get(signal.name)
    if (queue === undefined) this.unconsumed.set(signal.name, [signal])
    else queue.push(signal)
  }

  private consume(signalId: string): Signal | undefined {
    const name = this.signalNames.get(signalId)
    const queue = name === undefined ? undefined : this.unconsumed.get(name)
    if (name === undefined || queue === undefined) return undefined
    // Most are consumed in the order in which they came.
    const at = queue[0]?.id === signalId ? 0 : queue.findIndex((signal) => signal.id === signalId)
    if (at < 0) return undefined
    const [signal] = queue.splice(at, 1)
    if (queue.length === 0) this.unconsumed.delete(name)
    return signal
  }
}

/**
 * The entries that still count: a `reopen` makes void the end before it, a cancel before it, everything recorded of the
 * steps it names, and the waits it names, with the signals that ended them and the questions that they are answers to. One
 * that lets the undoing of a run go on makes nothing void but the end.
 */
export function standing(entries: readonly Entry[]): readonly Entry[] {
  const last = entries.findLastIndex((entry) => entry.type === 'reopen')
  if (last < 0) return entries
  const retried = entries.findLastIndex((entry) => entry.type === 'reopen' && entry.undo !== true)
  const voided: Voided = { keys: new Set(), signals: new Set() }
  const kept: Entry[] = []
  for (let index = entries.length - 1; index >= 0; index--) {
    const entry = entries[index] as Entry
    if (entry.type === 'reopen') {
      for (const key of entry.voided) voided.keys.add(key)
    } else if (index > last || (index > retried ? entry.type !== 'end' : !isVoid(entry, voided))) {
      kept.push(entry)
    }
  }
  return kept.reverse()
}

interface Voided {
  readonly keys: Set<string>
  readonly signals: Set<string>
}

/** Asked from the youngest entry to the oldest: a wait names the signal before it. */
function isVoid(entry: Entry, voided: Voided): boolean {
  switch (entry.type) {
    case 'end':
      return true
    case 'signal':
      return entry.signal.name === '$cancel' || voided.signals.has(entry.signal.id)
    case 'wait':
      if (!voided.keys.has(entry.key)) return false
      if (entry.signalId !== undefined) voided.signals.add(entry.signalId)
      return true
    case 'step':
    case 'intent':
    case 'retry':
    case 'open':
      return voided.keys.has(entry.key)
    default:
      return false
  }
}

/** How often retries have made void that a step had a result, by its key. */
export function madeAgain(entries: readonly Entry[]): ReadonlyMap<string, number> {
  const done = new Set<string>()
  const again = new Map<string, number>()
  for (const entry of entries) {
    if (entry.type === 'step' && 'ok' in entry.outcome) done.add(entry.key)
    if (entry.type !== 'reopen') continue
    for (const key of entry.voided) if (done.delete(key)) again.set(key, (again.get(key) ?? 0) + 1)
  }
  return again
}

const SHIELDED = '$cancel/'

/** The key of what runs in spite of a cancel. */
export function shieldedKey(key: string): string {
  return key.startsWith(SHIELDED) ? key : `${SHIELDED}${key}`
}

/** What was done because of the cancel, and what failed because of it. */
function voidedByCancel(entries: readonly Entry[]): readonly string[] {
  const from = entries.findLastIndex((entry) => entry.type === 'signal' && entry.signal.name === '$cancel')
  const keys = new Set<string>()
  for (const entry of entries.slice(Math.max(0, from))) {
    const ofStep = entry.type === 'step' || entry.type === 'retry' || entry.type === 'intent'
    if (!ofStep) continue
    const failed = entry.type === 'step' && 'error' in entry.outcome
    if (failed || entry.key.startsWith(SHIELDED)) keys.add(entry.key)
  }
  return [...keys]
}

/**
 * The keys that a retry makes void: the step, child or time-out that ended the run, and what failed after it. Another
 * wait that time has ended is no failure: most of them are sleeps.
 */
export function voidedByRetry(entries: readonly Entry[]): readonly string[] {
  return [...new Set([...voidedByEnd(entries), ...failedAttempts(standing(entries))])]
}

/** Steps that were to be made again: they get all their attempts anew. */
function failedAttempts(entries: readonly Entry[]): readonly string[] {
  const failed = new Set<string>()
  for (const entry of entries) {
    if (entry.type === 'retry') failed.add(entry.key)
    else if (entry.type === 'step' || entry.type === 'intent') failed.delete(entry.key)
  }
  return [...failed]
}

function voidedByEnd(entries: readonly Entry[]): readonly string[] {
  const end = entries.at(-1)
  if (end?.type === 'end' && 'cancelled' in end.outcome) return voidedByCancel(entries)
  if (end?.type !== 'end' || !('error' in end.outcome) || end.outcome.step === undefined) return []
  const culprit = end.outcome.step
  if (end.outcome.voids !== undefined) return [culprit, ...end.outcome.voids]
  const from = entries.findLastIndex(
    (entry) => (entry.type === 'step' || entry.type === 'wait') && entry.key === culprit,
  )
  if (from < 0) return []
  const failed = failedChildren(entries)
  const keys: string[] = []
  for (const entry of entries.slice(from)) {
    if (entry.type === 'step' && !('ok' in entry.outcome)) keys.push(entry.key)
    if (entry.type !== 'wait') continue
    const isTimeout = entry.signalId === undefined && entry.key === culprit
    if (isTimeout || failed.has(entry.signalId ?? '')) keys.push(entry.key)
  }
  return keys
}

/** RUN_UNDONE: what was undone must not be taken as done by a retry, and what was not must not be made again. */
export function refuseUndone(runId: string, entries: readonly Entry[]): void {
  if (!entries.some(({ type }) => type === 'undo')) return
  throw new RunError('RUN_UNDONE', `Run ${runId} cannot be retried: what it did was undone.`, {
    hint: "Fork it before the first step that shall be made again (run.fork({ at: '<step>' })), or start a new run.",
    details: { runId },
  })
}

/** The children that a retry must make go on as well, since their failure is void. */
export function childrenToRetry(entries: readonly Entry[], voided: readonly string[]): readonly string[] {
  const failed = failedChildren(entries)
  const runIds = new Set<string>()
  for (const entry of entries) {
    const runId = entry.type === 'wait' && voided.includes(entry.key) ? failed.get(entry.signalId ?? '') : undefined
    if (runId !== undefined) runIds.add(runId)
  }
  return [...runIds]
}

const CHILD = 'child:'

/** Signals that say that a child has failed or was cancelled, with the child's run id. */
function failedChildren(entries: readonly Entry[]): ReadonlyMap<string, string> {
  const failed = new Map<string, string>()
  for (const entry of entries) {
    if (entry.type !== 'signal' || !entry.signal.name.startsWith(CHILD)) continue
    const { payload } = entry.signal
    const ended = typeof payload === 'object' && payload !== null && ('error' in payload || 'cancelled' in payload)
    if (ended) failed.set(entry.signal.id, entry.signal.name.slice(CHILD.length))
  }
  return failed
}
