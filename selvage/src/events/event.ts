/**
 * What a reader of a run sees: entries of the journal, told in the reader's words, and the live chunks between them.
 *
 * A cursor says how many entries lie behind it, and which takeover if one was told there, so a reader who hands back the
 * last one it saw misses nothing that was recorded and sees nothing twice. What is not recorded (chunks; that a run was
 * suspended or resumed, as this reader saw it) carries the cursor of what was told before it.
 */
import type {
  Effect,
  Entry,
  ErrorJson,
  Json,
  LiveNote,
  Op,
  OpKind,
  Question,
  QuestionRecord,
  RunClaim,
  RunDescription,
} from '@selvage/core'
import { decode } from '@selvage/core'

interface Base {
  /** Hand it to `events({ after })` to go on behind this event. Opaque. */
  readonly cursor: string
  /** Epoch milliseconds. */
  readonly at: number
  /** True for what was recorded before this reader began. */
  readonly replayed: boolean
}

interface OfStep extends Base {
  /** The step's key. */
  readonly step: string
  readonly name: string
  readonly kind: OpKind
  /** 1, 2, … */
  readonly attempt: number
}

export type RunEvent =
  | (Base & {
      readonly type: 'runStarted'
      readonly program: string
      readonly version?: string
      readonly input: unknown
    })
  /** `effect` is told where it was declared. */
  | (OfStep & { readonly type: 'stepStarted'; readonly effect?: Effect })
  /** A new attempt: chunks of the one before are void. */
  | (OfStep & { readonly type: 'stepRestarted'; readonly effect?: Effect })
  | (OfStep & { readonly type: 'chunk'; readonly chunk: Json })
  | (OfStep & { readonly type: 'stepRetrying'; readonly error: ErrorJson; readonly retryAt: number })
  | (OfStep & { readonly type: 'stepCompleted'; readonly startedAt: number; readonly output: unknown })
  | (OfStep & { readonly type: 'stepFailed'; readonly startedAt: number; readonly error: ErrorJson })
  | (OfStep & { readonly type: 'stepUnknown'; readonly startedAt: number; readonly reason: string })
  | (OfStep & { readonly type: 'stepInterrupted'; readonly startedAt: number; readonly interrupts: readonly unknown[] })
  | (Base & {
      readonly type: 'signalReceived'
      readonly name: string
      readonly id: string
      readonly by?: string
      readonly payload: unknown
    })
  /** `status` is that of now, not of then: a question that is not `open` needs no answer. Not there where the engine keeps no questions. */
  | (Base & {
      readonly type: 'questionOpened'
      readonly question: Question
      readonly status?: QuestionRecord['status']
    })
  /** Without a `signalId` the wait was over by time. */
  | (Base & { readonly type: 'waitEnded'; readonly key: string; readonly signalId?: string })
  /** A worker took the run over from one that died: what was told before was recorded, and is not done again. */
  | (Base & {
      readonly type: 'runRecovered'
      readonly worker: string
      readonly pid: number
      readonly host: string
      /** The dead worker. */
      readonly recoveredFrom: string
    })
  /** Nobody works on the run until one of the signals or the time has come. Only as this reader sees it happen: short ones are missed. */
  | (Base & { readonly type: 'runSuspended'; readonly waitsFor: NonNullable<RunDescription['waitsFor']> })
  /** Follows each `runSuspended` that was told, before whatever else is told then. */
  | (Base & { readonly type: 'runResumed' })
  /** The run will end so, once what it did is undone. */
  | (Base & { readonly type: 'runUndoing'; readonly reason: string; readonly error?: ErrorJson })
  /** `undo`: it was not retried; somebody has answered what its undoing left open. */
  | (Base & {
      readonly type: 'runReopened'
      readonly voided: readonly string[]
      readonly by?: string
      readonly undo?: true
    })
  | (Base & { readonly type: 'runCompleted'; readonly output: unknown })
  | (Base & { readonly type: 'runFailed'; readonly error: ErrorJson; readonly step?: string })
  | (Base & { readonly type: 'runCancelled'; readonly reason: string })

/** The event of an entry; undefined for what only folding needs. */
export function entryEvent(entry: Entry, replayed: boolean): RunEvent | undefined {
  const base: Base = { cursor: cursorOf({ entries: entry.seq + 1 }), at: entry.at, replayed }
  switch (entry.type) {
    case 'start': {
      const { program, version, input } = entry.start
      return {
        ...base,
        type: 'runStarted',
        program,
        ...(version === undefined ? {} : { version }),
        input: decode(input),
      }
    }
    case 'intent':
      return {
        ...base,
        ...stepOf(entry.op, entry.attempt),
        type: entry.attempt > 1 ? 'stepRestarted' : 'stepStarted',
        ...effectOf(entry.op),
      }
    case 'retry':
      return {
        ...base,
        ...stepOf(entry.op, entry.attempt),
        type: 'stepRetrying',
        error: entry.error,
        retryAt: entry.retryAt,
      }
    case 'step': {
      const step = { ...base, ...stepOf(entry.op, entry.attempt), startedAt: entry.startedAt }
      const outcome = entry.outcome
      if ('ok' in outcome) return { ...step, type: 'stepCompleted', output: decode(outcome.ok) }
      if ('error' in outcome) return { ...step, type: 'stepFailed', error: outcome.error }
      if ('unknown' in outcome) return { ...step, type: 'stepUnknown', reason: outcome.unknown }
      return { ...step, type: 'stepInterrupted', interrupts: outcome.interrupts.map((interrupt) => decode(interrupt)) }
    }
    case 'signal': {
      const { id, name, by, payload } = entry.signal
      return {
        ...base,
        type: 'signalReceived',
        name,
        id,
        ...(by === undefined ? {} : { by }),
        payload: decode(payload),
      }
    }
    case 'open':
      return { ...base, type: 'questionOpened', question: entry.question }
    case 'wait':
      return {
        ...base,
        type: 'waitEnded',
        key: entry.key,
        ...(entry.signalId === undefined ? {} : { signalId: entry.signalId }),
      }
    case 'reopen':
      return {
        ...base,
        type: 'runReopened',
        voided: entry.voided,
        ...(entry.by === undefined ? {} : { by: entry.by }),
        ...(entry.undo === undefined ? {} : { undo: entry.undo }),
      }
    case 'undo': {
      const { outcome } = entry
      if ('cancelled' in outcome) return { ...base, type: 'runUndoing', reason: outcome.cancelled }
      return { ...base, type: 'runUndoing', reason: outcome.error.message, error: outcome.error }
    }
    case 'end': {
      const outcome = entry.outcome
      if ('ok' in outcome) return { ...base, type: 'runCompleted', output: decode(outcome.ok) }
      if ('cancelled' in outcome) return { ...base, type: 'runCancelled', reason: outcome.cancelled }
      const step = outcome.step === undefined ? {} : { step: outcome.step }
      return { ...base, type: 'runFailed', error: outcome.error, ...step }
    }
    case 'state':
    case 'past':
      return undefined
  }
}

/** The event of what a host told beside the journal. `behind`: what this reader has seen. */
export function liveEvent(note: LiveNote, op: Op | undefined, behind: Position): RunEvent {
  const base: Base = { cursor: cursorOf(behind), at: note.at, replayed: false }
  if (note.type === 'started') {
    return {
      ...base,
      ...stepOf(note.op, note.attempt),
      type: note.attempt > 1 ? 'stepRestarted' : 'stepStarted',
      ...effectOf(note.op),
    }
  }
  const step = stepOf(op ?? { key: note.key, kind: 'code', name: note.key }, note.attempt)
  return { ...base, ...step, type: 'chunk', chunk: note.chunk }
}

/** The event of a claim that took the run from a dead worker. */
export function takeoverEvent(
  claim: Takeover,
  entries: number,
  replayed: boolean,
): RunEvent & { readonly type: 'runRecovered' } {
  const { worker, pid, host, recoveredFrom, at, fence } = claim
  return {
    cursor: cursorOf({ entries, fence }),
    at,
    replayed,
    type: 'runRecovered',
    worker,
    pid,
    host,
    recoveredFrom,
  }
}

export type Takeover = RunClaim & { readonly recoveredFrom: string }

/** How far a reader has come: so many entries, and behind them the takeover of that fence, if one was told. */
export interface Position {
  readonly entries: number
  readonly fence?: number
}

/** Where `cursor` stands; undefined if it is none of ours. */
export function positionOf(cursor: string): Position | undefined {
  const [, entries, fence] = /^(\d{1,15})(?:\.(\d{1,15}))?$/.exec(cursor) ?? []
  if (entries === undefined) return undefined
  return { entries: Number(entries), ...(fence === undefined ? {} : { fence: Number(fence) }) }
}

export function cursorOf({ entries, fence }: Position): string {
  return fence === undefined ? `${entries}` : `${entries}.${fence}`
}

function stepOf(op: Op, attempt: number): Pick<OfStep, 'step' | 'name' | 'kind' | 'attempt'> {
  return { step: op.key, name: op.name, kind: op.kind, attempt }
}

function effectOf(op: Op): { readonly effect?: Effect } {
  return op.effect === undefined ? {} : { effect: op.effect }
}
